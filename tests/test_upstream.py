"""What leans on the inside of other libraries: each test fails when one changes, and shows what then still works."""

import json
import logging
from collections.abc import Iterator
from functools import cached_property
from pkgutil import resolve_name

import httpx2
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessageChunk
from langchain_openai import ChatOpenAI

from streamlab.models.capabilities import UNKNOWN, profiled
from streamlab.models.connections import ONE_READ, http_client
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.providers.chat_openai import HOOK, check_hook
from tests.conftest import http, provider, raw_endpoint, sse
from tests.spoken import asking

LONG = ["x" * 1_000] * (2 * ONE_READ // 1_000)


def read(model: BaseChatModel) -> list[BaseMessageChunk]:
    return list(model.stream("hi"))


async def aread(model: BaseChatModel) -> list[BaseMessageChunk]:
    return [chunk async for chunk in model.astream("hi")]


async def check_refused(model: BaseChatModel) -> None:
    """Ask in both ways a server that lets nobody in."""
    with pytest.raises(Exception, match="401"):
        read(model)
    with pytest.raises(Exception, match="401"):
        await aread(model)


@pytest.mark.parametrize(
    ("name", "stock"),
    [
        ("chat_openai.CompatibleChatOpenAI", "langchain_openai.ChatOpenAI"),
        ("chat_openai.CompatibleAzureChatOpenAI", "langchain_openai.AzureChatOpenAI"),
        ("chat_anthropic.LabChatAnthropic", "langchain_anthropic.ChatAnthropic"),
        ("chat_google.LabChatGoogle", "langchain_google_genai.ChatGoogleGenerativeAI"),
    ],
)
def test_the_app_s_client_has_the_fields_of_the_library_s(name: str, stock: str) -> None:
    """What stands before it brings none in their place: names, defaults and types are those that are documented."""
    pytest.importorskip(stock.partition(".")[0], reason="`make providers` installs it")
    ours, theirs = resolve_name(f"streamlab.models.providers.{name}"), resolve_name(stock)
    assert {name: repr(field) for name, field in ours.model_fields.items()} == {
        name: repr(field) for name, field in theirs.model_fields.items()
    }


@pytest.mark.parametrize(
    ("package", "model"),
    [
        ("langchain_openai", "gpt-4o"),
        ("langchain_anthropic", "claude-haiku-4-5"),
        ("langchain_google_genai", "gemini-2.5-pro"),
    ],
)
def test_a_package_has_a_table_of_what_its_models_can_do(package: str, model: str) -> None:
    """Without it nobody would be told why a model takes no images, and all would be let be tried."""
    pytest.importorskip(package, reason="`make providers` installs it")
    known = profiled(package, model)
    assert UNKNOWN.or_else(known) == known
    assert (known.tools, known.images) == (True, True)
    assert known.context


# langchain-openai


@pytest.mark.anyio
async def test_chat_openai_lets_its_chunks_be_read_and_converted_by_others(caplog: pytest.LogCaptureFixture) -> None:
    """By `create` of its clients, which gives dicts, and by the method that each chunk goes through."""
    with raw_endpoint(http(sse({"reasoning": "hm"}, "a"))) as endpoint, provider(endpoint.base_url) as models:
        model = models.chat_model("m", DEFAULT_TEMPERATURE)
        for chunks in (read(model), await aread(model)):
            assert chunks[0].additional_kwargs.get("reasoning_content") == "hm"
            assert "".join(chunk.text for chunk in chunks) == "a"
    assert check_hook(ChatOpenAI)
    assert not caplog.records


@pytest.mark.anyio
async def test_what_chat_openai_asks_its_client_in_other_ways_is_the_client_s() -> None:
    """As it does for a key of LangSmith's gateway: the chunks are then those of the stock client."""
    with raw_endpoint(http(sse("a", "b"))) as endpoint, provider(endpoint.base_url, "lsv2_not_a_real_key") as models:
        model = models.chat_model("m", DEFAULT_TEMPERATURE)
        for chunks in (read(model), await aread(model)):
            assert "".join(chunk.text for chunk in chunks) == "ab"


def test_a_chat_openai_without_the_hook_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """All else goes on."""
    assert not check_hook(BaseChatModel)
    assert HOOK in caplog.text


# langchain-anthropic


@pytest.mark.anyio
async def test_chat_anthropic_asks_over_the_clients_that_it_keeps() -> None:
    """By the names that they have here; over connections of ours, so that a proxy of its own variable is none."""
    pytest.importorskip("langchain_anthropic", reason="`make providers` installs it")
    from langchain_anthropic import ChatAnthropic

    with (
        raw_endpoint(http(b"{}", "401 No", "application/json")) as endpoint,
        asking(anthropic_api_key="key-1234567", anthropic_base_url=endpoint.base_url) as models,
    ):
        model = models.chat_model("anthropic:m", DEFAULT_TEMPERATURE)
        assert vars(model)["_client"]._client is models._http
        for name in ("_client", "_async_client"):
            assert isinstance(vars(ChatAnthropic)[name], cached_property)
        await check_refused(model)
    assert len(endpoint.headers) == 2


# langchain-google-genai


@pytest.mark.anyio
async def test_chat_google_asks_over_the_client_that_it_keeps() -> None:
    """By the name that it has here; over connections of ours."""
    pytest.importorskip("langchain_google_genai", reason="`make providers` installs it")
    with (
        raw_endpoint(http(b"{}", "401 No", "application/json")) as endpoint,
        asking(google_api_key="key-1234567", google_gemini_base_url=endpoint.base_url) as models,
    ):
        model = models.chat_model("google_genai:m", DEFAULT_TEMPERATURE)
        assert vars(model)["client"]._api_client._httpx_client is models._http
        await check_refused(model)
    assert len(endpoint.headers) == 2


# httpcore2


def test_httpcore_reads_by_the_stream_that_it_names(caplog: pytest.LogCaptureFixture) -> None:
    """A long answer comes in fewer chunks than the server wrote, for what one read gave is joined."""
    with raw_endpoint(http(sse(*LONG))) as endpoint, provider(endpoint.base_url) as models:
        chunks = read(models.chat_model("m", DEFAULT_TEMPERATURE))
    assert "".join(chunk.text for chunk in chunks) == "".join(LONG)
    assert len(chunks) < len(LONG) / 2
    assert not caplog.records


class Parts(httpx2.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield from (sse(text, finish=None) for text in LONG)


class Elsewhere:
    """A network stream that nobody reads."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        raise AssertionError


@pytest.mark.parametrize("extensions", [{}, {"network_stream": object()}, {"network_stream": Elsewhere()}])
def test_a_transport_that_reads_otherwise_is_told_of(
    caplog: pytest.LogCaptureFixture, extensions: dict[str, object]
) -> None:
    """Once for each stream; what it reads is whole."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            200, headers={"content-type": "text/event-stream"}, stream=Parts(), extensions=dict(extensions)
        )

    with http_client() as ours, caplog.at_level(logging.WARNING):
        hooks = ours.event_hooks
        with (
            httpx2.Client(transport=httpx2.MockTransport(answer), event_hooks=hooks) as client,
            client.stream("GET", "http://localhost") as response,
        ):
            events = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: {")]
    assert len(events) == len(LONG)
    assert [record.name for record in caplog.records] == ["streamlab.models.connections"]
