"""One answer on its way to the client: in time, and whole or broken as the request asks."""

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from random import Random
from typing import Any

import anyio
from starlette.types import Send

from streamlab.demo_model.answers import Answer, compose
from streamlab.demo_model.chunks import cut, due_times
from streamlab.demo_model.log import Record
from streamlab.demo_model.options import DemoFault, Options
from streamlab.demo_model.request import ChatRequest, Message
from streamlab.demo_model.tool_use.calls import Call, CallPiece, cut_calls
from streamlab.demo_model.wire import ChunkWriter
from streamlab.text.tokens import estimate_tokens

FAULTY_ENDS: dict[DemoFault | None, str] = {"filter": "content_filter", "empty": "stop"}


class Reply:
    """Writes an answer to an ASGI `send`, each chunk when it is due, and notes in the record when it did."""

    def __init__(
        self,
        request: ChatRequest,
        options: Options,
        fault: DemoFault | None,
        record: Record,
        send: Send,
        known: float = 0.0,
    ) -> None:
        """Compose the answer; `known` is the share of the prompt that was read before."""
        answer = compose(request, options)
        self._reasoning = cut(answer.reasoning, None)
        self._chunks = _shorten(answer, options, fault)
        self._text = "".join(chunk for chunk in self._chunks if isinstance(chunk, str))
        self._calls = () if fault in ("filter", "empty") else answer.calls
        self._finish = FAULTY_ENDS.get(fault, answer.finish)
        self._usage = _usage(request, answer.reasoning, self._text, self._calls, known)
        self._wire = ChunkWriter(record.id, request.model, options, wants_usage=request.wants_usage)
        new = self._usage["prompt_tokens"] - self._usage["prompt_tokens_details"]["cached_tokens"]
        random = Random(request.seed if options.seed is None else options.seed)
        self._due = due_times(options, random, new / options.prefill)
        self._fault = fault
        self._record = record
        self._record.calls = [call.tool for call in self._calls]
        self._send = send

    async def send(self) -> None:
        """Send the answer. If it is to be cut, leave the response unfinished: the server then closes the connection."""
        if self._fault == "silent":
            await anyio.sleep_forever()
        await (self._stream() if self._record.stream else self._whole())

    async def _stream(self) -> None:
        await self._start(b"text/event-stream; charset=utf-8")
        await self._wait(next(self._due))
        for event in self._wire.opening():
            await self._write(event)
        for text in self._reasoning:
            await self._write(self._wire.reasoning(text))
            await self._wait(next(self._due))
        for chunk in self._chunks:
            await self._write(self._wire.content(chunk) if isinstance(chunk, str) else self._wire.call(chunk))
            self._record.written.append(time.monotonic())
            await self._wait(next(self._due))
        await self._end_stream()

    async def _end_stream(self) -> None:
        match self._fault:
            case "stall":
                await anyio.sleep_forever()
            case "cut":
                self._end()
                return
            case "garbage":
                await self._write(self._wire.garbage())
            case _:
                for event in self._wire.closing(self._finish, self._usage):
                    await self._write(event)
        await self._body(b"", more=False)
        self._end()

    async def _whole(self) -> None:
        # As late as the last chunk of a stream, so that streamed and invoked latency can be compared.
        pieces = len(self._reasoning) + len(self._chunks)
        await self._wait(next(islice(self._due, pieces, None)))
        if self._fault == "stall":
            await anyio.sleep_forever()
        body = self._wire.completion(self._text, self._calls, "".join(self._reasoning), self._finish, self._usage)
        await self._start(b"application/json", len(body) // 2 if self._fault == "garbage" else len(body))
        await self._body(body[: len(body) // 2] if self._fault in ("cut", "garbage") else body, self._fault == "cut")
        self._record.written.append(time.monotonic())
        self._end()

    async def _start(self, content_type: bytes, length: int | None = None) -> None:
        headers = [(b"content-type", content_type), (b"cache-control", b"no-cache")]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _write(self, event: bytes) -> None:
        first, *rest = self._wire.split(event)
        await self._body(first)
        for piece in rest:
            await asyncio.sleep(0.001)  # else the pieces reach the client as one
            await self._body(piece)

    async def _body(self, data: bytes, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def _wait(self, due: float) -> None:
        """Wait until so many seconds after the request. Give way to other requests even when it is late."""
        await asyncio.sleep(max(0.0, self._record.received + due - time.monotonic()))

    def _end(self) -> None:
        self._record.end(f"fault:{self._fault}" if self._fault else "completed")


def _shorten(answer: Answer, options: Options, fault: DemoFault | None) -> list[str | CallPiece]:
    """Cut an answer into the chunks that are sent before the fault."""
    if fault == "empty":
        return []
    text = cut(answer.text, options.size or (5 if options.chunks else None))
    chunks: list[str | CallPiece] = [*text, *cut_calls(answer.calls, options.size, interleave=options.interleave)]
    return chunks[: options.after] if fault else chunks


def _usage(request: ChatRequest, reasoning: str, text: str, calls: Sequence[Call], known: float) -> dict[str, Any]:
    prompt = prompt_tokens(request)
    thought = estimate_tokens(reasoning)
    completion = thought + estimate_tokens(text) + sum(estimate_tokens(call.tool + call.arguments) for call in calls)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": round(prompt * known)},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def prompt_tokens(request: ChatRequest) -> int:
    return sum(map(_message_tokens, request.messages))


def _message_tokens(message: Message) -> int:
    functions = [call.function for call in message.tool_calls or []]
    return estimate_tokens(message.text) + sum(estimate_tokens(called.name + called.arguments) for called in functions)
