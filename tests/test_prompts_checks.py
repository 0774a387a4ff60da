"""Checks say what holds of an answer, and end, whatever pattern, schema or answer they meet."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from streamlab.prompts import patterns
from streamlab.prompts.checks import (
    Check,
    CheckErrorCode,
    Contains,
    Equals,
    Json,
    JsonSchema,
    MaxWords,
    NotContains,
    Regex,
    Verdict,
    VerdictCode,
    check_problem,
    check_variables,
    count_words,
    run_check,
)

GENEROUS = 10.0  # seconds for what ends within one or two on an idle machine
EVIL = "(a|aa)+$"
LONG = "a" * 60 + "b"


def schema(value: Any) -> JsonSchema:
    return JsonSchema(value=json.dumps(value))


def says(check: Check, text: str, **values: str) -> tuple[bool | None, VerdictCode]:
    verdict = run_check(check, text, values)
    return verdict.passed, verdict.code


# What holds


@pytest.mark.parametrize(
    ("check", "text", "passed", "code"),
    [
        (Contains(value="Paris"), "It is Paris.", True, "contained"),
        (Contains(value="paris"), "It is Paris.", False, "not_contained"),
        (Contains(value="STRASSE", ignore_case=True), "die Straße", True, "contained"),
        (Contains(value=""), "text", None, "nothing_to_find"),
        (NotContains(value="sorry"), "Sorry!", True, "not_contained"),
        (NotContains(value="sorry", ignore_case=True), "Sorry!", False, "contained"),
        (NotContains(value=""), "text", None, "nothing_to_find"),
        (Equals(value="Paris"), "Paris", True, "equal"),
        (Equals(value="Paris"), "Paris.", False, "not_equal"),
        (Equals(value=""), "", None, "nothing_to_find"),
        (Regex(value=r"\d{4}-\d\d"), "on 2024-05-01", True, "matched"),
        (Regex(value="^東京$"), "東京都", False, "not_matched"),
        (Regex(value="("), "(", None, "bad_pattern"),
        (Json(), ' {"a": [1, null]} ', True, "valid"),
        (Json(), '```json\n{"a": 1}\n```\n', True, "valid"),
        (Json(), '```\r\n{"a": 1}\r\n```', True, "valid"),
        (Json(), 'Here it is:\n```json\n{"a": 1}\n```', False, "not_json"),
        (Json(), "```json\n1\n```\n```json\n2\n```", False, "not_json"),
        (Json(), "```python\n1\n```", False, "not_json"),
        (Json(), "NaN", False, "not_json"),
        (Json(), "", False, "not_json"),
        (Json(), "9" * 10_000, True, "valid"),
        (Json(), "[" * 100_000 + "]" * 100_000, None, "too_complex"),
        (schema({"type": "object", "required": ["a"]}), '{"a": 1}', True, "valid"),
        (schema({"type": "object", "required": ["a"]}), '```json\n{"b": 1}\n```', False, "not_valid"),
        (schema({"type": "object"}), "{", False, "not_json"),
        (schema(True), "1", True, "valid"),
        (schema(False), "1", False, "not_valid"),
        (schema({"type": "string", "pattern": "^a+$"}), '"aaa"', True, "valid"),
        (schema({"type": "string", "pattern": "^a+$"}), '"b"', False, "not_valid"),
        (schema({"pattern": "^a+$"}), "1", True, "valid"),
        (schema({"uniqueItems": True}), "[1, 1.0]", False, "not_valid"),
        (schema({"multipleOf": 0.1}), "1" * 400, None, "too_complex"),
        (MaxWords(value=2), "two words", True, "short_enough"),
        (MaxWords(value=2), "three short words", False, "too_many_words"),
        (MaxWords(value=4), "東京です", True, "short_enough"),
        (MaxWords(value=3), "東京です", False, "too_many_words"),
    ],
)
def test_each_check_has_its_verdict(check: Check, text: str, passed: bool | None, code: VerdictCode) -> None:
    """With a code for the sentence; None where it cannot be said."""
    assert says(check, text) == (passed, code)


@pytest.mark.parametrize(
    ("instance", "valid"),
    [({"a": "x"}, True), ({"x1": 1, "a": "x"}, True), ({"x1": "no", "a": "x"}, False), ({"b": 1}, False), ({}, True)],
)
@pytest.mark.parametrize("draft", ["http://json-schema.org/draft-07/schema#", None])
def test_patterns_of_names_are_those_of_the_standard(instance: Any, valid: bool, draft: str | None) -> None:
    """patternProperties and additionalProperties, which are done here with another engine than the library's."""
    rules: dict[str, Any] = {
        "properties": {"a": {"type": "string"}},
        "patternProperties": {"^x": {"type": "integer"}},
        "additionalProperties": False,
    }
    assert says(schema({"$schema": draft} | rules if draft else rules), json.dumps(instance))[0] is valid
    typed = schema({"properties": {"a": {}}, "additionalProperties": {"type": "integer"}})
    assert says(typed, '{"a": "x", "b": 1}')[0] is True
    assert says(typed, '{"a": "x", "b": "y"}')[0] is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Hello, world!", 2),
        ("don't well-known 1,000.5", 3),
        ("a - b …", 2),
        ("日本語です。", 5),
        ("コーヒーを2杯", 7),
        ("東京Tower", 3),
        ("한국어 단어", 2),
        ("one\n\ntwo\u3000three", 3),
    ],
)
def test_words_are_counted_as_word_processors_do(text: str, words: int) -> None:
    """Japanese has no spaces, so there each character counts."""
    assert count_words(text) == words


