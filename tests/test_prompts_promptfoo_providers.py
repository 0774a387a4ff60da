"""Providers by promptfoo's names, and by ours."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from streamlab.models.endpoint import Place
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.promptfoo import to_promptfoo
from streamlab.prompts.promptfoo_config import OpenedSet, open_set
from tests import test_prompts_promptfoo
from tests.conftest import http, raw_endpoint
from tests.javascript import needs_node, run
from tests.spoken import KEY, asking
from tests.test_prompts_promptfoo import QUIET
from tests.test_prompts_promptfoo_import import MODEL, left_out, opened

promptfoo = test_prompts_promptfoo.promptfoo  # fixtures are found by their names


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai:gpt-4o", "gpt-4o"),
        ("openai:responses:gpt-4o", "gpt-4o"),
        ("openai:ft:gpt-4o:mine", "ft:gpt-4o:mine"),
        ("openai:chat:anthropic:claude-opus-5", "openai:anthropic:claude-opus-5"),
        ("openai:chat:demo?first=0", "demo?first=0"),
        ("anthropic:messages:claude-opus-5", "anthropic:claude-opus-5"),
        ("anthropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5"),
        ("anthropic:messages:mine", "anthropic:mine"),
        ("google:gemini-3.5-flash", "google_genai:gemini-3.5-flash"),
        ("palm:gemini-3.5-flash", "google_genai:gemini-3.5-flash"),
        ("vertex:gemini-3.5-flash", "google_genai:gemini-3.5-flash"),
        ("vertex:chat:gemini-3.5-flash", "google_genai:gemini-3.5-flash"),
        ("azure:chat:mine", "azure_openai:mine"),
        ("azure:responses:mine", "azure_openai:mine"),
        ("azureopenai:chat:mine", "azure_openai:mine"),
    ],
)
def test_a_model_of_promptfoo_s_has_a_name_here(provider: str, model: str) -> None:
    """Whichever way a provider's text models are named there."""
    found = opened(providers=[provider])
    assert {variant.model for variant in found.prompts.variants} == {model}
    assert not left_out(found)


@pytest.mark.parametrize(
    "provider",
    [
        *(f"openai:{kind}" for kind in ("embedding:x", "realtime:x", "image:x", "tts:x", "assistant:x", "chatkit:x")),
        *("openai:", "openai:codex-sdk", f"openai:{'x' * 2_001}", "OPENAI:gpt-4o"),
        *("anthropic:", "anthropic:x", "anthropic:claude-agent-sdk:x"),
        *("google:live:gemini-3", "google:gemini-3-image", "google:embedding:x", "vertex:claude-opus-5"),
        "vertex:llama",
        *("azure:embedding:x", "azure:mine", "azure:assistant:x"),
        *("groq:llama", "ollama:chat:llama3", "bedrock:x", "echo", "https://example.com"),
    ],
)
def test_a_provider_without_a_name_here_is_told(provider: str) -> None:
    """By its name as it is written, and what is asked instead."""
    found = opened(providers=[provider, "openai:gpt-4o"])
    assert [(each.code, each.detail) for each in found.left_out] == [("provider", provider[:120])]


def test_what_promptfoo_sends_where_nothing_is_said_is_the_temperature() -> None:
    """0 to OpenAI and Anthropic, none to Google."""
    told = {"openai:x": 0.0, "anthropic:messages:x": 0.0, "azure:chat:x": 0.0, "google:gemini-3": DEFAULT_TEMPERATURE}
    for provider, temperature in told.items():
        assert {each.temperature for each in opened(providers=[provider]).prompts.variants} == {temperature}


GROQ, HOME = Place("https://api.groq.com/openai/v1", "GROQ_API_KEY"), Place("http://127.0.0.1:11434/v1", None)
PLACES = {"groq": GROQ, "home": HOME}
THERE = {"apiBaseUrl": GROQ.address, "apiKeyEnvar": "GROQ_API_KEY"}
PROXY = "https://proxy/v1"
SAID = "providers.0.config.apiBaseUrl"


