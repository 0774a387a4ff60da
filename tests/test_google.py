"""Gemini, by Google's own client, against bytes as Google's documentation shows them."""

import json
import re
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest

from streamlab.events.event import TextDelta, Thinking, ToolCall, ToolResult, Usage
from streamlab.models.catalog import classify
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.provider import StockOptions, Unlisted
from tests.conftest import PATIENCE, http, raw_endpoint
from tests.spoken import DATA, FUNCTION, KEY, Make, agent, asking, chain, events, front_end, unfinished, until_text

pytest.importorskip("langchain_google_genai", reason="`make providers` installs it")

TOOLS = (DATA / "google_tools.sse").read_bytes()
MODEL = "google_genai:gemini-3.5-flash"
LINES = TOOLS.split(b"\n\n")
THINKING, TEXT, CALLS = (b"\n\n".join(LINES[:count]) + b"\n\n" for count in (1, 3, 4))
FULL = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}


def chunk(*parts: dict[str, Any] | str, finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    content = {"role": "model", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}
    candidate = {"index": 0, "content": content} | ({"finishReason": finish} if finish else {})
    answer = {"candidates": [candidate], "modelVersion": "gemini-3.5-flash"}
    return f"data: {json.dumps(answer | ({'usageMetadata': usage} if usage else {}))}\n\n".encode()


def error(code: int, status: str, message: str, *details: dict[str, Any]) -> bytes:
    told = {"code": code, "message": message, "status": status, "details": list(details)}
    return json.dumps({"error": told}).encode()


def google(base_url: str) -> Any:
    return asking(google_api_key=KEY, google_gemini_base_url=base_url.removesuffix("/v1"))


@pytest.mark.anyio
async def test_an_answer_with_thoughts_and_parallel_tools_and_what_is_sent_back() -> None:
    """Signatures go back with the calls that they came with; cached and reasoning tokens are part of the sums."""
    last = chunk("5 and 42.", finish="STOP", usage=FULL | {"thoughtsTokenCount": 2, "totalTokenCount": 14})
    with raw_endpoint(http(TOOLS), http(last)) as server, google(server.base_url) as models:
        attempt = agent(models, MODEL, "two sums")
        seen = await events(attempt)
    assert "".join(each.content for each in seen if isinstance(each, Thinking)) == "**Two sums**\n\nSo two calls."
    assert "".join(each.content for each in seen if isinstance(each, TextDelta)) == "I will count, 数えます。5 and 42."
    calls = {each.call_id: each.input for each in seen if isinstance(each, ToolCall)}
    assert calls == {"fc_1": {"expression": "2+3"}, "fc_2": {"expression": "7*6"}}
    assert {each.call_id for each in seen if isinstance(each, ToolResult)} == set(calls)
    assert attempt.usage == Usage(1_047, 96, reasoning_tokens=32, cached_tokens=1_000)
    first, second = server.requests
    assert first["generationConfig"]["thinkingConfig"] == {"include_thoughts": True}
    assert "temperature" not in first["generationConfig"]
    parts = second["contents"][1]["parts"]
    called = [part for part in parts if "functionCall" in part]
    assert [part["functionCall"]["args"] for part in called] == [{"expression": "2+3"}, {"expression": "7*6"}]
    assert called[0]["thoughtSignature"] == "RXFvQkNrZ0lBUkFC"
    answered = [part["functionResponse"]["name"] for part in second["contents"][2]["parts"]]
    assert answered == ["calculate", "calculate"]


@pytest.mark.anyio
@pytest.mark.parametrize(("reason", "remark"), [("STOP", None), ("OTHER", None), ("MAX_TOKENS", "length")])
async def test_what_a_plain_answer_comes_to(reason: str, remark: str | None) -> None:
    """Its text, its tokens, and that it was cut at its length; for models that think and for others."""
    for model in (MODEL, "google_genai:gemini-2.0-flash"):
        body = chunk("a", usage={"promptTokenCount": 7, "totalTokenCount": 7}) + chunk("b", finish=reason, usage=FULL)
        with raw_endpoint(http(body)) as server, google(server.base_url) as models:
            attempt = chain(models, model)
            assert "".join(each.content for each in await events(attempt) if isinstance(each, TextDelta)) == "ab"
        assert attempt.usage == Usage(7, 5, cached_tokens=0)
        assert attempt.remark == remark
        assert ("thinkingConfig" in server.requests[0]["generationConfig"]) == (model == MODEL)
        asked = re.match(r"POST /v1(?:beta)?/models/(.*):streamGenerateContent\?alt=sse ", server.headers[0])
        assert asked
        assert asked[1] == model.partition(":")[2]


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
QUOTA = "You exceeded your current quota, please check your plan and billing details. Please retry in 34.07s."
LONG = "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)."
REFUSED = [
    (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", (BAD_KEY,), "auth", None),
    (403, "PERMISSION_DENIED", "Your API key was reported as leaked.", (), "auth", None),
    (404, "NOT_FOUND", "models/nobody is not found for API version v1beta", (), "model_not_found", None),
    (400, "INVALID_ARGUMENT", LONG, (), "context_too_long", None),
    (400, "INVALID_ARGUMENT", "Thinking is not enabled for this model", (), "bad_request", None),
    (429, "RESOURCE_EXHAUSTED", QUOTA, (RETRY,), "rate_limited", 34),
    (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", (), "quota", None),
    (500, "INTERNAL", "An internal error has occurred.", (), "provider_unavailable", None),
    (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", (), "provider_unavailable", None),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "name", "message", "details", "code", "wait"), REFUSED)
async def test_refusals_are_named(
    status: int, name: str, message: str, details: tuple[Any, ...], code: str, wait: float | None
) -> None:
    """By status, name, details and words; asked once, for retries are ours; the key is never told."""
    answer = http(error(status, name, f"{message} {KEY}", *details), f"{status} No", "application/json")
    with raw_endpoint(answer) as server, google(server.base_url) as models:
        for attempt in (chain(models, MODEL), agent(models, MODEL)):
            with pytest.raises(Exception) as caught:  # noqa: PT011
                await events(attempt)
            failure = classify(caught.value)
            assert (failure.code, failure.retry_after) == (code, wait)
            assert message in (failure.detail or "")
            assert KEY not in (failure.detail or "")
    assert len(server.requests) == 2
    assert all(KEY in head for head in server.headers)


BLOCKED = b'data: {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "gemini-3.5-flash"}\n\n'
BROKEN = [
    ("before anything", b"", "provider_unavailable"),
    ("in a thought", THINKING, "connection_lost"),
    ("in the text", TEXT, "connection_lost"),
    ("after a call", CALLS, "connection_lost"),
    ("in an event", TEXT + LINES[3][:200], "connection_lost"),
    ("overloaded", TEXT + b"data: " + error(503, "UNAVAILABLE", "The model is overloaded.") + b"\n\n",
     "provider_unavailable"),
    ("limited", TEXT + b"data: " + error(429, "RESOURCE_EXHAUSTED", "Too many requests") + b"\n\n", "rate_limited"),
    ("garbage", TEXT + b"data: {not json\n\n", "connection_lost"),
    ("the question blocked", BLOCKED, "content_filtered"),
    ("blocked", chunk("I") + chunk(finish="SAFETY"), "content_filtered"),
    ("recited", chunk("I") + chunk(finish="RECITATION"), "content_filtered"),
    ("half a call", chunk("I") + chunk(finish="MALFORMED_FUNCTION_CALL"), "provider_unavailable"),
]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize(("body", "code"), [pytest.param(body, code, id=name) for name, body, code in BROKEN])
async def test_what_breaks_within_an_answer_is_named(body: bytes, code: str) -> None:
    """However politely the body ends; no call is made of an answer that is not whole."""
    with raw_endpoint(http(body)) as server, google(server.base_url) as models:
        for attempt in (chain(models, MODEL), agent(models, MODEL)):
            with pytest.raises(Exception) as caught:  # noqa: PT011
                await events(attempt)
            assert classify(caught.value).code == code


@pytest.mark.anyio
async def test_after_the_end_nothing_can_harm_an_answer() -> None:
    """Neither a connection that breaks off nor an error that comes too late."""
    late = chunk("whole", finish="STOP") + b"data: " + error(500, "INTERNAL", "late") + b"\n\n"
    with raw_endpoint(http(late)) as server, google(server.base_url) as models:
        seen = await events(chain(models, MODEL))
    assert "".join(each.content for each in seen if isinstance(each, TextDelta)) == "whole"


@pytest.mark.anyio
async def test_a_question_is_also_answered_whole() -> None:
    """By the same client, told not to stream, as the race has it; a temperature is sent where it is not the default."""
    body = json.loads(chunk("All of it", finish="MAX_TOKENS", usage=FULL)[6:])
    answer = http(json.dumps(body).encode(), kind="application/json")
    with raw_endpoint(answer) as server, google(server.base_url) as models:
        model = models.chat_model(MODEL, 0.5)
        model.disable_streaming = True
        message = await model.ainvoke("hi")
        assert (message.text, message.response_metadata["finish_reason"]) == ("All of it", "length")
        assert model.invoke("hi").text == "All of it"
    assert [asked["generationConfig"]["temperature"] for asked in server.requests] == [0.5, 0.5]


LISTED = {
    "models": [
        {"name": f"models/{name}", "supportedGenerationMethods": methods}
        for name, methods in (
            ("gemini-3.5-flash", ["generateContent", "countTokens"]),
            ("gemini-2.5-flash-image", ["generateContent"]),
            ("gemini-2.5-flash-preview-tts", ["generateContent"]),
            ("gemini-embedding-001", ["embedContent"]),
            ("gemma-4-31b-it", ["generateContent"]),
        )
    ]
}


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["", "/", "/v1beta", "/v1/"])
async def test_its_models_are_listed(path: str) -> None:
    """Those that chat, whichever way the address was typed."""
    with raw_endpoint(http(json.dumps(LISTED).encode(), kind="application/json")) as server:
        with google(server.base_url.removesuffix("/v1") + path) as models:
            names = ("google_genai:gemini-3.5-flash", "google_genai:gemma-4-31b-it", "demo")
            assert await models.names() == names
        version = path.strip("/") or "v1(?:beta)?"  # without one the client's own
        assert re.match(rf"GET /{version}/models\?pageSize=1000 ", server.headers[0])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (http(error(400, "INVALID_ARGUMENT", "API key not valid", BAD_KEY), "400 No", "application/json"), "auth"),
        (http(b"<html>hello</html>", kind="text/html"), None),
        (http(b"{}", kind="application/json"), None),
    ],
)
def test_a_server_that_lists_none_is_told_of(answer: bytes, code: str | None) -> None:
    """With its variables, as any other provider."""
    with raw_endpoint(answer) as server, google(server.base_url) as models:
        with pytest.raises(Unlisted) as caught:
            models.provider(MODEL).list_models()
        assert (caught.value.failure and caught.value.failure.code) == code
        assert caught.value.variables.key == "GOOGLE_API_KEY"


def test_a_client_for_a_wrong_key_never_holds_the_right_one() -> None:
    """Nor do the environment's variables come in by another door."""
    answer = http(error(400, "INVALID_ARGUMENT", "API key not valid", BAD_KEY), "400 No", "application/json")
    with raw_endpoint(answer) as server, google(server.base_url) as models:
        model = models.chat_model(MODEL, DEFAULT_TEMPERATURE, "key")
        with pytest.raises(Exception) as caught:  # noqa: PT011
            model.invoke("hi")
        assert classify(caught.value).code == "auth"
    assert KEY not in repr(vars(model)) + "".join(server.headers)
    assert models.provider(MODEL).wrong_key in server.headers[0]


def test_a_stock_client_is_the_library_s_own() -> None:
    """Over the connections that it is given; what it takes is sent."""
    from langchain_google_genai import ChatGoogleGenerativeAI

    body = json.loads(chunk("a", finish="STOP", usage=FULL)[6:])
    answer = http(json.dumps(body).encode(), kind="application/json")
    with raw_endpoint(answer) as server, google(server.base_url) as models, httpx2.Client(trust_env=False) as client:
        options = StockOptions(timeout=5, max_tokens=9, seed=7, as_json=True, streaming=False)
        model = models.stock_model(MODEL, options, client, httpx2.AsyncClient(trust_env=False))
        assert type(model) is ChatGoogleGenerativeAI
        assert model.invoke("hi").text == "a"
    config = server.requests[0]["generationConfig"]
    assert {name: config[name] for name in ("maxOutputTokens", "seed", "responseMimeType")} == {
        "maxOutputTokens": 9, "seed": 7, "responseMimeType": "application/json",
    }  # fmt: skip
    assert "temperature" not in config


@pytest.mark.anyio
@pytest.mark.parametrize("make", [chain, agent])
async def test_a_stop_reaches_the_socket(make: Make) -> None:
    """Of an answer that has begun: the server sees its connection close, though more would come."""
    async with unfinished(http(chunk("a"))) as (url, closed), anyio.create_task_group() as reading:
        with google(url) as models:
            reading.start_soon(until_text, make(models, MODEL), reading.cancel_scope)
            with anyio.fail_after(PATIENCE), anyio.CancelScope(shield=True):
                await closed.wait()


@pytest.mark.anyio
async def test_what_front_ends_ask_in_openai_s_words_is_said_in_google_s() -> None:
    """Tools of the caller's, whose calls are handed back, and further fields; what cannot be said is refused."""
    with raw_endpoint(http(TOOLS)) as server, google(server.base_url) as models:
        attempt = partial(front_end, models, MODEL)
        seen = await events(attempt(FUNCTION, max_completion_tokens=9, stop="x", frequency_penalty=0, seed=1))
        assert len([each for each in seen if isinstance(each, ToolCall)]) == 2
        config = server.requests[-1]["generationConfig"]
        assert (config["maxOutputTokens"], config["stopSequences"], config["seed"]) == (9, ["x"], 1)
        assert server.requests[-1]["tools"][0]["functionDeclarations"][0]["name"] == "look"
        for choice in ("auto", "none", "required", {"type": "function", "function": {"name": "look"}}):
            await events(attempt(FUNCTION, tool_choice=choice))
        chosen = [asked["toolConfig"]["functionCallingConfig"] for asked in server.requests[1:]]
        assert [each["mode"] for each in chosen] == ["AUTO", "NONE", "ANY", "ANY"]
        assert chosen[3]["allowedFunctionNames"] == ["look"]
        await events(attempt())
        assert "tools" not in server.requests[-1]