# Values of the case


def test_a_check_can_be_different_for_each_case() -> None:
    """A column's name in braces stands for the text of the case; all other braces are themselves."""
    check = Contains(value="{capital}")
    assert says(check, "Tokyo", capital="Tokyo") == (True, "contained")
    assert says(check, "Tokyo", capital="Paris") == (False, "not_contained")
    assert says(check, "Tokyo", capital="") == (None, "nothing_to_find")
    assert says(Contains(value='{"a": {n}}'), 'x {"a": 1}', n="1") == (True, "contained")
    assert says(Contains(value="{other}"), "{other}", n="1") == (True, "contained")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_a_text_of_the_case_is_no_pattern(text: str) -> None:
    """Nor is it read for variables again."""
    assert says(Regex(value="^{x}$"), text, x=text, y="z")[0] is True
    assert says(Contains(value="{x}"), f"<{text}>", x=text, y="z")[0] is True


def test_what_looks_like_a_variable_can_be_asked_for() -> None:
    """So that a misspelt column is shown before running."""
    assert check_variables(Contains(value='{a} {"b": 1} {名前} {a}')) == ("a", "名前")
    assert check_variables(Regex(value=r"\d{4} {year}")) == ("year",)
    assert check_variables(schema({"type": "object"})) == check_variables(MaxWords(value=1)) == ()


# What would never end


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (Regex(value=EVIL), LONG),
        (Regex(value="(.*?,){30}P"), ",".join("1" * 200)),
        (Regex(value="(?:(?:(?:(?:a?){99}){99}){99}){99}"), "a"),
        (Regex(value="a{1000000}"), "a"),
        (Regex(value="(?x)(?:a{ 999 }){ 999 }"), "a"),
        (Regex(value="(?R)"), "a"),
        (Regex(value="a" * 1_001), "a"),
        (schema({"pattern": EVIL}), json.dumps(LONG)),
        (schema({"patternProperties": {EVIL: {}}}), json.dumps({LONG: 1})),
        (schema({"patternProperties": {EVIL: {}}, "additionalProperties": False}), json.dumps({LONG: 1})),
        (schema({"propertyNames": {"pattern": EVIL}}), json.dumps({LONG: 1})),
        (schema({"$ref": "#"}), "1"),
        (
            schema({"$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)} | {"a40": {}}}
            | {"$ref": "#/$defs/a0"}),
            "1",
        ),
        (schema({"uniqueItems": True}), json.dumps([{"a": n} for n in range(20_000)])),
        (schema({"items": {}}), "[" * 100_000),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_would_never_end_is_left_undecided(check: Check, text: str) -> None:
    """Within a time limit, and without taking the machine's memory."""
    start = time.monotonic()
    assert says(check, text) == (None, "too_complex")
    assert time.monotonic() - start < GENEROUS


@given(st.text(st.sampled_from(list(r"ab.*+?()[]{}|\^$,19=!<:P#x -&")), max_size=20), st.text("ab 1", max_size=50))
def test_any_pattern_ends_in_a_verdict(pattern: str, text: str) -> None:
    """Whatever is typed, on the way to a whole expression too."""
    check = Regex(value=pattern)
    verdict = run_check(check, text, {})
    assert (check_problem(check) in ("bad_pattern", "pattern_too_complex")) <= (verdict.passed is None)


KEYWORDS = ["$ref", "type", "items", "properties", "pattern", "allOf", "$id", "not", "a"]
schemas = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYWORDS), inner),
    max_leaves=12,
)


