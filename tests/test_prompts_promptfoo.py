"""The export to promptfoo means what the set means: read here, and run by promptfoo itself."""

import json
import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamlab.demo_model.process import DemoModel
from streamlab.prompts.checks import Check, Contains, Equals, Json, JsonSchema, MaxWords, NotContains, Regex, run_check
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.promptfoo import SCHEMA, to_promptfoo
from streamlab.prompts.promptfoo_config import open_set
from streamlab.prompts.promptfoo_providers import DEMO_PORT
from streamlab.prompts.template import TemplateError, fill
from tests.conftest import demo_model, http, raw_endpoint
from tests.javascript import needs_node, run
from tests.prompt_sets import sets

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
    return config


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
                "apiBaseUrl": "{{ env.DEMO_BASE_URL | default('http://127.0.0.1:8502/v1', true) }}",
                "apiKey": "demo",
            },
            "prompts": ["2. two"],
        },
    ]
    assert config["evaluateOptions"] == {"repeat": 3, "maxConcurrency": 2}


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai:gpt-4o", "openai:chat:gpt-4o"),
        ("anthropic:claude-opus-5", "anthropic:messages:claude-opus-5"),
        ("google_genai:gemini-3.5-flash", "google:gemini-3.5-flash"),
        ("azure_openai:mine", "azure:chat:mine"),
        ("llama3:8b", "openai:chat:llama3:8b"),
        ("local", "openai:chat:local"),
        ("openai:anthropic:x", "openai:chat:anthropic:x"),
    ],
)
def test_providers_have_promptfoo_s_names(model: str, provider: str) -> None:
    """Any other name is of the compatible server that the environment names."""
    prompts = a_set()
    variant = prompts.variants[0].model_copy(update={"model": model})
    config = exported(prompts.model_copy(update={"variants": (variant, *prompts.variants[1:])}))
    assert config["providers"][0]["id"] == provider
    config["prompts"][0]["label"] = "changed, so that it is read as anybody's"
    config["providers"][0]["prompts"] = [config["prompts"][0]["label"]]
    found = open_set(yaml.safe_dump(config).encode(), "demo")
    assert found.left_out == ()
    assert found.prompts.variants[0].model.removeprefix("openai:") == model.removeprefix("openai:")
    assert found.prompts.variants[0].temperature == variant.temperature


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
        (Equals(value="x"), {"type": "equals", "value": "x"}),
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
    """With a prompt and a provider for each variant; one with a broken template is refused."""
    try:
        config = exported(prompts)
    except TemplateError:
        return
    labels = [prompt["label"] for prompt in config["prompts"]]
    assert labels[0].startswith("1. ")
    assert [provider["prompts"] for provider in config["providers"]] == [[label] for label in labels]


@given(st.text(st.sampled_from("{}%# a'\""), max_size=12))
def test_braces_in_any_order_are_text(text: str) -> None:
    """Also those that end a comment that was never begun."""
    test_every_prompt_is_sent_as_here(text)


def test_a_set_without_cases_is_one_test() -> None:
    """As it is one input here."""
    variants = tuple(Variant(name=name, template="Hi", model="demo") for name in "ab")
    assert exported(PromptSet(variants=variants))["tests"] == [{"vars": {}}]


# By promptfoo itself

# The newest that runs on Node 20. Its optional packages are a gigabyte of other providers' SDKs, so they are left out;
# but the driver of its database keeps its program in one, so that driver is installed beside it.
PROMPTFOO, DRIVER = "promptfoo@0.121.20", "libsql@0.5.29"
QUIET = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "PROMPTFOO_FAILED_TEST_EXIT_CODE": "0",  # a check that says no is no error of the program
}

ANSWER = f"```json\n{json.dumps(TEXTS[:5], ensure_ascii=False)}\n```"
CHECKS = (  # those of the case last, as in the export
    Contains(value="PLAIN", ignore_case=True),
    NotContains(value="plain"),
    Contains(value="{{ env.HOME }}"),
    Regex(value=r"%\}.*\]\n`{3}$"),
    Json(),
    JsonSchema(value='{"type": "array", "minItems": 5}'),
    JsonSchema(value='{"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}'),
    MaxWords(value=3),
    Equals(value="plain"),
    Equals(value=ANSWER),
    Contains(value="{city}"),
    NotContains(value="{city}"),
    Regex(value='", "{city}'),
)


