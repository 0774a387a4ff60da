"""The export to promptfoo is a configuration by its own schema, and means what the set means."""

import json
import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from streamlab.prompts.checks import Check, Contains, Json, JsonSchema, MaxWords, NotContains, Regex
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.promptfoo import SCHEMA, to_promptfoo
from streamlab.prompts.template import TemplateError, fill
from tests.test_prompts_set import sets

SCHEMA_FILE = Path(__file__).parent / "data" / "promptfoo-config-schema.json"
VALIDATOR = Draft7Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))

# Promptfoo fills templates with Nunjucks, a port of Jinja; what is used here is the same in both.
JINJA = jinja2.Environment(keep_trailing_newline=True, autoescape=False)

TEXTS = [
    "plain",
    "{{ env.HOME }}",
    "{% raw %}x{% endraw %}",
    "{# c #}",
    "#}",
    "{#}",
    "{{{a}}}",
    "a{",
    "}}%}",
    "file:///etc/passwd",
    "package:x:y",
    "ends\n",
    '"quotes" \\n\t',
    "日本 | pipe",
    "{{city}} {{ for }}",
]


def a_set(*checks: Check, text: str = "x", **fields: Any) -> PromptSet:
    written = text.replace("{", "{{").replace("}", "}}")
    variants = (
        Variant(name="one", system=text, template=f"{written}{{city}}{written}{{for}}{written}", model="gpt-4o"),
        Variant(name="two", template="{city}", model="demo?first=0", temperature=0.5),
    )
    cases = ({"city": "東京", "for": "a", "my column": "b"}, {"city": text, "for": "{{city}}", "my column": text})
    columns = ("city", "for", "my column")
    return PromptSet(**{"variants": variants, "columns": columns, "cases": cases, "checks": checks} | fields)


def exported(prompts: PromptSet) -> dict[str, Any]:
    config = yaml.safe_load(to_promptfoo(prompts))
    assert isinstance(config, dict)
    assert [error.message for error in VALIDATOR.iter_errors(config)] == []
    return config


def kinds(schema: Any) -> set[str]:
    """Every value that the schema names for a field `type`; it also lets others through, for extensions."""
    if isinstance(schema, list):
        return set().union(*map(kinds, schema))
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties", {}).get("type", {})
    named = {kind for option in own.get("anyOf", []) for kind in option.get("enum", [])}
    return named.union(*map(kinds, schema.values()))


KINDS = kinds(VALIDATOR.schema)


def rendered(text: str, variables: dict[str, Any]) -> str:
    """As promptfoo does: first `{{ env.X }}` of the whole configuration, then the template."""
    for match in re.findall(r"\{\{(?:[^}]|\}(?!\}))*\}\}", text):
        assert "env." not in match, "the environment would be filled in"
    return JINJA.from_string(text).render(variables)


def asserted(prompts: PromptSet, case: int) -> list[dict[str, Any]]:
    config = exported(prompts)
    test = config["tests"][case]
    return [*config.get("defaultTest", {}).get("assert", []), *test.get("assert", [])]


@pytest.mark.parametrize("text", TEXTS)
def test_every_prompt_is_sent_as_here(text: str) -> None:
    """Whatever looks like a template, a file or a variable of theirs in a prompt or a case is text."""
    prompts = a_set(text=text)
    config = exported(prompts)
    for case, test in zip(prompts.cases, config["tests"], strict=True):
        for value in test["vars"].values():
            assert not (isinstance(value, str) and re.search(r"\{\{|^file:|^package:|\n$", value))
            assert "{{" not in json.dumps(value, ensure_ascii=False) or not isinstance(value, dict)
        for variant, prompt in zip(prompts.variants, config["prompts"], strict=True):
            assert "\n" in prompt["raw"], "a line without an end could be taken for the name of a file"
            messages = [rendered(message["content"], test["vars"]) for message in json.loads(prompt["raw"])]
            expected = [*([variant.system] if variant.system.strip() else []), fill(variant.template, case)]
            assert messages == expected


