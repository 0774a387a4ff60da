"""A promptfoo configuration is opened as a set: our own exactly, others as far as a set says the same."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import assume, given

from streamlab.prompts.checks import Contains, Equals, Json, JsonSchema, MaxWords, NotContains, Regex, run_check
from streamlab.prompts.left_out import LeftOutCode
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.promptfoo import to_promptfoo
from streamlab.prompts.promptfoo_config import OpenedSet, open_set
from streamlab.prompts.serialization import BrokenSet, to_yaml
from streamlab.prompts.template import TemplateError, fill
from tests.prompt_sets import a_set, sets

MODEL = "demo"


def opened(**config: Any) -> OpenedSet:
    """A configuration with two prompts for one model, but for what is given."""
    usual = {"prompts": ["Explain {{topic}}", "Sing of {{topic}}"], "providers": ["openai:chat:gpt-4o"]}
    return open_set(yaml.safe_dump(usual | config, allow_unicode=True, sort_keys=False).encode(), MODEL)


def left_out(found: OpenedSet) -> list[tuple[LeftOutCode, str]]:
    return [(each.code, each.place) for each in found.left_out]


# Our own export


@given(sets())
def test_what_we_export_we_open_again_as_the_same_set(prompts: PromptSet) -> None:
    """Every text to the last character, names of columns, checks and their order."""
    try:
        exported = to_promptfoo(prompts)
    except TemplateError:
        assume(False)
    assert open_set(exported.encode(), MODEL) == OpenedSet(prompts)


def test_a_set_of_our_own_is_opened_as_before() -> None:
    """The same box takes both."""
    prompts = a_set(Contains(value="x"))
    assert open_set(to_yaml(prompts).encode(), MODEL) == OpenedSet(prompts)


TEXTS = ["plain", "{{ env.HOME }}", "{% raw %}x{% endraw %}", "{# c #}", "file:///etc/passwd", "ends\n", "日本", "{x}"]


@pytest.mark.parametrize("text", TEXTS)
def test_an_export_that_was_edited_is_read_as_it_stands(text: str) -> None:
    """Not as the set was before; what our export does to a text for promptfoo's sake is undone."""
    written = text.replace("{", "{{").replace("}", "}}")
    variants = (
        Variant(name="one", system=text, template=f"{written} {{city}}", model="gpt-4o"),
        Variant(name="two", template="{city}!", model="demo?first=0", temperature=0.5),
    )
    cases = ({"city": "東京"}, {"city": text})
    checks = (Contains(value="x", ignore_case=True), Equals(value="{city}"), Json(), MaxWords(value=9))
    prompts = PromptSet(variants=variants, columns=("city",), cases=cases, checks=checks, repeats=2, at_once=3)
    config = yaml.safe_load(to_promptfoo(prompts))
    config["evaluateOptions"]["repeat"] = 5
    found = open_set(yaml.safe_dump(config, allow_unicode=True, sort_keys=False).encode(), MODEL)
    assert found.left_out == ()
    assert found.prompts.variants == variants
    assert [case["city"] for case in found.prompts.cases] == ["東京", text]
    assert (found.prompts.repeats, found.prompts.at_once) == (5, 3)
    for case, values in zip(cases, found.prompts.cases, strict=True):
        for answer in ("x", "東京", text, "{}"):
            before = {check.type: run_check(check, answer, case).passed for check in checks}
            after = {check.type: run_check(check, answer, values).passed for check in found.prompts.checks}
            assert after == before


# Others


def test_prompts_are_strings_objects_and_chats() -> None:
    """At every provider that takes them; a label is the name."""
    chat = [{"role": "system", "content": "Be {brief}."}, {"role": "user", "content": "On {{ topic }}: {x}"}]
    found = opened(
        prompts=["Explain {{topic}}", {"label": "chat", "raw": json.dumps(chat)}],
        providers=[
            "openai:gpt-4o-mini",
            {"id": "openai:chat:gpt-4o", "label": "big", "config": {"temperature": 0.5}, "prompts": ["chat"]},
            {"openai:responses:o4": {"config": {"omitDefaults": True}, "prompts": ["chat"]}},
        ],
    )
    assert [variant.model_dump() for variant in found.prompts.variants] == [
        {"name": name, "system": system, "template": template, "model": model, "temperature": temperature}
        for name, system, template, model, temperature in (
            ("Explain {topic}", "", "Explain {topic}", "gpt-4o-mini", 0.0),
            ("chat · gpt-4o-mini", "Be {brief}.", "On {topic}: {{x}}", "gpt-4o-mini", 0.0),
            ("chat · big", "Be {brief}.", "On {topic}: {{x}}", "gpt-4o", 0.5),
            ("chat · o4", "Be {brief}.", "On {topic}: {{x}}", "o4", 1.0),
        )
    ]
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("file://prompt.txt", "file"),
        ("prompts/one.txt", "file"),
        ({"id": "file://prompt.py", "label": "x"}, "file"),
        ("{{ topic | upper }}", "template"),
        ("{% if topic %}a{% endif %}", "template"),
        ("{{ topic.name }}", "template"),
        ("{{ env.USER }}", "template"),
        ('[{"role": "system", "content": "{{x}}"}, {"role": "user", "content": "a"}]', "system_variables"),
        ('[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]', "messages"),
        ('[{"role": "user", "content": [{"type": "image_url"}]}]', "messages"),
    ],
)
def test_a_prompt_that_cannot_be_taken_is_told(prompt: Any, code: str) -> None:
    """With its place; the others are taken."""
    found = opened(prompts=["a", prompt, "b"])
    assert left_out(found) == [(code, "prompts.1")]
    assert [variant.template for variant in found.prompts.variants] == ["a", "b"]