@pytest.fixture(scope="session")
def promptfoo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Install promptfoo, and return its program."""
    folder = tmp_path_factory.mktemp("promptfoo")
    inner = folder / "promptfoo"
    run("npm", "install", "--omit=optional", "--no-audit", "--no-fund", "--prefix", str(inner), PROMPTFOO, cwd=folder)
    run("npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), DRIVER, cwd=folder)
    return str(inner / "node_modules/.bin/promptfoo")


@pytest.mark.soak
@needs_node
@pytest.mark.parametrize("first", range(0, len(TEXTS), 5))
def test_promptfoo_runs_the_set_as_it_runs_here(
    promptfoo: str, demo: DemoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """It asks what is asked here, as often for each variant and case, and each check says the same of the answer."""
    variants = [a_set(text=text).variants[0] for text in TEXTS[first : first + 5]]
    demonstrated = Variant(name="{{ env.HOME }}", template="{city}", model=demo_model())
    cases = tuple({"city": text, "for": text, "my column": text} for text in TEXTS)
    prompts = a_set(*CHECKS, variants=(*variants, demonstrated), cases=cases, repeats=2, at_once=2)
    completion = {"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}}]}
    with raw_endpoint(http(json.dumps(completion).encode(), kind="application/json")) as endpoint:
        addresses = {"OPENAI_BASE_URL": endpoint.base_url, "OPENAI_API_KEY": "any", "DEMO_BASE_URL": demo.base_url}
        for name, value in (QUIET | addresses | {"PROMPTFOO_CONFIG_DIR": str(tmp_path / "kept")}).items():
            monkeypatch.setenv(name, value)
        (tmp_path / "config.yaml").write_text(to_promptfoo(prompts), "utf-8")
        run(promptfoo, "validate", "--config", "config.yaml", cwd=tmp_path)
        run(promptfoo, "eval", "--config", "config.yaml", "--no-cache", "--output", "found.json", cwd=tmp_path)
    expected = [str(asked(variant, case)) for variant in variants for case in cases] * prompts.repeats
    assert sorted(map(str, endpoint.requests)) == sorted(expected)
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))["results"]
    assert found["stats"]["errors"] == 0
    assert len(found["results"]) == len(prompts.variants) * len(cases) * prompts.repeats
    variables = [test["vars"] for test in exported(prompts)["tests"]]
    for result in found["results"]:
        case = cases[variables.index(result["vars"])]
        verdicts = [part["pass"] for part in result["gradingResult"]["componentResults"]]
        assert verdicts == [run_check(check, result["response"]["output"], case).passed for check in CHECKS]


def asked(variant: Variant, case: dict[str, str]) -> dict[str, Any]:
    """The request of a variant for a case."""
    system = [{"role": "system", "content": variant.system}] if variant.system.strip() else []
    return {"model": variant.model, "messages": [*system, {"role": "user", "content": fill(variant.template, case)}]}


@pytest.mark.soak
@needs_node
def test_the_demo_model_is_reached_as_the_file_says(
    promptfoo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started at the port of the comment, it answers promptfoo without any setting."""
    for name, value in (QUIET | {"PROMPTFOO_CONFIG_DIR": str(tmp_path / "kept")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DEMO_BASE_URL", raising=False)
    models = [demo_model(text=f"I am {name}.") for name in "ab"]
    variants = tuple(Variant(name=model[-9:], template="Who?", model=model) for model in models)
    exported_file = to_promptfoo(PromptSet(variants=variants))
    (tmp_path / "config.yaml").write_text(exported_file, "utf-8")
    assert f"python -m streamlab.demo_model --port {DEMO_PORT}" in exported_file
    with DemoModel(DEMO_PORT):
        run(promptfoo, "eval", "--config", "config.yaml", "--no-cache", "--output", "found.json", cwd=tmp_path)
    results = json.loads((tmp_path / "found.json").read_text("utf-8"))["results"]["results"]
    assert sorted(result["response"]["output"] for result in results) == ["I am a.", "I am b."]