def asked(model: str, temperature: float = DEFAULT_TEMPERATURE) -> PromptSet:
    return PromptSet(variants=(Variant(name="a", template="x", model=model, temperature=temperature),) * 2)


@pytest.mark.parametrize("temperature", [DEFAULT_TEMPERATURE, 0.5])
@pytest.mark.parametrize(
    ("model", "id", "config"),
    [
        ("groq:llama-3", "openai:chat:llama-3", THERE),
        (
            "groq:openai/gpt-oss",
            "openai:chat:openai/gpt-oss",
            {"apiBaseUrl": GROQ.address, "apiKeyEnvar": "GROQ_API_KEY"},
        ),
        ("groq:openai:gpt", "openai:chat:openai:gpt", THERE),
        ("groq:home:x", "openai:chat:home:x", THERE),
        ("home:qwen3:4b", "openai:chat:qwen3:4b", {"apiBaseUrl": HOME.address, "apiKey": "none"}),
        ("openai:groq:llama-3", "openai:chat:groq:llama-3", {}),
        ("other:llama-3", "openai:chat:other:llama-3", {}),
    ],
)
def test_a_server_of_a_name_of_its_own_is_asked_where_it_is(
    model: str, id: str, config: dict[str, str], temperature: float
) -> None:
    """By its address and the variable of its key; and it has its name again, also where the set is not kept beside."""
    prompts = asked(model, temperature)
    text = to_promptfoo(prompts, PLACES)
    written = yaml.safe_load(text)
    own = {} if temperature == DEFAULT_TEMPERATURE else {"temperature": temperature}
    for provider in written["providers"]:
        assert (provider["id"], provider["config"]) == (id, {"omitDefaults": True} | config | own)
    assert open_set(text.encode(), MODEL, PLACES) == OpenedSet(prompts)
    del written["metadata"]
    found = open_set(yaml.safe_dump(written).encode(), MODEL, PLACES)
    assert {(each.model, each.temperature) for each in found.prompts.variants} == {(model, temperature)}
    assert not [each for each in found.left_out if each.code != "one_prompt"]


@pytest.mark.parametrize(
    ("config", "model", "told"),
    [
        ({"apiBaseUrl": f"{GROQ.address}/"}, "groq:llama", []),
        ({"apiBaseUrl": GROQ.address, "apiKey": "sk-1"}, "groq:llama", []),
        ({"apiBaseUrl": PROXY, "apiKeyEnvar": "GROQ_API_KEY"}, "groq:llama", [f"{SAID} = {PROXY}"]),
        ({"apiKeyEnvar": "GROQ_API_KEY"}, "llama", []),
        ({"apiBaseUrl": PROXY}, "llama", [f"{SAID} = {PROXY}"]),
        ({"apiBaseUrl": 7}, "llama", [f"{SAID} = 7"]),
        ("none", "llama", []),
    ],
)
def test_a_server_is_found_by_its_address_or_its_key(config: Any, model: str, told: list[str]) -> None:
    """What the file says otherwise is told; a key alone is that of promptfoo's own address."""
    text = yaml.safe_dump({"prompts": ["a", "b"], "providers": [{"id": "openai:chat:llama", "config": config}]})
    found = open_set(text.encode(), MODEL, PLACES)
    assert {each.model for each in found.prompts.variants} == {model}
    assert [each.place for each in found.left_out] == told


def test_no_secret_of_a_server_is_written() -> None:
    """Neither its key nor what stands in its address; one without a scheme or a version is as it is asked."""
    endpoints: Any = [
        {"name": "groq", "address": "https://me:hidden@api.groq.com/openai/v1?token=hidden", "key": SecretStr(KEY)},
        {"name": "home", "address": "127.0.0.1:9/v1"},
    ]
    with asking(lab_endpoints=endpoints) as models:
        places = models.places()
    assert places == {"groq": GROQ, "home": Place("http://127.0.0.1:9/v1", None)}
    text = to_promptfoo(asked("groq:llama"), places)
    assert KEY not in text
    assert "hidden" not in text


