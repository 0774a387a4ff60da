"""The seam to the providers: whose a model is, and what each provider's clients are and send."""

import json
from contextlib import closing

import httpx2
import pytest
from langchain_openai import ChatOpenAI
from openai.resources.chat import Completions
from pydantic import SecretStr

from streamlab.models.catalog import KINDS, Models, classify, provider_kind
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.provider import Provider, StockOptions
from streamlab.models.providers.demo import Demo
from streamlab.models.providers.openai import OpenAI
from streamlab.settings import NamedEndpoint, Settings
from tests.conftest import MakeLab, demo_model, http, provider, raw_endpoint, sse
from tests.events import end
from tests.spoken import Make, agent, asking, chain, events

KEY = "sk-this-is-a-secret-of-the-owner"


def stock(models: Models, name: str, options: StockOptions) -> ChatOpenAI:
    model = models.stock_model(name, options, httpx2.Client(), httpx2.AsyncClient())
    assert isinstance(model, ChatOpenAI)
    return model


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("demo", Demo),
        ("demo?rate=9", Demo),
        ("demonstration", OpenAI),
        ("gpt-4.1", OpenAI),
        ("a/b:7b", OpenAI),
        ("", OpenAI),
    ],
)
def test_every_name_is_somebody_s(name: str, kind: type[Provider]) -> None:
    """Also a name that nobody has: the last provider asks its server."""
    assert provider_kind(name) is kind


@pytest.mark.parametrize(
    ("name", "of", "asked"),
    [
        ("home:llama3:8b", "home", "llama3:8b"),
        ("home:", "home", ""),
        ("home", "openai", "home"),
        ("llama3:8b", "openai", "llama3:8b"),
        ("other:m", "openai", "other:m"),
        ("home/x:7b", "openai", "home/x:7b"),
        ("openai:gpt-4.1", "openai", "gpt-4.1"),
        ("demo?rate=9", "demo", "demo?rate=9"),
    ],
)
def test_only_a_name_of_the_settings_before_the_first_colon_is_an_endpoint_s(name: str, of: str, asked: str) -> None:
    """What follows is the model's name there, with all its colons."""
    settings = Settings(
        _env_file=None, openai_base_url="http://127.0.0.1:9/v1", lab_endpoints="home=http://127.0.0.1:8/v1"
    )
    with closing(Models(settings, "http://127.0.0.1:7/v1")) as models:
        assert models.provider(name).name == of
        for made in (models.chat_model(name, DEFAULT_TEMPERATURE), stock(models, name, StockOptions(timeout=1))):
            assert isinstance(made, ChatOpenAI)
            assert made.model_name == asked
            assert made.openai_api_base == {"home": "http://127.0.0.1:8/v1", "demo": "http://127.0.0.1:7/v1"}.get(
                of, "http://127.0.0.1:9/v1"
            )


@pytest.mark.anyio
async def test_named_endpoints_are_asked_with_their_own_keys_at_their_own_addresses(
    make_lab: MakeLab, caplog: pytest.LogCaptureFixture
) -> None:
    """Mended like any other; and the log says of which variable an address was."""
    listed = http(json.dumps({"object": "list", "data": [{"id": "llama3:8b"}]}).encode(), kind="application/json")
    lost = http(b"{}", "404 Not Found", "application/json")
    with raw_endpoint(lost, listed, listed, http(sse("hi"))) as one, raw_endpoint(listed) as other:
        endpoints = (
            NamedEndpoint(name="one", address=one.base_url.removesuffix("/v1"), key=SecretStr(KEY)),
            NamedEndpoint(name="two", address=other.base_url),
        )
        settings = Settings(_env_file=None, lab_endpoints=endpoints)
        with closing(Models(settings, "http://127.0.0.1:9/v1")) as models:
            assert await models.names() == ("one:llama3:8b", "two:llama3:8b", "demo")
            assert end(await make_lab(models).run("one:llama3:8b")).status == "completed"
    assert one.requests[-1]["model"] == "llama3:8b"
    assert all(f"authorization: bearer {KEY}" in head.lower() for head in one.headers)
    assert not any(KEY in head for head in other.headers)
    (said,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert said == f"LAB_ENDPOINTS: the server answers at {one.base_url}, which is used"


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["anthropic:claude-x", "google_genai:g", "openai:gpt-4o", "llama3:8b", "gpt-4o"])
async def test_names_that_a_server_lists_itself_are_its_own(make_lab: MakeLab, name: str) -> None:
    """As those of another lab's gateway: unless the provider of this name has a key here."""
    ids = [{"id": each} for each in ("anthropic:claude-x", "google_genai:g", "openai:gpt-4o", "llama3:8b", "gpt-4o")]
    listed = http(json.dumps({"object": "list", "data": ids}).encode(), kind="application/json")
    with raw_endpoint(listed, http(sse("hi"))) as server, provider(server.base_url) as models:
        assert name in await models.names()
        assert end(await make_lab(models).run(name)).status == "completed"
    assert server.requests[0]["model"] == name


