"""The endpoint: routes, requests and refusals of OpenAI's chat-completions protocol."""

import logging
import time
from uuid import uuid4

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from streamlab.demo_model.errors import ApiError
from streamlab.demo_model.log import KEPT, FaultCounter, Record, RequestLog
from streamlab.demo_model.options import DemoFault, Options, read_options
from streamlab.demo_model.prefix_cache import PrefixCache
from streamlab.demo_model.reply import Reply
from streamlab.demo_model.request import ChatRequest, read_request

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
        self._read = PrefixCache()

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
        known = self._read.known(request.model, "\0".join(message.text for message in request.messages))
        reply = Reply(request, options, fault, record, send, known)
        async with anyio.create_task_group() as group:
            group.start_soon(_watch, receive, record, group.cancel_scope)
            await reply.send()
            group.cancel_scope.cancel()


ERRORS: dict[DemoFault | None, tuple[int, str, str | None, str]] = {
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


def _error(fault: DemoFault | None, options: Options) -> ApiError:
    status, message, code, kind = ERRORS[fault]
    headers = {"Retry-After": f"{options.retry_after:g}"} if fault == "rate_limit" else None
    return ApiError(status, message, code=code, kind=kind, headers=headers)


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
