"""Chunks of mere text that lie ready become one, whichever client gave them, and none waits for what has not come."""

import json
from functools import reduce
from operator import add
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from streamlab.events.event import TextDelta
from streamlab.models.connections import ONE_READ
from streamlab.models.joined_chunks import joined
from streamlab.models.options import DEFAULT_TEMPERATURE
from tests.conftest import PATIENCE, http, raw_endpoint
from tests.spoken import KEY, asking, chain, unfinished


def named(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name} | data)}\n\n".encode()


def data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def claude(text: str) -> bytes:
    return named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def gemini(text: str, **more: Any) -> bytes:
    return data({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}} | more]})


def gpt(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return data({"id": "1", "object": "chat.completion.chunk", "choices": [{"delta": delta, "finish_reason": finish}]})


BEGUN = named(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "usage": {"input_tokens": 9, "output_tokens": 1},
    },
) + named("content_block_start", index=0, content_block={"type": "text", "text": ""})
ENDED = (
    named("content_block_stop", index=0)
    + named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9})
    + named("message_stop")
)
CALL = {"index": 0, "id": "a", "function": {"name": "look", "arguments": json.dumps({"text": "x", "content": "y"})}}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
COUNTED = {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18}
PROVIDERS = {
    "anthropic": ("anthropic:claude-opus-4-7", "langchain_anthropic", BEGUN, claude, ENDED),
    "google": (
        "google_genai:gemini-2.0-flash",
        "langchain_google_genai",
        b"",
        gemini,
        gemini("", finishReason="STOP", usageMetadata=COUNTED),
    ),
    "openai": (
        "openai:gpt",
        "langchain_openai",
        gpt({"role": "assistant", "content": ""}),
        lambda text: gpt({"content": text}),
        gpt({}, "stop") + b"data: [DONE]\n\n",
    ),
}
PARTS = ["x" * 1_000] * (2 * ONE_READ // 1_000)  # the first read may be that of the head, which is not gathered


def settings(name: str, url: str) -> dict[str, str]:
    address = {"anthropic": "anthropic_base_url", "google": "google_gemini_base_url", "openai": "openai_base_url"}
    return {f"{name}_api_key": KEY, address[name]: f"{url}/v1" if name == "openai" else url}


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_one_read_gave_is_joined(name: str) -> None:
    """A long answer comes in far fewer chunks than its server wrote, and is the same."""
    model, package, begin, text, end = PROVIDERS[name]
    pytest.importorskip(package, reason="`make providers` installs it")
    body = begin + b"".join(map(text, PARTS)) + end
    with raw_endpoint(http(body)) as server, asking(**settings(name, server.base_url)) as models:
        chunks = list(models.chat_model(model, DEFAULT_TEMPERATURE).stream("hi"))
    assert "".join(chunk.text for chunk in chunks) == "".join(PARTS)
    assert len(chunks) < len(PARTS) / 2


SILENT = {
    ("anthropic", "ping"): named("ping"),
    ("anthropic", "pings"): named("ping") * 3,
    ("anthropic", "end of a block"): named("content_block_stop", index=0),
    ("anthropic", "a call"): named("content_block_stop", index=0)
    + named("content_block_start", index=1, content_block=TOOL),
    ("anthropic", "arguments"): named("content_block_stop", index=0)
    + named("content_block_start", index=1, content_block=TOOL)
    + named("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"text": "x"}'}),
    ("anthropic", "half an event"): claude("more")[:-9],
    ("anthropic", "an event but for its end"): claude("more")[:-1],
    ("google", "half an event"): gemini("more")[:-9],
    ("google", "an event but for its end"): gemini("more")[:-1],
    ("openai", "a comment"): b": ping\n\n",
    ("openai", "an empty delta"): gpt({}),
    ("openai", "an empty text"): gpt({"content": ""}),
    ("openai", "a call"): gpt({"tool_calls": [CALL]}),
    ("openai", "half an event"): gpt({"content": "more"})[:-9],
}


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "tail"), SILENT)
async def test_a_text_waits_for_nothing_that_may_be_silent(name: str, tail: str) -> None:
    """Whatever stands after the last text that a read gave: all texts are there although nothing follows."""
    model, package, begin, text, _ = PROVIDERS[name]
    pytest.importorskip(package, reason="`make providers` installs it")
    answer = http(begin + b"".join(map(text, PARTS)) + SILENT[name, tail])
    seen = ""
    with anyio.fail_after(PATIENCE):
        async with unfinished(answer) as (url, _):
            with asking(**settings(name, url)) as models:
                async for batch in chain(models, model).events(lambda: 0.0):
                    seen += "".join(event.content for event in batch if isinstance(event, TextDelta))
                    if seen == "".join(PARTS):
                        break


def plain(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))


def block(kind: str, index: int, text: str, **more: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=[{"type": kind, kind: text, "index": index} | more]))


def calling(text: str) -> ChatGenerationChunk:
    call = {"name": "look", "args": text, "id": "a", "index": 0, "type": "tool_call_chunk"}
    return ChatGenerationChunk(message=AIMessageChunk.model_validate({"content": "", "tool_call_chunks": [call]}))


def counted(text: str) -> ChatGenerationChunk:
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return ChatGenerationChunk(message=AIMessageChunk.model_validate({"content": text, "usage_metadata": usage}))


def beside(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs={"reasoning_content": text}))


MAKE = (
    plain,
    lambda text: block("text", 0, text),
    lambda text: block("text", 1, text),
    lambda text: block("thinking", 2, text),
    lambda text: block("thinking", 2, text, signature="s"),
    lambda text: block("text", 1, text, citations=[]),
    calling,
    counted,
    beside,
)


@given(st.lists(st.tuples(st.sampled_from(range(len(MAKE))), st.sampled_from(["", "a", "語", "\n"]), st.booleans())))
def test_chunks_that_are_joined_come_to_the_same(rows: list[tuple[int, str, bool]]) -> None:
    """Whatever they are, in whatever order, and whenever more lies ready; and no order is changed."""
    more = iter([ready for *_, ready in rows])
    given = [MAKE[which](text) for which, text, _ in rows]
    expected = [MAKE[which](text) for which, text, _ in rows]
    found = list(joined((chunk for chunk in given), lambda: next(more)))
    assert len(found) <= len(expected)
    assert all(chunk.text == chunk.message.text for chunk in found)
    if expected:
        assert reduce(add, (chunk.message for chunk in found)) == reduce(add, (chunk.message for chunk in expected))


def test_what_came_before_a_failure_is_given() -> None:
    """And then the failure is."""

    def failing() -> Any:
        yield from (plain("a"), plain("b"))
        raise ConnectionError

    chunks = joined(failing(), lambda: True)
    assert next(chunks).text == "ab"
    with pytest.raises(ConnectionError):
        next(chunks)