@pytest.mark.anyio
async def test_an_endpoint_s_own_prefix_is_taken_off_once(make_lab: MakeLab) -> None:
    """Whatever the names of its models look like."""
    listed = http(
        json.dumps({"object": "list", "data": [{"id": "home:m"}, {"id": "m"}]}).encode(), kind="application/json"
    )
    with raw_endpoint(listed, http(sse("hi"))) as server:
        settings = Settings(_env_file=None, lab_endpoints=(NamedEndpoint(name="home", address=server.base_url),))
        with closing(Models(settings, "http://127.0.0.1:9/v1")) as models:
            assert await models.names() == ("home:home:m", "home:m", "demo")
            for name in ("home:home:m", "home:m"):
                assert end(await make_lab(models).run(name)).status == "completed"
    assert [asked["model"] for asked in server.requests] == ["home:m", "m"]


def test_providers_are_told_apart() -> None:
    """Each name is used once, and everything can be asked without a fault."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all("none" in kind.faults for kind in KINDS)


def test_a_stock_client_has_nothing_of_ours(models: Models) -> None:
    """It is what gets measured: the class, its client and its hook are the library's own."""
    for name in ("demo", "gpt-4.1"):
        made = stock(models, name, StockOptions(timeout=1))
        assert type(made) is ChatOpenAI
        assert type(made.client) is Completions


def test_a_client_for_a_wrong_key_never_holds_the_right_one() -> None:
    """Nowhere in it, not even unused; the one with the right key is another."""
    with provider("http://127.0.0.1:9/v1", KEY) as models:
        wrong, right = (models.chat_model("m", DEFAULT_TEMPERATURE, fault) for fault in ("key", "none"))
    for model, key in ((wrong, OpenAI.wrong_key), (right, KEY)):
        assert isinstance(model, ChatOpenAI)
        keys = {model.root_client.api_key, model.root_async_client.api_key}
        assert keys == {key}


def test_a_seed_is_sent_where_it_is_taken() -> None:
    """Not to a server that may refuse it; nor is anything else that was not asked for."""
    with raw_endpoint(http(sse("a"))) as endpoint, provider(endpoint.base_url) as others:
        list(stock(others, "m", StockOptions(timeout=5, seed=7)).stream("hi"))
    assert set(endpoint.requests[0]) == {"messages", "model", "stream", "stream_options"}
    with (
        raw_endpoint(http(sse("a"))) as endpoint,
        closing(Models(Settings(_env_file=None), endpoint.base_url)) as demos,
    ):
        list(stock(demos, demo_model(), StockOptions(timeout=5, seed=7)).stream("hi"))
    assert endpoint.requests[0]["seed"] == 7


@pytest.mark.anyio
@pytest.mark.parametrize("make", [chain, agent])
@pytest.mark.parametrize(
    ("model", "package"),
    [
        ("m", "langchain_openai"),
        ("anthropic:m", "langchain_anthropic"),
        ("google_genai:m", "langchain_google_genai"),
        ("azure_openai:m", "langchain_openai"),
    ],
)
async def test_every_provider_is_asked_through_the_proxy_that_is_set(
    monkeypatch: pytest.MonkeyPatch, make: Make, model: str, package: str
) -> None:
    """And a proxy that fails is named, whichever client meets it. Variables of a client's own are none of ours."""
    pytest.importorskip(package, reason="`make providers` installs it")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ANTHROPIC_PROXY", "http://127.0.0.1:8")
    monkeypatch.setenv("OPENAI_PROXY", "http://127.0.0.1:8")
    far = "http://models.example"
    with (
        asking(
            openai_base_url=f"{far}/v1",
            anthropic_api_key=KEY,
            anthropic_base_url=far,
            google_api_key=KEY,
            google_gemini_base_url=far,
            azure_openai_api_key=KEY,
            azure_openai_endpoint=far,
        ) as models,
        pytest.raises(Exception) as caught,  # noqa: PT011
    ):
        await events(make(models, model))
    failure = classify(caught.value)
    assert (failure.code, failure.detail) == ("proxy", "HTTP_PROXY: the proxy does not answer")
