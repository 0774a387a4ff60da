"""Answers in the protocols of Anthropic, Google and OpenAI, as their documentation shows them, of any length and pace.

A model's name ends in how many chunks it writes, and how many a second: `claude-2000x100`. A chunk is a text of five
characters. So the model is a process of its own, and costs nothing of what is measured.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

WORD = "word "


class Spoken(NamedTuple):
    """The bytes of a stream: its beginning, each chunk, its end."""

    begin: bytes
    chunk: bytes
    end: bytes


def _named(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name} | data)}\n\n".encode()


def _data(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def _claude(chunks: int) -> Spoken:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    begun = message | {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}
    return Spoken(
        _named("message_start", message=begun)
        + _named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _named("content_block_delta", index=0, delta={"type": "text_delta", "text": WORD}),
        _named("content_block_stop", index=0)
        + _named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": chunks})
        + _named("message_stop"),
    )


def _gemini(chunks: int) -> Spoken:
    def answer(text: str, **more: Any) -> dict[str, Any]:
        return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}} | more]}

    counted = {"promptTokenCount": 9, "candidatesTokenCount": chunks, "totalTokenCount": 9 + chunks}
    last = answer("", finishReason="STOP") | {"usageMetadata": counted}
    return Spoken(b"", _data(answer(WORD)), _data(last))


def _openai(chunks: int) -> Spoken:
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt"}

    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        return _data(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    counted = {"prompt_tokens": 9, "completion_tokens": chunks, "total_tokens": 9 + chunks}
    end = chunk({}, "stop") + _data(head | {"choices": [], "usage": counted}) + b"data: [DONE]\n\n"
    return Spoken(chunk({"role": "assistant", "content": ""}), chunk({"content": WORD}), end)


async def _written(spoken: Spoken, chunks: int, rate: int) -> AsyncIterator[bytes]:
    """Write at a pace that holds on average, whatever a pause takes; above what a loop can do, as fast as it can."""
    clock = asyncio.get_running_loop().time
    yield spoken.begin
    began = clock()
    for number in range(chunks):
        if (wait := began + number / rate - clock()) > 0:
            await asyncio.sleep(wait)
        yield spoken.chunk
    yield spoken.end


async def _answer(request: Request) -> Response:
    name = request.path_params.get("model") or (await request.json())["model"]
    found = re.search(r"-(\d+)x(\d+)", name)
    assert found
    chunks, rate = map(int, found.groups())
    make = next(make for path, make in _PROTOCOLS.items() if path in request.url.path)
    return StreamingResponse(_written(make(chunks), chunks, rate), media_type="text/event-stream")


async def _listed(request: Request) -> Response:
    """Show that OpenAI's protocol is spoken at this address, which is looked at before it is used."""
    return JSONResponse({"object": "list", "data": [{"id": "gpt", "object": "model", "created": 1, "owned_by": "x"}]})


_PROTOCOLS = {"/messages": _claude, "/models/": _gemini, "/chat/completions": _openai}


def application() -> Starlette:
    paths = ("/v1/messages", "/{version}/models/{model}", "/v1/chat/completions")
    return Starlette(routes=[Route(path, _answer, methods=["POST"]) for path in paths] + [Route("/v1/models", _listed)])