@given(schemas, st.text(max_size=10))
def test_any_schema_ends_in_a_verdict(value: Any, text: str) -> None:
    """A broken one is told of before running, and decides nothing."""
    check = schema(value)
    for answer in (text, json.dumps(value)):
        verdict = run_check(check, answer, {})
        if check_problem(check) and verdict.code != "not_json":
            assert verdict.passed is None


# What is wrong with the check itself


@pytest.mark.parametrize(
    ("check", "flaw"),
    [
        (Contains(value="a"), None),
        (Contains(value=""), "nothing_to_find"),
        (NotContains(value=""), "nothing_to_find"),
        (Regex(value=""), "nothing_to_find"),
        (Regex(value=r"\d+ {city}"), None),
        (Regex(value="[z-a]"), "bad_pattern"),
        (Regex(value=r"\p{Foo}"), "bad_pattern"),
        (Regex(value="(" * 400 + ")" * 400), "pattern_too_complex"),
        (Regex(value="a{99999999}"), "pattern_too_complex"),
        (Json(), None),
        (MaxWords(value=1), None),
        (schema({"type": "object", "properties": {"pattern": {"type": "string"}}}), None),
        (JsonSchema(value="{"), "bad_schema"),
        (schema([]), "bad_schema"),
        (schema({"type": "objekt"}), "bad_schema"),
        (schema({"$schema": "http://json-schema.org/draft-03/schema#"}), "bad_schema"),
        (schema({"pattern": "("}), "bad_schema"),
        (schema({"patternProperties": {"(": {}}}), "bad_schema"),
        (schema({"$ref": "https://example.com/schema.json"}), "bad_schema"),
        (schema({"items": {"$ref": "file:///etc/passwd"}}), "bad_schema"),
        (schema({"items": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}), "bad_schema"),
        (schema({"pattern": "a{99999999}"}), "schema_too_complex"),
        (JsonSchema(value='{"items":' * 40 + "{}" + "}" * 40), "schema_too_complex"),
        (JsonSchema(value="[" * 10_000), "schema_too_complex"),
        (schema({"patternProperties": {"a": {}}, "unevaluatedProperties": False}), "schema_too_complex"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_broken_check_is_known_before_running(check: Check, flaw: CheckErrorCode | None) -> None:
    """A pattern without meaning, a schema that is none or that asks for something elsewhere."""
    assert check_problem(check) == flaw


def test_a_reference_to_nowhere_decides_nothing() -> None:
    """It is only met when the answer is there."""
    assert says(schema({"$ref": "#/$defs/none"}), "1") == (None, "bad_schema")


def test_a_pattern_with_the_texts_of_a_long_case_is_bounded_too() -> None:
    """The bound is that of the pattern as it is searched."""
    assert says(Regex(value="{x}"), "a", x="b" * patterns.MAX_CHARACTERS) == (False, "not_matched")
    assert says(Regex(value="{x}"), "a", x="b" * (patterns.MAX_CHARACTERS + 1)) == (None, "too_complex")


def test_checks_are_told_apart_by_their_type() -> None:
    """As they are read from a file."""
    read = TypeAdapter[Check](Check).validate_python
    assert read({"type": "max_words", "value": "7"}) == MaxWords(value=7)
    for wrong in ({"type": "python", "value": "1"}, {"type": "json", "value": "1"}, {"type": "max_words", "value": 0}):
        with pytest.raises(ValidationError):
            read(wrong)


def test_python_agrees_on_ordinary_patterns() -> None:
    """The other engine is one for its time limit, not for its dialect."""
    for pattern in (r"^\w+@\w+\.\w{2,}$", r"(?i)HELLO\b", r"(\d)\1", r"(?<=a)b(?!c)", "[^a-z]"):
        for text in ("a@b.co", "Hello!", "122", "abd", "abc", "xyz"):
            passed = re.search(pattern, text) is not None
            assert run_check(Regex(value=pattern), text, {}) == Verdict(passed, "matched" if passed else "not_matched")
