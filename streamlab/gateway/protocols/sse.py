"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html

`EventStream` sends what any writer of a `Body` wrote, so that it serves every protocol that is made of these events.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import NamedTuple

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from streamlab.gateway.control import Close, Drain, Open
from streamlab.gateway.delivery import Delivery, alongside
from streamlab.gateway.feed import Entry, Frame, control_entry
from streamlab.gateway.protocols.uvicorn_socket import ClientSocket, abort, chunk, send_at_once, send_first
from streamlab.gateway.writer import Packet, Writer, write_stream

RETRY = 1000  # milliseconds after which a browser comes back
MEDIA_TYPE = "text/event-stream; charset=utf-8"
HEADERS = {
    "content-type": MEDIA_TYPE,
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold back what is to arrive at once
}


class Body(NamedTuple):
    """A piece of a response's body, as ASGI takes it and as HTTP/1.1 frames it. Never empty: that ends a body."""

    message: Message
    chunk: bytes


def packet(body: bytes, events: int = 0) -> Packet[Body]:
    """Make a packet of a piece of the body."""
    return Packet(Body(_message(body), chunk(body)), len(body), events)


def encode_event(entry: Entry) -> bytes:
    """Encode an event with the three fields that we use. The data is one line of JSON, so nothing in it can end it.

    The id comes last: a reader that notes it as soon as it comes has the data, too.
    """
    id = f"id: {entry.token}\n" if entry.token else ""
    return b"event: %s\ndata: %s\n%s\n" % (entry.name.encode(), entry.data, id.encode())


class EventWriter(Writer[Body]):
    """Writes every event as it is."""

    name = "sse"

    def opening(self, event: Open) -> Sequence[Packet[Body]]:
        return [packet(b"retry: %d\n" % RETRY + encode_event(control_entry(event)))]

    def frame(self, frame: Frame) -> Sequence[Packet[Body]]:
        return frame.form(_packets)

    def sign_of_life(self) -> Sequence[Packet[Body]]:
        return STILL_HERE

    def closing(self, event: Drain | Close | None) -> Sequence[Packet[Body]]:
        return [packet(encode_event(control_entry(event)))] if event else []


def _packets(frame: Frame) -> list[Packet[Body]]:
    return [packet(b"".join(map(encode_event, frame.entries())), frame.events)]


class EventStream(Response):
    """Sends one delivery. A raw ASGI response: it watches for the disconnect itself, and passes shared bytes on."""

    def __init__(
        self, delivery: Delivery, writer: Writer[Body], opening: Open, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(headers=HEADERS | (headers or {}))
        del self.headers["content-length"]
        self._delivery = delivery
        self._writer = writer
        self._opening = opening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the frames from a task of their own, few calls deep.

        For each frame a task resumes every call that waits in it; beneath an application's middleware these are twenty.
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
        async def send_opening(body: Body) -> None:
            if client := await send_first(receive, send(body.message), body.chunk):
                delivery.push = partial(_push, client, self._writer)

        def send_body(body: Body) -> Awaitable[None]:
            return send(body.message) if delivery.sent else send_opening(body)

        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await delivery.send(send(start), 0)
        if await write_stream(delivery, self._writer, self._opening, send_body):
            await delivery.send(send(_message(b"", more=False)), 0)


def _push(client: ClientSocket, writer: Writer[Body], frame: Frame) -> int | None:
    """Write a frame to the client's socket; return its size, or None where the client is not ready for it."""
    if not client.free:
        return None
    size = 0
    for each in writer.frame(frame):
        client.write(each.data.chunk)
        size += each.size
    return size


def _message(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def watch(receive: Receive, delivery: Delivery) -> None:
    """Wait for the client to leave. A response that does not would go on for a reader that is not there."""
    while (await receive())["type"] != "http.disconnect":
        pass
    delivery.end("client")


# A comment, which readers skip. Without a blank line: to some of them that would end an event, which has no data.
STILL_HERE = [packet(b": still here\n")]
