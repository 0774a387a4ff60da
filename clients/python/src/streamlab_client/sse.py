"""Streams of server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html

httpx's reader of them holds an end of line that is a CR back until the next byte comes, takes the end of the stream
for one, does not skip a byte order mark, and believes a charset that is not UTF-8. So it is given a stream with LF for
every end of line, without the mark, as UTF-8.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

import httpx2

from streamlab_client.errors import no_stream
from streamlab_client.http import AsyncHttp, Http, bearer, refusal, run_path, told
from streamlab_client.patience import LARGEST
from streamlab_client.reader import ENDED, Ask, Call, Message, message_of, opened

MEDIA_TYPE = "text/event-stream"
PLAIN = {"content-type": f"{MEDIA_TYPE}; charset=utf-8"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class PlainLines:
    """Fed with the bytes of a stream in any pieces, gives them with LF for every CRLF and CR, and without the mark."""

    def __init__(self) -> None:
        self._head: bytes | None = b""  # what may become the mark; None once that is known
        self._after_cr = False

    def feed(self, piece: bytes) -> bytes:
        if self._head is not None:
            piece = self._head + piece
            if len(piece) < len(BYTE_ORDER_MARK) and BYTE_ORDER_MARK.startswith(piece):
                self._head = piece
                return b""
            self._head, piece = None, piece.removeprefix(BYTE_ORDER_MARK)
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return piece


class _Plain(httpx2.SyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        lines = PlainLines()
        for piece in self._response.iter_bytes():
            yield lines.feed(piece)


class _AsyncPlain(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        lines = PlainLines()
        async for piece in self._response.aiter_bytes():
            yield lines.feed(piece)


class Sse(Http):
    """Runs of one server as streams of events."""

    def messages(self, call: Call, token: str | None) -> Generator[Message]:
        """What the server sends, until it ends or breaks. Closing it closes the connection."""
        with told(), self.client.stream(**_request(call, token)) as response:
            if not response.is_success:
                response.read()
                raise refusal(response)
            yield from _first(response)
            if response.status_code == 204:
                return
            plain = httpx2.Response(200, headers=PLAIN, stream=_Plain(response), request=response.request)
            for event in httpx2.EventSource(plain, max_event_size=LARGEST):
                if event.data:
                    yield message_of(event.event, event.id, event.data)


class AsyncSse(AsyncHttp):
    """The same on an event loop."""

    async def messages(self, call: Call, token: str | None) -> AsyncGenerator[Message]:
        with told():
            async with self.client.stream(**_request(call, token)) as response:
                if not response.is_success:
                    await response.aread()
                    raise refusal(response)
                for message in _first(response):
                    yield message
                if response.status_code == 204:
                    return
                plain = httpx2.Response(200, headers=PLAIN, stream=_AsyncPlain(response), request=response.request)
                async for event in httpx2.EventSource(plain, max_event_size=LARGEST):
                    if event.data:
                        yield message_of(event.event, event.id, event.data)


def _request(call: Call, token: str | None) -> dict[str, Any]:
    headers = {"accept": MEDIA_TYPE, "cache-control": "no-store"} | bearer(token)
    if isinstance(call, Ask):
        headers["idempotency-key"] = call.key
        return {"method": "POST", "url": "chat", "json": call.question, "headers": headers}
    if call.after is not None:
        headers["last-event-id"] = call.after
    return {"method": "GET", "url": run_path(call.run_id, "/events"), "headers": headers}


def _first(response: httpx2.Response) -> Iterator[Message]:
    """What the head of the answer says. Raises ProtocolError when no stream of events will follow."""
    if response.status_code == 204:
        yield ENDED
        return
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != MEDIA_TYPE:
        raise no_stream(kind)
    if run_id := response.headers.get("x-run-id"):
        yield opened(run_id)
