"""What went over the wire during a call: asked for, answered as, and how it came in."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from math import inf
from typing import Any

import httpx2

from streamlab.latency.clock import now
from streamlab.models.answer_body import AnswerBody, Judge, Judgement

HEAD = 4_096  # bytes of the body in which the answer's id stands
READY = 0.0001  # seconds: bytes that come sooner had been lying there

_DONE = b"[DONE]"
_ID = re.compile(rb'"id"\s*:\s*"([\w-]{1,100})"')


class Wire:
    """Hooks for an HTTP client that makes one call at a time. Nothing is parsed before the call is over."""

    def __init__(self, judge: Judge = lambda response, body: Judgement()) -> None:
        self.body = AnswerBody(judge)
        self.restart(inf)

    def restart(self, seconds: float) -> None:
        """Begin the next call, whose body raises TimeoutError when it takes longer than so many `seconds`."""
        self._deadline = now() + seconds
        self._request: httpx2.Request | None = None
        self._kind = ""
        self._head = b""
        self.body.restart()
        self.waits = 0
        """How often bytes of the body had to be waited for."""

    @property
    def streamed(self) -> bool:
        """The server answered with an event stream; or a stream was asked for, and what came back is not JSON."""
        if "event-stream" in self._kind or not self._kind or "json" in self._kind:
            return "event-stream" in self._kind
        return bool(self._request and json.loads(self._request.content).get("stream"))

    @property
    def answer_id(self) -> str | None:
        """The `id` in the first event or the body: ChatOpenAI drops it from the chunks of a stream."""
        found = _ID.search(self._head)
        return found[1].decode() if found else None

    def request(self, request: httpx2.Request) -> None:
        self._request = request

    def response(self, response: httpx2.Response) -> None:
        self._kind = response.headers.get("content-type", "").lower()
        self.body.begin(response)
        response.stream = _Watched(response.stream, self)

    async def arequest(self, request: httpx2.Request) -> None:
        self.request(request)

    async def aresponse(self, response: httpx2.Response) -> None:
        self.response(response)

    def abandon(self) -> None:
        """Let the body raise at its next part: LangChain reads a stream to its end before it closes it."""
        self._deadline = -inf

    def arrived(self, part: bytes, asked_at: float) -> None:
        """Record a part of the body, which was asked for at this time."""
        at = now()
        if at > self._deadline:
            raise TimeoutError
        if at - asked_at > READY:
            self.waits += 1
        self.body.add(part)
        if len(self._head) < HEAD:
            self._head += part[:HEAD]


class _Watched(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body on its way to its reader, untouched.

    When the reader is done it is read to its end: OpenAI's client does that itself where it is asynchronous, but its
    synchronous stream leaves the last bytes of HTTP/1.1 unread. The connection could not be used again, and every
    call after a `stream` would be measured with a new one.
    """

    def __init__(self, stream: Any, wire: Wire) -> None:
        self._stream = stream
        self._wire = wire
        self._last = b""

    def __iter__(self) -> Iterator[bytes]:
        self._parts = iter(self._stream)
        asked_at = now()
        for part in self._parts:
            self._wire.arrived(part, asked_at)
            self._last = part
            yield part
            asked_at = now()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        asked_at = now()
        async for part in self._stream:
            self._wire.arrived(part, asked_at)
            yield part
            asked_at = now()

    def close(self) -> None:
        if _DONE in self._last:
            with suppress(httpx2.HTTPError):
                for _ in self._parts:
                    pass
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()
