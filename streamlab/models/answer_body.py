"""The body of a stock client's answer, kept beside the client, to be judged when the call is over.

A stock client takes an answer that was cut for a whole one, and some errors for an answer. What the app's own client
would have said of the same body is asked of the same reader.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from streamlab.events.event import Usage
from streamlab.models.chunks import ChunkReader
from streamlab.models.failures import Failure
from streamlab.models.usage import told_usage


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a body amounts to: a failure, if it is no whole answer, and the usage that the server reported.

    `thought`: reasoning was sent, which a stock client drops.
    """

    failure: Failure | None = None
    usage: Usage | None = None
    thought: bool = False

    def failure_of(self, error: Failure | None) -> Failure | None:
        """Choose what the call failed with: what the server said is more than what its client made of it."""
        if error is None or self.failure is None:
            return error or self.failure
        says_more = error.code == "internal" or self.failure.code not in ("connection_lost", "provider_unavailable")
        return self.failure if says_more else error


class AnswerBody:
    """Keeps the parts of the body of one answer at a time. As an httpx2 response hook: `respond`, or `arespond`.

    Of one that is not OpenAI's protocol it says nothing: its provider's own client is all there is to judge by.
    """

    def __init__(self, *, speaks_openai: bool = True) -> None:
        self._speaks_openai = speaks_openai
        self.restart()

    def restart(self) -> None:
        """Forget the answer before."""
        self._response: httpx2.Response | None = None
        self._parts: list[bytes] = []

    def begin(self, response: httpx2.Response) -> None:
        """Take the answer whose parts will be added."""
        self._response = response

    def add(self, part: bytes) -> None:
        """Keep a part as it came over the wire."""
        self._parts.append(part)

    def respond(self, response: httpx2.Response) -> None:
        """Copy the body while it is read."""
        self.begin(response)
        response.stream = _Copied(response.stream, self)

    async def arespond(self, response: httpx2.Response) -> None:
        self.respond(response)

    def judge(self) -> Judgement:
        """Read what has been kept. An answer with an HTTP error, or none at all, is left to its client."""
        response = self._response
        if response is None or not response.is_success or not self._speaks_openai:
            return Judgement()
        key = response.request.headers.get("authorization", "").removeprefix("Bearer ")
        reader = ChunkReader(key=key)
        try:
            body = _decoded(response.headers, b"".join(self._parts))
            for read in (reader.feed(body), reader.close()):
                for _ in read:
                    pass
        except Failure as failure:
            return _judgement(reader, failure)
        except httpx2.DecodingError:
            return Judgement()
        is_stream = "event-stream" in response.headers.get("content-type", "")
        if is_stream and not reader.ended and not body.replace(b"\r\n", b"\n").endswith((b"\n\n", b"\r\r")):
            # Other readers do not look at an event before the blank line at its end.
            return _judgement(reader, Failure("connection_lost", detail="the last event has no end"))
        return _judgement(reader)


def _judgement(reader: ChunkReader, failure: Failure | None = None) -> Judgement:
    return Judgement(failure, told_usage(reader.usage) if reader.usage else None, reader.thought)


class _Copied(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, stream: Any, body: AnswerBody) -> None:
        self._stream = stream
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self._body.add(part)
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._body.add(part)
            yield part

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


def _decoded(headers: httpx2.Headers, body: bytes) -> bytes:
    """Undo the content's encoding, such as gzip."""
    encoding = headers.get("content-encoding")
    return httpx2.Response(200, headers={"content-encoding": encoding}, content=body).content if encoding else body
