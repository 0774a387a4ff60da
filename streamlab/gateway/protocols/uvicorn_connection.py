"""Connections that do not wait for requests that do not come: a head has 10 s, a body 30 s.

uvicorn bounds the time between two requests and none within one, so whoever sends half of one holds its connection, and
what was read of it, for ever. Checked with uvicorn 0.54 and its protocol over h11, of which this is one; where a server
has another, that is logged, and it waits as it did. `test_half_a_request_is_closed` fails when uvicorn changes.
"""

import asyncio
import logging
from typing import Any, Literal

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)

HEAD = 10.0  # seconds for the request's line and its headers, from the connection or the first byte on
BODY = 30.0  # seconds for a body; another so many while each brought as much as a large upload over a slow line
LARGE = 4 * 1024 * 1024  # bytes
HEAD_BYTES = 32 * 1024  # of a head that is not complete; h11 would keep twice as many
# Seconds in which the rest of a body may come that was answered early, and then in which its client may notice.
LINGER = 2.0
NO_WEBSOCKET = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

Waiting = Literal["head", "body"]


class TimedConnection(H11Protocol):
    """Closes a connection whose request comes too slowly, and one that was answered before its body had come."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.conn = h11.Connection(h11.SERVER, HEAD_BYTES)
        self._timer: asyncio.TimerHandle | None = None
        self._timed: tuple[Waiting | None, object] = None, None  # what for, and in which request
        self._bytes = 0  # since the timer was set
        self._leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._leaving:
            return
        self._bytes += len(data)
        super().data_received(data)
        self._time()

    def _should_upgrade(self) -> bool:
        """Take for a WebSocket what begins with a GET without a body; any other request is answered as it is.

        https://www.rfc-editor.org/rfc/rfc6455#section-4.1, and a server may ignore an upgrade.
        """
        bodies = any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
        return self.scope["method"] == "GET" and not bodies and super()._should_upgrade()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop()
        self._leaving = True  # what comes now is the WebSocket's, whose protocol has pings
        super().handle_websocket_upgrade(event)
        if not getattr(self.transport.get_protocol(), "handshake_initiated", True):
            self.transport.write(NO_WEBSOCKET)  # the head is one that websockets does not take, and says nothing of
            self.transport.close()

    def on_response_complete(self) -> None:
        """Go on with the connection, as the client may, if the rest of the body comes soon; it is thrown away."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            self._stop()
            self._timed = "body", self.cycle
            self._timer = self.loop.call_later(LINGER, self._leave)
        else:
            self._time()

    def _time(self) -> None:
        """Set the timer for what is waited for now, unless it was set for that already."""
        if self._leaving or self.transport.is_closing():
            return
        waiting = self._waiting
        if (waiting, self.cycle) != self._timed:
            self._stop()
            self._timed = waiting, self.cycle
            if waiting:
                self._set(waiting)

    @property
    def _waiting(self) -> Waiting | None:
        """What is to come of a request. Between two of them uvicorn's own timer runs, until something comes."""
        if self.conn.their_state is h11.SEND_BODY:
            return "body"
        begun = self.cycle is None or bool(self.conn.trailing_data[0])
        return "head" if begun and self.conn.their_state is h11.IDLE else None

    def _set(self, waiting: Waiting) -> None:
        self._bytes = 0
        self._timer = self.loop.call_later(BODY if waiting == "body" else HEAD, self._too_late, waiting)

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _too_late(self, waiting: Waiting) -> None:
        if waiting == "body" and self._bytes >= LARGE:
            self._set(waiting)
            return
        answered = waiting == "body" and self.cycle.response_started
        if (not answered and self.conn.trailing_data[0]) or (waiting == "body" and not answered):
            self.transport.write(TOO_LATE)
        self.transport.close()

    def _leave(self) -> None:
        """Say that nothing more is answered here, and close when the client has had time to read what was.

        To close at once would reset a connection on which something still arrives, and the answer might be lost.
        """
        self._leaving = True
        self._stop()
        self._unset_keepalive_if_required()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER, self.transport.abort)


class TimedConnections:
    """Has the server that runs this application make such connections."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            time_connections(receive)
        await self._app(scope, receive, send)


def time_connections(receive: Receive) -> None:
    """Change what the server makes of connections, of which the lifespan's `receive` knows the configuration.

    The lifespan begins before the server listens, and streamlit takes no option for it.
    """
    config: Any = getattr(getattr(receive, "__self__", None), "config", None)
    made = getattr(config, "http_protocol_class", None)
    if made is H11Protocol:
        config.http_protocol_class = TimedConnection
    elif made is not TimedConnection:
        logger.warning("Half requests are waited for: the server's connections are not those of uvicorn over h11.")
