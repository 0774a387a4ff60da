"""Requests: what one says of its caller, as plain values, and how much of it is read."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from streamlab.gateway import limits
from streamlab.gateway.access import Caller, forwards
from streamlab.gateway.errors import Refusal
from streamlab.gateway.gateway import Gateway

_FILE = re.compile(rb"[A-Za-z0-9+/=\\]{4096,}")  # in base64, in which some encoders write slashes after backslashes


def caller_of(connection: HTTPConnection) -> Caller:
    """Say who asks, in plain values."""
    headers = connection.headers
    return Caller(
        client=connection.client.host if connection.client else None,
        host=headers.get("host"),
        origin=headers.get("origin"),
        # By default nginx asks in HTTP/1.0 and says nothing of itself.
        forwarded=forwards(headers) or connection.scope.get("http_version") == "1.0",
        authorization=_typed(headers.get("authorization")),
        token=connection.query_params.get("token"),
        code=_typed(headers.get("x-access-code")),
    )


def _typed(header: str | None) -> str | None:
    """Read what somebody typed: bytes of a header are Latin-1 to ASGI, and UTF-8 to those who send more than ASCII."""
    try:
        return header and header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def gateway_of(connection: HTTPConnection) -> Gateway:
    """Find the gateway that serves the application that was asked. Raises Refusal while there is none."""
    gateway: Gateway | None = getattr(connection.app.state, "gateway", None)
    if gateway is None:
        raise Refusal(503, "not_ready", "The server is starting or has ended.", "Ask again in a moment.", retry_after=1)
    return gateway


class LimitedRequest(Request):
    """A request whose body is read up to `limits.WITH_FILES` bytes, whatever it says of its length.

    What is not a file in base64 may have `limits.BODY` of them: what reads it takes the longer, the more parts it has.
    """

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            if (told := self.headers.get("content-length", "")).isdecimal() and int(told) > limits.WITH_FILES:
                raise HTTPException(413)
            try:
                body = await self._read()
            except TimeoutError:
                raise HTTPException(408) from None
            if len(body) > limits.BODY < _beside_files(body):
                raise HTTPException(413)
            self._body = body
        return self._body

    async def _read(self) -> bytes:
        """Read the body. Raises HTTPException, and TimeoutError where it is given up for the sake of others."""
        body, now = bytearray(), asyncio.get_running_loop().time
        async with asyncio.timeout(None) as patience:
            with gateway_of(self).bodies.reading(lambda: patience.reschedule(now())) as grow:
                async for piece in self.stream():
                    body += piece
                    if len(body) > limits.WITH_FILES:
                        raise HTTPException(413)
                    grow(len(piece))
        return bytes(body)


def _beside_files(body: bytes) -> int:
    """Count the bytes that are in no file."""
    return len(body) - sum(len(found[0]) for found in _FILE.finditer(body))


class LimitedRoute(APIRoute):
    """https://fastapi.tiangolo.com/how-to/custom-request-and-route/"""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle_limited(request: Request) -> Response:
            if takes_body:  # which FastAPI reads before it asks who is there
                gateway_of(request).access.identify(caller_of(request))
            return await handle(LimitedRequest(request.scope, request.receive))

        return handle_limited
