"""The endpoint: OpenAI's chat-completions protocol, kept or broken as the request asks."""

import asyncio
import logging
import time
from itertools import islice
from random import Random
from typing import Any
from uuid import uuid4

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from streamlab.demo_model.answers import Answer, compose
from streamlab.demo_model.chunks import cut, due_times
from streamlab.demo_model.errors import ApiError
from streamlab.demo_model.log import KEPT, FaultCounter, Record, RequestLog
from streamlab.demo_model.options import Fault, Options, read_options
from streamlab.demo_model.request import ChatRequest, read_request
from streamlab.demo_model.wire import Wire
from streamlab.tokens import estimate_tokens

MAX_BODY = 32 * 1024 * 1024

logger = logging.getLogger(__name__)


def create_app() -> Starlette:
    log = RequestLog()

    async def requests(request: Request) -> Response:
        last = request.query_params.get("last", str(KEPT))
        if not last.isdecimal():
            raise ApiError(400, "`last` is a number of requests.")
        return JSONResponse(log.as_json(int(last)))

    return Starlette(
        routes=[
            Route("/v1/models", _models),
            Route("/v1/chat/completions", ChatCompletions(log), methods=["POST"]),
            Route("/requests", requests),
        ],
        exception_handlers={ApiError: _refused, HTTPException: _no_route, Exception: _failed},
    )


class ChatCompletions:
    """An ASGI application of its own, because Starlette's streaming response cannot fail in the ways asked for."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._faults = FaultCounter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = time.monotonic()
        try:
            request = read_request(await _read_body(Request(scope, receive)))
        except ClientDisconnect:
            return
        options = read_options(request.model, request.demo)
        fault = options.fault if self._faults.strikes(options.id or request.model, options.times) else None
        record = _record(request, received)
        self._log.add(record)
        if fault in ERRORS:
            record.end(f"fault:{fault}")
            raise _error(fault, options)
        reply = Reply(request, options, fault, record, send)
        async with anyio.create_task_group() as group:
            group.start_soon(_watch, receive, record, group.cancel_scope)
            await reply.send()
            group.cancel_scope.cancel()


class Reply:
    """One answer on its way to the client."""

    def __init__(self, request: ChatRequest, options: Options, fault: Fault | None, record: Record, send: Send) -> None:
        answer = compose(request, options)
        self._reasoning = cut(answer.reasoning, None)
        self._chunks = _shorten(answer, options, fault)
        self._finish = "content_filter" if fault == "filter" else answer.finish
        self._usage = _usage(request, answer.reasoning, "".join(self._chunks))
        self._wire = Wire(record.id, request.model, options, wants_usage=request.wants_usage)
        self._due = due_times(options, Random(request.seed if options.seed is None else options.seed))
        self._fault = fault
        self._record = record
        self._send = send

    async def send(self) -> None:
        """Returns with the response unfinished when it is to be cut: the server then closes the connection."""
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
        for text in self._chunks:
            await self._write(self._wire.content(text))
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
        text, reasoning = "".join(self._chunks), "".join(self._reasoning)
        body = self._wire.completion(text, reasoning, self._finish, self._usage)
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
        """Until so many seconds after the request. Gives way to other requests even when it is late."""
        await asyncio.sleep(max(0.0, self._record.received + due - time.monotonic()))

    def _end(self) -> None:
        self._record.end(f"fault:{self._fault}" if self._fault else "completed")


ERRORS: dict[Fault | None, tuple[int, str, str | None, str]] = {
    "key": (401, "Incorrect API key provided.", "invalid_api_key", "invalid_request_error"),
    "rate_limit": (429, "Rate limit reached for requests.", "rate_limit_exceeded", "requests"),
    "error": (500, "The server had an error while processing your request.", None, "server_error"),
    "context": (
        400,
        "This model's maximum context length is 8192 tokens, your messages are longer. Please shorten them.",
        "context_length_exceeded",
        "invalid_request_error",
    ),
}


def _error(fault: Fault | None, options: Options) -> ApiError:
    status, message, code, kind = ERRORS[fault]
    headers = {"Retry-After": f"{options.retry_after:g}"} if fault == "rate_limit" else None
    return ApiError(status, message, code=code, kind=kind, headers=headers)


def _shorten(answer: Answer, options: Options, fault: Fault | None) -> list[str]:
    """The chunks that are sent before the fault."""
    if fault == "empty":
        return []
    chunks = cut(answer.text, options.size or (5 if options.chunks else None))
    return chunks[: options.after] if fault else chunks


def _usage(request: ChatRequest, reasoning: str, text: str) -> dict[str, Any]:
    prompt = sum(estimate_tokens(message.text) for message in request.messages)
    thought = estimate_tokens(reasoning)
    completion = thought + estimate_tokens(text)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def _record(request: ChatRequest, received: float) -> Record:
    user = next(reversed(request.texts("user")), "")[:1_000]
    id = f"chatcmpl-{uuid4().hex}"
    return Record(id, request.model, bool(request.stream), received, len(request.messages), user)


async def _watch(receive: Receive, record: Record, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    record.end("disconnected")
    scope.cancel()


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise ApiError(413, f"The request is larger than {MAX_BODY:,} bytes.")
    return bytes(body)


async def _models(request: Request) -> Response:
    model = {"id": "demo", "object": "model", "created": 0, "owned_by": "streaming-lab"}
    return JSONResponse({"object": "list", "data": [model]})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return ApiError(error.status_code, error.detail).response()


async def _failed(request: Request, error: Exception) -> Response:
    logger.error("The demo model failed", exc_info=error)
    return ApiError(500, "The demo model failed, see its standard error.", kind="server_error").response()
