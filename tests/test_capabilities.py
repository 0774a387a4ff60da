"""What models can do: said by their server, else known by LangChain's packages, else unknown and let be tried."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from components.page.texts import texts
from streamlab.models.capabilities import UNKNOWN, Capabilities, listed, profiled
from streamlab.models.catalog import Models
from streamlab.settings import Settings
from tests.conftest import http, provider, raw_endpoint
from tests.pages import languages, serving, visit
from tests.spoken import KEY, asking

ENTRIES: list[tuple[str, dict[str, Any], Capabilities]] = [
    ("OpenAI", {"object": "model", "owned_by": "openai"}, UNKNOWN),
    (
        "OpenRouter",
        {
            "context_length": 128_000,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "supported_parameters": ["max_tokens", "tools", "structured_outputs"],
        },
        Capabilities(tools=True, images=True, json=True, reasoning=False, context=128_000),
    ),
    (
        "OpenRouter, text",
        {"context_length": 8_192, "architecture": {"input_modalities": ["text"]}, "supported_parameters": ["stop"]},
        Capabilities(tools=False, images=False, json=False, reasoning=False, context=8_192),
    ),
    (
        "Mistral",
        {"max_context_length": 32_768, "capabilities": {"function_calling": True, "vision": False}},
        Capabilities(tools=True, images=False, context=32_768),
    ),
    ("vLLM", {"max_model_len": 4_096}, Capabilities(context=4_096)),
    ("Groq", {"context_window": 131_072, "active": True}, Capabilities(context=131_072)),
    ("llama.cpp", {"meta": {"n_ctx_train": 2_048, "n_vocab": 49_152}}, Capabilities(context=2_048)),
    ("llama.cpp, beside", {"capabilities": ["completion"]}, Capabilities(images=False)),
    ("Ollama", {"capabilities": ["completion", "tools", "vision"]}, Capabilities(tools=True, images=True)),
    ("LM Studio", {"capabilities": ["tool_use"]}, Capabilities(tools=True)),
    ("nothing", {}, UNKNOWN),
    ("null", {"architecture": None, "context_length": None, "capabilities": None, "meta": None}, UNKNOWN),
    ("numbers", {"architecture": 3, "supported_parameters": "tools", "capabilities": 1, "meta": []}, UNKNOWN),
    ("words", {"context_length": "large", "max_model_len": True, "capabilities": {"vision": "yes"}}, UNKNOWN),
    ("below", {"context_length": 0, "max_model_len": -1, "context_window": 1.5}, UNKNOWN),
    ("within", {"architecture": {"input_modalities": [None, {"image": 1}]}, "supported_parameters": [[]]}, UNKNOWN),
]


@pytest.mark.parametrize(("entry", "expected"), [case[1:] for case in ENTRIES], ids=[case[0] for case in ENTRIES])
def test_what_a_server_says_of_a_model_is_read_in_its_own_words(entry: dict[str, Any], expected: Capabilities) -> None:
    """What is odd says nothing, and breaks nothing."""
    assert listed(entry) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-4o", Capabilities(tools=True, images=True, json=True, reasoning=False, context=128_000)),
        ("gpt-4o-mini-2024-07-18", Capabilities(tools=True, images=True, json=True, reasoning=False, context=128_000)),
        ("gpt-3.5-turbo", Capabilities(tools=False, images=False, json=False, reasoning=False, context=16_385)),
        ("gpt-that-is-new", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_what_no_server_says_is_known_by_the_package(name: str, expected: Capabilities) -> None:
    """By its exact name, or as a dated copy of it; a name that only begins alike is another model."""
    assert profiled("langchain_openai", name) == expected


def test_a_package_that_is_not_there_knows_nothing() -> None:
    """Nor does one without a table."""
    assert profiled("langchain_of_nobody", "gpt-4o") == UNKNOWN
    assert profiled("langchain_core", "gpt-4o") == UNKNOWN


def listing(**entry: Any) -> bytes:
    models = [{"id": "mine", "object": "model", "created": 0} | entry]
    return http(json.dumps({"object": "list", "data": models}).encode(), kind="application/json")


@pytest.mark.anyio
async def test_the_server_s_word_counts_before_the_package_s() -> None:
    """Of another server's model of the same name, too; llama.cpp says some of it in a second list."""
    beside = {"models": [{"name": "mine", "capabilities": ["completion", "multimodal"]}, None]}
    own = json.dumps({"data": [{"id": "mine"}], **beside}).encode()
    said = listing(id="gpt-4o", architecture={"input_modalities": ["text"]})
    with raw_endpoint(said) as server, provider(server.base_url) as models:
        await models.names()
        told = Capabilities(tools=True, images=False, json=True, reasoning=False, context=128_000)
        assert models.capabilities("gpt-4o") == told
        assert models.capabilities("openai:gpt-4o").images is False
        assert models.capabilities("another") == UNKNOWN
    with raw_endpoint(http(own, kind="application/json")) as server, provider(server.base_url) as models:
        await models.names()
        assert models.capabilities("mine") == Capabilities(images=True)