def test_without_any_prompt_nothing_is_opened() -> None:
    """And it is told why."""
    with pytest.raises(BrokenSet) as broken:
        opened(prompts=["file://a", "file://b"])
    assert broken.value.code == "no_prompt"
    assert [each.place for each in broken.value.left_out] == ["prompts.0", "prompts.1"]


def test_one_prompt_is_there_twice_to_be_compared() -> None:
    """Under two names."""
    found = opened(prompts=["a"])
    assert [variant.name for variant in found.prompts.variants] == ["a", "a 2"]
    assert left_out(found) == [("one_prompt", "prompts")]


def test_providers_that_cannot_be_asked_are_told() -> None:
    """The sidebar's model answers when there is no other."""
    found = opened(providers=["mistral:mistral-large", {"id": "file://p.py"}])
    assert left_out(found) == [("provider", "providers.0"), ("provider", "providers.1"), ("no_provider", "providers")]
    assert {variant.model for variant in found.prompts.variants} == {MODEL}
    found = opened(providers=[{"id": "openai:x", "config": {"max_tokens": 9, "apiBaseUrl": "http://y"}, "delay": 1}])
    assert [place for _, place in left_out(found)] == [
        "providers.0.delay = 1",
        "providers.0.config.max_tokens = 9",
        "providers.0.config.apiBaseUrl = http://y",
    ]


def test_tests_become_cases() -> None:
    """Lists of values are multiplied out, those for all come first, and what is no text stays as it is written."""
    found = opened(
        defaultTest={"vars": {"tone": "dry"}},
        tests=[
            {"vars": {"topic": "tea", "tone": "warm"}},
            {"vars": {"topic": ["a", "b"], "n": [1, 2]}},
            {"vars": {"topic": "no", "n": True}},
            {"vars": {"topic": "On {{tone}} things"}},
        ],
    )
    assert found.left_out == ()
    assert found.prompts.columns == ("tone", "topic", "n")
    assert [tuple(case.values()) for case in found.prompts.cases] == [
        ("warm", "tea", ""),
        ("dry", "a", "1"),
        ("dry", "a", "2"),
        ("dry", "b", "1"),
        ("dry", "b", "2"),
        ("dry", "no", "true"),
        ("dry", "On dry things", ""),
    ]


def test_assertions_for_all_are_checks() -> None:
    """Each that says the same, with its variables."""
    asserted = [
        {"type": "equals", "value": "{{topic}}!"},
        {"type": "contains", "value": "a"},
        {"type": "icontains", "value": "b"},
        {"type": "not-contains", "value": "c"},
        {"type": "not-icontains", "value": "d"},
        {"type": "contains-all", "value": ["e", "f"]},
        {"type": "contains-any", "value": ["g.", "{{topic}}"]},
        {"type": "starts-with", "value": "(h"},
        {"type": "regex", "value": r"\d{4}"},
        {"type": "is-json"},
        {"type": "is-json", "value": {"type": "array", "minItems": 2, "items": {"enum": ["2", 2, None, True]}}},
        {"type": "word-count", "value": {"max": 9}},
    ]
    found = opened(defaultTest={"assert": asserted}, tests=[{"vars": {"topic": "x"}}, {"vars": {"topic": "y"}}])
    assert found.left_out == ()
    assert found.prompts.columns == ("topic",)
    schema = '{"type": "array", "minItems": 2, "items": {"enum": ["2", 2, null, true]}}'
    assert found.prompts.checks == (
        Equals(value="{topic}!"),
        Contains(value="a"),
        Contains(value="b", ignore_case=True),
        NotContains(value="c"),
        NotContains(value="d", ignore_case=True),
        Contains(value="e"),
        Contains(value="f"),
        Regex(value=r"(?:g\.|{topic})"),
        Regex(value=r"^\(h"),
        Regex(value=r"\d{4}"),
        Json(),
        JsonSchema(value=schema),
        MaxWords(value=9),
    )


