"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
from functools import partial
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from streamlab.gateway.delivery import Delivery, alongside, farewell
from streamlab.gateway.feed import Entry, Frame, control
from streamlab.gateway.protocols.uvicorn_socket import Wire, abort, chunk, send_at_once, send_first

RETRY = 1000  # milliseconds after which a browser comes back
MEDIA_TYPE = "text/event-stream; charset=utf-8"
HEADERS = {
    "content-type": MEDIA_TYPE,
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold back what is to arrive at once
}


def encode_event(entry: Entry) -> bytes:
    """An event with the three fields that we use. The data is one line of JSON, so nothing in it can end it."""
    id = f"id: {entry.token}\n" if entry.token else ""
    return b"%sevent: %s\ndata: %s\n\n" % (id.encode(), entry.name.encode(), entry.data)


def _message(entries: list[Entry]) -> Message:
    """A frame as ASGI sends it; all clients share it. One without entries is a comment, which readers skip."""
    return _body(b"".join(map(encode_event, entries)) or b": still here\n\n")


class _Chunk(NamedTuple):
    """A frame as it goes over the wire; all clients share it. `size` is that of its events, in bytes."""

    size: int
    framed: bytes


def _chunk(entries: list[Entry]) -> _Chunk:
    body = _message(entries)["body"]
    return _Chunk(len(body), chunk(body))


def _push(wire: Wire, frame: Frame) -> int | None:
    if not wire.free:
        return None
    size, framed = frame.form(_chunk)
    wire.write(framed)
    return size


class EventStream(Response):
    """Sends one delivery. A raw ASGI response: it watches for the disconnect itself, and passes shared bytes on."""

    def __init__(self, delivery: Delivery, opening: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(headers=HEADERS | (headers or {}))
        del self.headers["content-length"]
        self._delivery = delivery
        self._opening = b"retry: %d\n\n" % RETRY + encode_event(Entry(None, "open", control(opening)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """In a task of its own the frames are sent from few calls deep: for each one, a task resumes every call that
        waits in it, and beneath an application's middleware these are twenty.
        """
        send_at_once(receive)
        with self._delivery as delivery, alongside(asyncio.create_task(watch(receive, delivery))):
            sending = asyncio.create_task(self._send(receive, send, delivery))
            delivery.abort = partial(abort, receive, sending)
            try:
                await sending
            except OSError:  # what some servers raise when the client has gone
                delivery.end("client")

    async def _send(self, receive: Receive, send: Send, delivery: Delivery) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await delivery.send(send(start), 0)
        opening = delivery.send(send(_body(self._opening)), len(self._opening))
        if wire := await send_first(receive, opening, self._opening):
            delivery.push = partial(_push, wire)
        while (frame := await delivery.next()) is not None:
            message = frame.form(_message)
            await delivery.send(send(message), len(message["body"]), frame.events)
        if delivery.reason not in ("client", "slow"):
            last = farewell(delivery.reason)
            body = encode_event(Entry(None, last[0], control(last[1]))) if last else b""
            await delivery.send(send(_body(body, more=False)), len(body))


def _body(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def watch(receive: Receive, delivery: Delivery) -> None:
    """Wait for the client to leave. A response that does not would go on for a reader that is not there."""
    while (await receive())["type"] != "http.disconnect":
        pass
    delivery.end("client")