@pytest.mark.anyio
async def test_anthropic_s_and_google_s_lists_are_read() -> None:
    """Each in its own form; a server that says nothing leaves it to the package."""
    pytest.importorskip("langchain_anthropic", reason="`make providers` installs it")
    supported, not_supported = {"supported": True}, {"supported": False}
    names = {"display_name": "x", "created_at": "2026-04-14T00:00:00Z", "type": "model"}
    can = {"image_input": not_supported, "structured_outputs": supported, "thinking": supported}
    claudes = [
        {"id": "claude-of-tomorrow", "max_input_tokens": 9_000, "capabilities": can, **names},
        {"id": "claude-haiku-4-5", **names},
    ]
    page = json.dumps({"data": claudes, "has_more": False, "first_id": "a", "last_id": "b"}).encode()
    with (
        raw_endpoint(http(page, kind="application/json")) as server,
        asking(anthropic_api_key=KEY, anthropic_base_url=server.base_url) as models,
    ):
        await models.names()
        told = Capabilities(images=False, json=True, reasoning=True, context=9_000)
        assert models.capabilities("anthropic:claude-of-tomorrow") == told
        assert models.capabilities("anthropic:claude-haiku-4-5").images is True
    gemini = {"name": "models/gemini-of-tomorrow", "inputTokenLimit": 5_000, "thinking": True}
    body = json.dumps({"models": [gemini | {"supportedGenerationMethods": ["generateContent"]}]}).encode()
    with (
        raw_endpoint(http(body, kind="application/json")) as server,
        asking(google_api_key=KEY, google_gemini_base_url=server.base_url) as models,
    ):
        await models.names()
        told = Capabilities(reasoning=True, context=5_000)
        assert models.capabilities("google_genai:gemini-of-tomorrow") == told


def test_what_is_ours_is_known_and_a_deployment_s_name_says_nothing() -> None:
    """Somebody gave it that name."""
    settings = Settings(_env_file=None, lab_local_context=3_000)
    with closing(Models(settings, "http://127.0.0.1:9/v1")) as models:
        assert models.capabilities("demo?first=0").images is True
        assert models.capabilities("local") == Capabilities(tools=False, images=False, json=True, context=3_000)
        assert models.capabilities("azure_openai:gpt-3.5-turbo") == UNKNOWN


@pytest.fixture(scope="module")
def plain() -> Iterator[None]:
    """Serve a model that takes neither tools nor images, and says so."""
    says = {"architecture": {"input_modalities": ["text"]}, "supported_parameters": ["stop"], "context_length": 4_096}
    with raw_endpoint(listing(**says)) as server, serving(openai_base_url=server.base_url):
        yield


@pytest.mark.usefixtures("plain")
@languages
def test_a_page_says_what_a_model_can_do_and_why_not(language: str) -> None:
    """The switch for tools stands still, with its reason; the demo model's can be used."""
    words = texts(language)
    app = visit("chat", language)
    switch = app.toggle(key="settings.no_tools")
    assert (switch.disabled, switch.help, switch.label) == (True, words["settings.no_tools"], words["chat.tools"])
    said = [caption.value for caption in app.caption]
    cannot = " · ".join(words[f"settings.can_{name}"] for name in ("tools", "images", "json", "reasoning"))
    assert words["settings.cannot"].format(names=cannot) in said
    assert words["settings.context"].format(tokens="4,096") in said
    app.selectbox(key="settings.model").select("demo").run()
    assert not app.toggle(key="settings.tools").disabled
    cannot_any = words["settings.cannot"].format(names="")
    assert not any(caption.value.startswith(cannot_any) for caption in app.caption)