def test_assertions_of_some_cases_have_a_column() -> None:
    """It is empty where nothing is wanted; what no column can hold is told."""
    found = opened(
        tests=[
            {"vars": {"topic": "tea"}, "assert": [{"type": "contains", "value": "{{topic}} {topic}"}]},
            {"vars": {"topic": "x"}, "assert": [{"type": "regex", "value": "^a"}, {"type": "is-json"}]},
        ]
    )
    assert found.prompts.checks == (Contains(value="{expected_contains}"),)
    assert [case["expected_contains"] for case in found.prompts.cases] == ["tea {topic}", ""]
    assert left_out(found) == [("by_case", "tests.1.assert.0"), ("by_case", "tests.1.assert.1")]


NO_EQUAL = [
    {"type": "javascript", "value": "true"},
    {"type": "python", "value": "True"},
    {"type": "llm-rubric", "value": "nice"},
    {"type": "contains", "value": "{{ topic | upper }}"},
    {"type": "contains", "value": "file://x"},
    {"type": "equals", "value": "x", "transform": "output.trim()"},
    {"type": "equals", "value": "x", "weight": 2, "metric": "m", "threshold": 1},
    {"type": "assert-set", "assert": []},
]


def test_what_has_no_equal_is_told() -> None:
    """Each with its place, in the order of the file; nothing is dropped in silence."""
    found = opened(
        description="mine",
        scenarios=[],
        derivedMetrics=[],
        tests=[
            "file://tests.csv",
            {"vars": "file://vars.yaml"},
            {"vars": {"topic": "file://x.txt"}},
            {"vars": {"topic": {"a": 1}}},
            {
                "vars": {"topic": "tea"},
                "threshold": 0.5,
                "assert": NO_EQUAL,
            },
        ],
        evaluateOptions={"repeat": 3, "maxConcurrency": 99, "delay": 5},
    )
    assert set(left_out(found)) == {
        ("key", "description"),
        ("key", "scenarios"),
        ("key", "derivedMetrics"),
        ("file", "tests.0"),
        ("file", "tests.1.vars"),
        ("value", "tests.2.vars.topic"),
        ("value", "tests.3.vars.topic"),
        ("key", "tests.4.threshold = 0.5"),
        ("code", "tests.4.assert.0"),
        ("code", "tests.4.assert.1"),
        ("assertion", "tests.4.assert.2"),
        ("template", "tests.4.assert.3"),
        ("assertion", "tests.4.assert.4"),
        ("code", "tests.4.assert.5.transform"),
        ("key", "tests.4.assert.6.weight = 2"),
        ("key", "tests.4.assert.6.metric = m"),
        ("key", "tests.4.assert.6.threshold = 1"),
        ("key", "tests.4.assert.7.assert"),
        ("assertion", "tests.4.assert.7"),
        ("limit", "evaluateOptions.maxConcurrency"),
        ("key", "evaluateOptions.delay"),
    }
    assert found.prompts.checks == (Equals(value="x"),)
    assert (found.prompts.repeats, found.prompts.at_once) == (3, 16)


def test_json_and_anchors_are_read() -> None:
    """JSON with its own escapes; YAML with values that are named once."""
    config = {
        "prompts": ["Say \U0001f600 {{x}} a/b", "b"],
        "tests": [{"vars": {"x": 1}}],
    }
    found = open_set(json.dumps(config).replace("/", "\\/").encode(), MODEL)
    assert fill(found.prompts.variants[0].template, found.prompts.cases[0]) == "Say \U0001f600 1 a/b"
    anchored = b"prompts: [a, b]\ntests:\n- &t {vars: {q: no}}\n- <<: *t\n"
    assert [case["q"] for case in open_set(anchored, MODEL).prompts.cases] == ["no", "no"]


def test_aliases_that_would_fill_the_memory_are_refused() -> None:
    """A few lines can mean billions of values, or one within itself."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    for text, code in (("\n".join([*lines, "prompts: *a11"]), "too_large"), ("prompts: &a [*a]", "not_yaml")):
        with pytest.raises(BrokenSet) as broken:
            open_set(text.encode(), MODEL)
        assert broken.value.code == code


def test_what_is_too_much_is_told_and_the_rest_is_taken() -> None:
    """Variants, cases, columns and checks have their limits."""
    found = opened(
        prompts=[f"p{n}" for n in range(9)],
        tests=[{"vars": {f"v{n}": "x" for n in range(25)}}],
        defaultTest={"assert": [{"type": "contains", "value": f"x{n}"} for n in range(22)]},
    )
    assert (len(found.prompts.variants), len(found.prompts.columns), len(found.prompts.checks)) == (6, 20, 20)
    assert [code for code, _ in left_out(found)] == ["limit"] * 3 + ["columns"] * 5 + ["limit"] * 2
    found = opened(tests=[{"vars": {"a": list(map(str, range(40))), "b": list(map(str, range(40)))}}])
    assert len(found.prompts.cases) == 1_000
    assert left_out(found) == [("limit", "tests.1000")]
