"""The body of a stock client's answer, kept beside the client, to be judged when the call is over.

A stock client takes an answer that was cut for a whole one, and some errors for an answer. What the app's own client
would have said of the same body is asked of the same reader.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from langchain_core.language_models import BaseChatModel

from streamlab.events.event import Usage
from streamlab.models.chunks import ChunkReader
from streamlab.models.failures import Failure, common_failure
from streamlab.models.message_chunks import reasoning_text
from streamlab.models.usage import reported_usage, told_usage

_OF_BODY = ("content-type", "content-encoding")  # headers by which a body is read


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


Judge = Callable[[httpx2.Response, bytes], Judgement]
"""Judges a body by what it came with; the body is as it came over the wire."""


class AnswerBody:
    """Keeps the parts of the body of one answer at a time. As an httpx2 response hook: `respond`, or `arespond`."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
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
        if response is None or not response.is_success:
            return Judgement()
        return self._judge(response, b"".join(self._parts))


def read_completion(response: httpx2.Response, body: bytes) -> Judgement:
    """Judge a body of OpenAI's protocol by the reader of the app's own client."""
    reader = ChunkReader(key=response.request.headers.get("authorization", "").removeprefix("Bearer "))
    try:
        body = _decoded(response.headers, body)
        for read in (reader.feed(body), reader.close()):
            for _ in read:
                pass
    except Failure as failure:
        return _judgement(reader, failure)
    except httpx2.DecodingError:
        return Judgement()
    if _is_stream(response) and not reader.ended and not body.replace(b"\r\n", b"\n").endswith((b"\n\n", b"\r\r")):
        # Other readers do not look at an event before the blank line at its end.
        return _judgement(reader, Failure("connection_lost", detail="the last event has no end"))
    return _judgement(reader)


def ask_again(
    response: httpx2.Response,
    body: bytes,
    make: Callable[[httpx2.Client], BaseChatModel],
    named: Callable[[Exception], Failure | None],
) -> Judgement:
    """Judge a body by the app's own client, which `make` makes and which is answered by it once more.

    `named` names what that client raises. What it breaks on, as the stock client does, is judged by nobody.
    """
    kept = {name: value for name in _OF_BODY if (value := response.headers.get(name))}
    again = httpx2.MockTransport(lambda request: httpx2.Response(response.status_code, headers=kept, content=body))
    usage, thought, failure = None, False, None
    with httpx2.Client(transport=again) as client:
        model = make(client)
        model.disable_streaming = not _is_stream(response)
        try:
            for message in model.stream("hi"):
                usage = reported_usage(message.usage_metadata) if message.usage_metadata else usage
                thought = thought or bool(reasoning_text(message))
        except Exception as error:
            failure = named(error) or common_failure(error)
    return Judgement(None if failure and failure.code == "internal" else failure, usage, thought)


def _is_stream(response: httpx2.Response) -> bool:
    return "event-stream" in response.headers.get("content-type", "")


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