CLAUDE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "Yes."}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip
GEMINI = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Yes."}]}, "finishReason": "STOP"}]}
AZURE = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}]}


@pytest.mark.soak
@needs_node
def test_promptfoo_asks_every_provider(promptfoo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own protocol, with the variant's temperature or the provider's own."""
    models = ("anthropic:claude-haiku-4-5", "google_genai:gemini-2.5-flash", "azure_openai:mine", "local")
    asked = [*((model, DEFAULT_TEMPERATURE) for model in models), (models[0], 0.5), (models[1], 0.5)]
    variants = tuple(
        Variant(name=f"{model} {temperature}", template="Say yes.", model=model, temperature=temperature)
        for model, temperature in asked
    )
    text = to_promptfoo(PromptSet(variants=variants, at_once=1))
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    with ExitStack() as stack:
        names = ("ANTHROPIC_BASE_URL", "GOOGLE_API_BASE_URL", "AZURE_OPENAI_ENDPOINT", "LAB_GATEWAY_URL")
        servers = {}
        for name, answer in zip(names, (CLAUDE, GEMINI, AZURE, AZURE), strict=True):
            body = http(json.dumps(answer).encode(), kind="application/json")
            servers[name] = stack.enter_context(raw_endpoint(body))
            address = servers[name].base_url
            monkeypatch.setenv(name, address if name == "LAB_GATEWAY_URL" else address.removesuffix("/v1"))
        for name, value in (QUIET | {"PROMPTFOO_CONFIG_DIR": str(tmp_path / "kept")}).items():
            monkeypatch.setenv(name, value)
        for name in ("ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "AZURE_OPENAI_API_KEY"):
            monkeypatch.setenv(name, "key")
        run(promptfoo, "eval", "--config", "config.yaml", "--no-cache", "--output", "found.json", cwd=tmp_path)
    results = json.loads((tmp_path / "found.json").read_text())["results"]["results"]
    assert [each["response"].get("output") for each in results] == ["Yes."] * 6, results
    claude, gemini, azure, local = servers.values()
    assert [body["temperature"] for body in claude.requests] == [1, 0.5]
    assert [body["generationConfig"].get("temperature") for body in gemini.requests] == [None, 0.5]
    assert [body.keys() & {"temperature", "max_tokens"} for body in azure.requests + local.requests] == [set(), set()]
    assert [body.get("model") for body in local.requests] == ["local"]


@pytest.mark.soak
@needs_node
def test_promptfoo_asks_a_server_of_a_name_of_its_own(
    promptfoo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its address with the key of its variable, or with none, whatever the environment has for OpenAI."""
    for name, value in (QUIET | {"PROMPTFOO_CONFIG_DIR": str(tmp_path / "kept")}).items():
        monkeypatch.setenv(name, value)
    for name, value in {"GROQ_API_KEY": "key-of-groq", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}.items():
        monkeypatch.setenv(name, value)
    variants = tuple(Variant(name=name, template="Say yes.", model=f"{name}:llama") for name in ("groq", "home"))
    body = http(json.dumps(AZURE).encode(), kind="application/json")
    with raw_endpoint(body) as groq, raw_endpoint(body) as home:
        places = {"groq": Place(groq.base_url, "GROQ_API_KEY"), "home": Place(home.base_url, None)}
        (tmp_path / "config.yaml").write_text(to_promptfoo(PromptSet(variants=variants, at_once=1), places), "utf-8")
        run(promptfoo, "eval", "--config", "config.yaml", "--no-cache", "--output", "found.json", cwd=tmp_path)
    results = json.loads((tmp_path / "found.json").read_text())["results"]["results"]
    assert [each["response"].get("output") for each in results] == ["Yes."] * 2, results
    assert [body["model"] for body in groq.requests + home.requests] == ["llama", "llama"]
    assert "authorization: bearer key-of-groq" in groq.headers[0].lower()
    assert "key-of-groq" not in home.headers[0]
