"""Claude, by Anthropic's own client, against bytes as Anthropic's documentation shows them."""

import json
from functools import partial
from typing import Any

import anyio
import pytest

from streamlab.events.event import TextDelta, Thinking, ToolCall, ToolResult, Usage
from streamlab.models.catalog import classify
from streamlab.models.failures import Failure
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.provider import StockOptions, Unlisted
from tests.conftest import PATIENCE, http, raw_endpoint
from tests.spoken import DATA, FUNCTION, KEY, Make, agent, asking, chain, events, front_end, unfinished, until_text

pytest.importorskip("langchain_anthropic", reason="`make providers` installs it")

TOOLS = (DATA / "anthropic_tools.sse").read_bytes()
MODEL = "anthropic:claude-opus-4-7"
BEGIN = TOOLS.partition(b"event: content_block_start")[0]
THINKING = TOOLS.partition(b"event: content_block_stop")[0]
TEXT = TOOLS[: TOOLS.index(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":2}')]
ARGUMENTS = TOOLS[: TOOLS.index(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":3}')]


def event(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name} | data)}\n\n".encode()


def text(*parts: str) -> bytes:
    deltas = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": part}) for part in parts]
    start = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    return b"".join((BEGIN, start, *deltas, event("content_block_stop", index=0)))


def stopped(reason: str, **usage: int) -> bytes:
    counted = {"input_tokens": 7, "output_tokens": 5} | usage
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=counted) + event(
        "message_stop"
    )


def error(kind: str, message: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).encode()


def anthropic(base_url: str) -> Any:
    return asking(anthropic_api_key=KEY, anthropic_base_url=base_url)


@pytest.mark.anyio
async def test_an_answer_with_thoughts_and_parallel_tools_and_what_is_sent_back() -> None:
    """Signatures and what was redacted go back as they came; cached and reasoning tokens are part of the sums."""
    with (
        raw_endpoint(http(TOOLS), http(text("5 and 42.") + stopped("end_turn", cache_read_input_tokens=0))) as server,
        anthropic(server.base_url) as models,
    ):
        attempt = agent(models, MODEL, "two sums")
        seen = await events(attempt)
    assert "".join(each.content for each in seen if isinstance(each, Thinking)) == "Two sums, so two calls."
    assert "".join(each.content for each in seen if isinstance(each, TextDelta)) == "I will count, 数えます。5 and 42."
    calls = {each.call_id: each.input for each in seen if isinstance(each, ToolCall)}
    assert calls == {"toolu_01": {"expression": "2+3"}, "toolu_02": {"expression": "7*6"}}
    assert {each.call_id for each in seen if isinstance(each, ToolResult)} == set(calls)
    assert attempt.usage == Usage(1_047, 94, cached_tokens=1_000)
    first, second = server.requests
    assert first["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert "temperature" not in first
    _, told, results = second["messages"]
    assert told["content"] == [
        {"type": "thinking", "thinking": "Two sums, so two calls.", "signature": "RXFvQkNrZ0lBUkFC"},
        {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"},
        {"type": "text", "text": "I will count, 数えます。"},
        {"type": "tool_use", "name": "calculate", "input": {"expression": "2+3"}, "id": "toolu_01"},
        {"type": "tool_use", "name": "calculate", "input": {"expression": "7*6"}, "id": "toolu_02"},
    ]
    assert {each["tool_use_id"] for each in results["content"]} == set(calls)


@pytest.mark.anyio
async def test_what_a_plain_answer_comes_to() -> None:
    """Its text, its tokens, and that it was cut at its length."""
    for reason, remark in (("end_turn", None), ("stop_sequence", None), ("max_tokens", "length")):
        counted = stopped(reason, output_tokens=50, cache_read_input_tokens=100, cache_creation_input_tokens=20)
        with raw_endpoint(http(text("a", "b") + counted)) as server, anthropic(server.base_url) as models:
            attempt = chain(models, MODEL)
            assert "".join(each.content for each in await events(attempt) if isinstance(each, TextDelta)) == "ab"
        assert attempt.usage == Usage(127, 50, cached_tokens=100, cache_write_tokens=20)
        assert attempt.remark == remark


@pytest.mark.anyio
async def test_half_a_call_is_none() -> None:
    """An answer that was cut at its length within a call's arguments calls nothing."""
    with raw_endpoint(http(ARGUMENTS + stopped("max_tokens"))) as server, anthropic(server.base_url) as models:
        attempt = agent(models, MODEL)
        seen = await events(attempt)
    assert not [each for each in seen if isinstance(each, ToolCall)]
    assert attempt.remark == "length"
    assert len(server.requests) == 1


LIMITED = ("retry-after: 12", "anthropic-ratelimit-requests-remaining: 0")
REFUSED = [
    (401, "authentication_error", "invalid x-api-key", (), "auth", None),
    (403, "permission_error", "Your API key does not have permission", (), "auth", None),
    (404, "not_found_error", "model: claude-nobody", (), "model_not_found", None),
    (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", (), "context_too_long", None),
    (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API", (), "quota", None),
    (400, "invalid_request_error", "temperature: may only be set to 1 when thinking", (), "bad_request", None),
    (429, "rate_limit_error", "This request would exceed your rate limit", LIMITED, "rate_limited", 12),
    (500, "api_error", "Internal server error", (), "provider_unavailable", None),
    (529, "overloaded_error", "Overloaded", (), "provider_unavailable", None),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "kind", "message", "headers", "code", "wait"), REFUSED)
async def test_refusals_are_named(
    status: int, kind: str, message: str, headers: tuple[str, ...], code: str, wait: float | None
) -> None:
    """By status, type and words; asked once, for retries are ours; the key is never told."""
    answer = http(error(kind, f"{message} {KEY}"), f"{status} No", "application/json", *headers)
    with raw_endpoint(answer) as server, anthropic(server.base_url) as models:
        for attempt in (chain(models, MODEL), agent(models, MODEL)):
            with pytest.raises(Exception) as caught:  # noqa: PT011
                await events(attempt)
            failure = classify(caught.value)
            assert (failure.code, failure.retry_after) == (code, wait)
            assert message in (failure.detail or "")
            assert KEY not in (failure.detail or "")
    assert len(server.requests) == 2
    assert all(KEY in head for head in server.headers)


BROKEN = [
    ("before anything", b"", "provider_unavailable"),
    ("after the opening", BEGIN, "connection_lost"),
    ("in a thought", THINKING, "connection_lost"),
    ("in the text", TEXT, "connection_lost"),
    ("in a call's arguments", ARGUMENTS, "connection_lost"),
    ("in an event", TEXT[:-40], "connection_lost"),
    ("overloaded", TEXT + b"event: error\ndata: " + error("overloaded_error", "Overloaded") + b"\n\n",
     "provider_unavailable"),
    ("limited", BEGIN + b"event: error\ndata: " + error("rate_limit_error", "slow down") + b"\n\n", "rate_limited"),
    ("garbage", TEXT + b"event: content_block_delta\ndata: {not json\n\n", "connection_lost"),
    ("blocked", text("I") + stopped("refusal"), "content_filtered"),
]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize(("body", "code"), [pytest.param(body, code, id=name) for name, body, code in BROKEN])
async def test_what_breaks_within_an_answer_is_named(body: bytes, code: str) -> None:
    """However politely the body ends; the text before it was shown, and no half call is made."""
    with raw_endpoint(http(body)) as server, anthropic(server.base_url) as models:
        for attempt in (chain(models, MODEL), agent(models, MODEL)):
            with pytest.raises(Exception) as caught:  # noqa: PT011
                await events(attempt)
            assert classify(caught.value).code == code


@pytest.mark.anyio
async def test_after_the_end_nothing_can_harm_an_answer() -> None:
    """Neither a connection that breaks off nor an error that comes too late."""
    late = text("whole") + stopped("end_turn") + b"event: error\ndata: " + error("api_error", "late") + b"\n\n"
    with raw_endpoint(http(late)) as server, anthropic(server.base_url) as models:
        seen = await events(chain(models, MODEL))
    assert "".join(each.content for each in seen if isinstance(each, TextDelta)) == "whole"


@pytest.mark.anyio
async def test_a_temperature_is_sent_where_it_is_not_the_default() -> None:
    """And no thoughts are asked for then. What the client itself refuses is a refusal with its reason."""
    with raw_endpoint(http(text("a") + stopped("end_turn"))) as server, anthropic(server.base_url) as models:
        await events(chain(models, MODEL, temperature=0.5))
        assert server.requests[0]["temperature"] == 0.5
        assert "thinking" not in server.requests[0]
        with pytest.raises(Failure) as caught:
            await events(chain(models, "anthropic:claude-sonnet-5-5", temperature=0.5))
    assert caught.value.code == "bad_request"
    assert "temperature" in (caught.value.detail or "")


@pytest.mark.anyio
async def test_a_question_is_also_answered_whole() -> None:
    """By the same client, told not to stream, as the race has it."""
    body = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "max_tokens",
        "stop_sequence": None, "content": [{"type": "text", "text": "All of it"}],
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }  # fmt: skip
    with (
        raw_endpoint(http(json.dumps(body).encode(), kind="application/json")) as server,
        anthropic(server.base_url) as models,
    ):
        model = models.chat_model(MODEL, DEFAULT_TEMPERATURE)
        model.disable_streaming = True
        message = await model.ainvoke("hi")
        assert (message.text, message.response_metadata["finish_reason"]) == ("All of it", "length")
        assert model.invoke("hi").text == "All of it"


LISTED = {
    "data": [
        {"type": "model", "id": name, "display_name": name, "created_at": "2026-04-14T00:00:00Z"}
        for name in ("claude-opus-5", "claude-haiku-4-5")
    ],
    "has_more": False, "first_id": "claude-opus-5", "last_id": "claude-haiku-4-5",
}  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_its_models_are_listed(path: str) -> None:
    """As the server has them, whichever way its address was typed."""
    with raw_endpoint(http(json.dumps(LISTED).encode(), kind="application/json")) as server:
        with anthropic(server.base_url.removesuffix("/v1") + path) as models:
            assert await models.names() == ("anthropic:claude-opus-5", "anthropic:claude-haiku-4-5", "demo")
        assert server.headers[0].startswith("GET /v1/models?limit=1000 ")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (http(error("authentication_error", "invalid x-api-key"), "401 No", "application/json"), "auth"),
        (http(error("not_found_error", "no"), "404 No", "application/json"), "address_not_found"),
        (http(b"<html>hello</html>", kind="text/html"), None),
        (http(b'{"data": [], "has_more": false}', kind="application/json"), None),
    ],
)
def test_a_server_that_lists_none_is_told_of(answer: bytes, code: str | None) -> None:
    """With its variables, as any other provider."""
    with raw_endpoint(answer) as server, anthropic(server.base_url) as models:
        with pytest.raises(Unlisted) as caught:
            models.provider(MODEL).list_models()
        assert (caught.value.failure and caught.value.failure.code) == code
        assert caught.value.variables.key == "ANTHROPIC_API_KEY"


def test_a_client_for_a_wrong_key_never_holds_the_right_one() -> None:
    """Nor do the environment's variables come in by another door."""
    answer = http(error("authentication_error", "no"), "401 No", "application/json")
    with raw_endpoint(answer) as server, anthropic(server.base_url) as models:
        model = models.chat_model(MODEL, DEFAULT_TEMPERATURE, "key")
        with pytest.raises(Exception) as caught:  # noqa: PT011
            model.invoke("hi")
        assert classify(caught.value).code == "auth"
    assert KEY not in repr(vars(model)) + "".join(server.headers)
    assert models.provider(MODEL).wrong_key in server.headers[0]


def test_a_stock_client_is_the_library_s_own() -> None:
    """Over the connections that it is given; what it takes is sent."""
    import httpx2
    from langchain_anthropic import ChatAnthropic

    with raw_endpoint(http(text("a") + stopped("end_turn"))) as server, anthropic(server.base_url) as models:
        options = StockOptions(timeout=5, max_tokens=9, seed=7, as_json=True, streaming=True)
        with httpx2.Client(trust_env=False) as client:
            model = models.stock_model(MODEL, options, client, httpx2.AsyncClient(trust_env=False))
            assert type(model) is ChatAnthropic
            assert model.invoke("hi").text == "a"
            assert model._client._client is client
    assert set(server.requests[0]) == {"model", "max_tokens", "messages", "stream"}
    assert server.requests[0]["max_tokens"] == 9


@pytest.mark.anyio
@pytest.mark.parametrize("make", [chain, agent])
async def test_a_stop_reaches_the_socket(make: Make) -> None:
    """Of an answer that has begun: the server sees its connection close, though more would come."""
    async with unfinished(http(text("a"))) as (url, closed), anyio.create_task_group() as reading:
        with anthropic(url) as models:
            reading.start_soon(until_text, make(models, MODEL), reading.cancel_scope)
            with anyio.fail_after(PATIENCE), anyio.CancelScope(shield=True):
                await closed.wait()


@pytest.mark.anyio
async def test_what_front_ends_ask_in_openai_s_words_is_said_in_anthropic_s() -> None:
    """Tools of the caller's, whose calls are handed back, and further fields; what cannot be said is refused."""
    with raw_endpoint(http(TOOLS)) as server, anthropic(server.base_url) as models:
        attempt = partial(front_end, models, MODEL)
        seen = await events(attempt(FUNCTION, max_completion_tokens=9, stop="x", frequency_penalty=0, seed=1))
        assert len([each for each in seen if isinstance(each, ToolCall)]) == 2
        sent = server.requests[-1]
        assert (sent["max_tokens"], sent["stop_sequences"], sent["tools"][0]["name"]) == (9, ["x"], "look")
        for choice in ("auto", "none", "required", {"type": "function", "function": {"name": "look"}}):
            await events(attempt(FUNCTION, tool_choice=choice))
        chosen = [asked["tool_choice"] for asked in server.requests[1:]]
        assert chosen == [{"type": "auto"}, {"type": "none"}, {"type": "any"}, {"type": "tool", "name": "look"}]
        assert ["thinking" in asked for asked in server.requests[1:]] == [True, True, False, False]
        await events(attempt())
        assert "tools" not in server.requests[-1]