def test_each_variant_is_one_prompt_for_one_provider() -> None:
    """With its own model and temperature, and nothing that promptfoo would add by itself."""
    config = exported(a_set(repeats=3, at_once=2))
    assert [prompt["label"] for prompt in config["prompts"]] == ["1. one", "2. two"]
    assert config["providers"] == [
        {"id": "openai:chat:gpt-4o", "label": "1. one", "config": {"omitDefaults": True}, "prompts": ["1. one"]},
        {
            "id": "openai:chat:demo?first=0",
            "label": "2. two",
            "config": {
                "omitDefaults": True,
                "temperature": 0.5,
                "apiBaseUrl": "{{ env.DEMO_BASE_URL }}",
                "apiKey": "demo",
            },
            "prompts": ["2. two"],
        },
    ]
    assert config["evaluateOptions"] == {"repeat": 3, "maxConcurrency": 2}


def test_the_file_names_its_schema_and_can_be_read() -> None:
    """Editors then know what may be written; texts are blocks, and Unicode is itself."""
    text = to_promptfoo(a_set())
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA}\n")
    assert "city: 東京" in text
    assert "raw: |" in text


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Contains(value="Tokyo"), {"type": "contains", "value": "Tokyo"}),
        (Contains(value="Tokyo", ignore_case=True), {"type": "icontains", "value": "Tokyo"}),
        (NotContains(value="x"), {"type": "not-contains", "value": "x"}),
        (NotContains(value="x", ignore_case=True), {"type": "not-icontains", "value": "x"}),
        (Regex(value=r"\d{4}"), {"type": "regex", "value": r"\d{4}"}),
        (MaxWords(value=9), {"type": "word-count", "value": {"max": 9}}),
        (Json(), {"type": "is-json"}),
        (JsonSchema(value='{"$ref": "#/x"}'), {"type": "is-json", "value": '{"$ref": "#/x"}'}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_check_is_one_assertion(check: Check, expected: dict[str, Any]) -> None:
    """For all cases alike; JSON may stand in a fence, as here."""
    config = exported(a_set(check))
    (found,) = config["defaultTest"]["assert"]
    assert ("transform" in found) == isinstance(check, Json | JsonSchema)
    assert {name: value for name, value in found.items() if name != "transform"} == expected
    assert found["type"].removeprefix("not-") in KINDS
    assert all("assert" not in test for test in config["tests"])


@pytest.mark.parametrize("text", TEXTS)
def test_a_check_of_the_case_is_written_out(text: str) -> None:
    """So that nothing of a case is read as a template; a pattern takes it literally."""
    fixed = text.replace("{city}", "{}")
    prompts = a_set(Contains(value="<{city}>"), Regex(value="^{city}$"), Contains(value=fixed), text=text)
    common, contains, regex = asserted(prompts, 1)
    variables = {"city": "wrong", "for": "wrong", "a": "wrong"}
    assert rendered(contains["value"], variables) == f"<{text}>"
    assert re.search(rendered(regex["value"], variables), text)
    assert rendered(common["value"], variables) == fixed
    assert not any(value["value"].startswith(("file:", "package:")) for value in (contains, regex, common))


@given(sets())
def test_any_sound_set_is_a_configuration(prompts: PromptSet) -> None:
    """By promptfoo's schema; one with a broken template is refused."""
    try:
        exported(prompts)
    except TemplateError:
        return
    assert exported(prompts)["prompts"][0]["label"].startswith("1. ")


@given(st.text(st.sampled_from("{}%# a'\""), max_size=12))
def test_braces_in_any_order_are_text(text: str) -> None:
    """Also those that end a comment that was never begun."""
    test_every_prompt_is_sent_as_here(text)


def test_a_set_without_cases_is_one_test() -> None:
    """As it is one input here."""
    variants = tuple(Variant(name=name, template="Hi", model="demo") for name in "ab")
    assert exported(PromptSet(variants=variants))["tests"] == [{"vars": {}}]


def test_the_schema_refuses_what_is_no_configuration() -> None:
    """So that being valid means something."""
    config = exported(a_set(Json()))
    for wrong in ({"evaluateOptions": {"times": 1}}, {"prompts": [{"raw": "x"}]}, {"extra": 1}):
        assert not VALIDATOR.is_valid(config | wrong)
    config["defaultTest"]["assert"][0]["valu"] = "x"
    assert not VALIDATOR.is_valid(config)
