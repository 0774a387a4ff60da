"""The connection beneath a request, of which ASGI does not tell. All that leans on uvicorn's insides is here.

Checked with uvicorn 0.54, whose `receive` is a method of the request's cycle, which has the `transport` and the `flow`
control. Where they are not found, streams are sent through ASGI, and that is logged once;
`test_a_log_that_ends_while_frames_are_pushed_ends_every_stream` fails when uvicorn changes.

A piece of a body that many clients get is written to their sockets directly: `send` goes through every layer of the
application and frames the piece anew, which costs more than the writing. That it would have come out the same is not
assumed, but seen of the response's first piece.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable
from contextlib import suppress
from functools import cache
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)


def send_at_once(receive: Receive) -> None:
    """Let small pieces go without waiting for the client's word on the last one (Nagle's algorithm).

    asyncio sets this itself, but not where the listening socket was made without naming TCP, as Streamlit's is.
    """
    transport = _transport(receive)
    connection = transport.get_extra_info("socket") if transport else None
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):  # the client has gone: the loops close its socket, each in its way
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class GoneWhenClosed:
    """Has a message to a WebSocket's client fail as to one that has gone where uvicorn has closed the connection.

    It does so itself when a client is silent or sends what is no frame, and then takes our message for a mistake.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_leave(message: Message) -> None:
            try:
                await send(message)
            except RuntimeError as error:
                if message["type"] not in ("websocket.send", "websocket.close"):
                    raise
                raise BrokenPipeError(str(error)) from error

        await self._app(scope, receive, send_or_leave)


def abort(receive: Receive, task: asyncio.Task[None] | None) -> None:
    """Close a connection whose client does not read; a polite close would wait for the client. Where the connection
    cannot be found the task that sends is cancelled.
    """
    if transport := _transport(receive):
        transport.abort()
    elif task:
        task.cancel()


def chunk(body: bytes) -> bytes:
    """Frame a piece of a body as HTTP/1.1 does: https://www.rfc-editor.org/rfc/rfc9112#name-chunked-transfer-coding"""
    return b"%x\r\n%s\r\n" % (len(body), body)


class ClientSocket:
    """Takes pieces of a response's body, each as a `chunk`, while nobody sends."""

    def __init__(self, transport: asyncio.Transport, flow: Any) -> None:
        self.write = transport.write
        self._transport = transport
        self._flow = flow

    @property
    def free(self) -> bool:
        """Whether the client has read enough for another piece, and is still there."""
        return not (self._flow.write_paused or self._transport.is_closing())


async def send_first(receive: Receive, sending: Awaitable[None], chunk: bytes) -> ClientSocket | None:
    """Wait for `sending`, which sends the first piece of a body, and watch what reaches the transport.

    Return the client's socket, if the piece reached it as this chunk and nothing else: no layer of the application
    changes bodies, and the protocol is HTTP/1.1.
    """
    cycle: Any = getattr(receive, "__self__", None)
    transport = _transport(receive)
    if not transport or not hasattr(getattr(cycle, "flow", None), "write_paused"):
        _log_fallback("the server's connection is not found")
        await sending
        return None
    tap = cycle.transport = _Tap(transport)
    try:
        await sending
    finally:
        cycle.transport = transport
    if tap.written != chunk:
        _log_fallback("a body does not reach the connection as it was sent")
        return None
    return ClientSocket(transport, cycle.flow)


class _Tap:
    """A transport that keeps what is written."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.written = b""
        self._transport = transport

    def write(self, data: bytes) -> None:
        self.written += data
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@cache  # once for each reason, and not for each client
def _log_fallback(reason: str) -> None:
    logger.info("Streams are sent through ASGI, which costs more for many clients: %s.", reason)


def _transport(receive: Receive) -> asyncio.Transport | None:
    transport: asyncio.Transport | None = getattr(getattr(receive, "__self__", None), "transport", None)
    return transport if callable(getattr(transport, "abort", None)) else None
