"""Azure OpenAI, by langchain-openai's own client for it: what is sent where, and what is made of an answer."""

from typing import Any

import httpx2
import pytest
from langchain_openai import AzureChatOpenAI

from streamlab.events.event import TextDelta, Thinking, ToolCall
from streamlab.models.catalog import Models, classify
from streamlab.models.failures import Failure
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.provider import StockOptions, Unlisted
from tests.conftest import http, raw_endpoint, sse
from tests.spoken import KEY, agent, asking, chain, events

MODEL = "azure_openai:my-gpt"
CALL = {
    "tool_calls": [{"index": 0, "id": "c1", "function": {"name": "calculate", "arguments": '{"expression": "2+3"}'}}]
}


def azure(base_url: str, **more: str) -> Any:
    return asking(azure_openai_api_key=KEY, azure_openai_endpoint=base_url.removesuffix("/v1"), **more)


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["", "2025-04-01-preview"])
async def test_a_deployment_is_asked_at_its_own_address(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """With its key where Azure has it; what is set for OpenAI does not come in."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    given = {"openai_api_version": version} if version else {}
    with raw_endpoint(http(sse({"reasoning": "hm"}, "a"))) as server, azure(server.base_url, **given) as models:
        seen = await events(chain(models, MODEL))
    assert [each.content for each in seen if isinstance(each, Thinking | TextDelta)] == ["hm", "a"]
    (head,) = server.headers
    path = f"/openai/deployments/my-gpt/chat/completions?api-version={version or '2024-10-21'}"
    assert head.startswith(f"POST {path} ")
    assert f"api-key: {KEY}" in head
    assert "temperature" not in server.requests[0]


@pytest.mark.anyio
async def test_its_tools_are_called() -> None:
    """As OpenAI's."""
    with raw_endpoint(http(sse(CALL, finish="tool_calls")), http(sse("5"))) as server, azure(server.base_url) as models:
        seen = await events(agent(models, MODEL))
    assert [each.input for each in seen if isinstance(each, ToolCall)] == [{"expression": "2+3"}]


FILTERED = b'{"error": {"code": "content_filter", "message": "The response was filtered", "status": 400}}'


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (http(b'{"error":{"code":"401","message":"Access denied due to invalid subscription key"}}', "401 No",
              "application/json"), "auth"),
        (http(b'{"error":{"code":"DeploymentNotFound","message":"The API deployment does not exist."}}', "404 No",
              "application/json"), "model_not_found"),
        (http(b'{"error":{"code":"429","message":"Exceeded token rate limit. Please retry after 6 seconds."}}',
              "429 No", "application/json", "retry-after: 6"), "rate_limited"),
        (http(FILTERED, "400 No", "application/json"), "content_filtered"),
        (http(sse("a", finish="content_filter")), "content_filtered"),
        (http(sse("a", finish=None)), "connection_lost"),
    ],
)  # fmt: skip
async def test_failures_are_named(answer: bytes, code: str) -> None:
    """Asked once, for retries are ours."""
    with raw_endpoint(answer) as server, azure(server.base_url) as models:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            await events(chain(models, MODEL))
        assert classify(caught.value).code == code
    assert len(server.requests) == 1


def test_a_stock_client_is_the_library_s_own() -> None:
    """Over the connections that it is given."""
    with raw_endpoint(http(sse("a"))) as server, azure(server.base_url) as models, httpx2.Client() as client:
        model = models.stock_model(MODEL, StockOptions(timeout=5, streaming=True), client, httpx2.AsyncClient())
        assert type(model) is AzureChatOpenAI
        assert model.invoke("hi").text == "a"


@pytest.mark.anyio
async def test_deployments_are_those_that_are_named(models: Models) -> None:
    """Nobody can list them; and without a resource nobody is asked."""
    with azure("http://127.0.0.1:9") as own:
        with pytest.raises(Unlisted) as caught:
            own.provider(MODEL).list_models()
        assert caught.value.failure is None
        assert caught.value.variables.address == "AZURE_OPENAI_ENDPOINT"
        wrong = own.chat_model(MODEL, DEFAULT_TEMPERATURE, "key")
        assert KEY not in repr(vars(wrong))
    with pytest.raises(Failure, match="auth"):
        models.chat_model(MODEL, DEFAULT_TEMPERATURE)
