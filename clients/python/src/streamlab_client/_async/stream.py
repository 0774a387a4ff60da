"""A run as a stream of events: whatever happens to its connections, each event comes once and in order."""

import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Self

import anyio

from streamlab_client._async.transport import AsyncTransport
from streamlab_client.errors import RunFailed, StreamlabError, connection_lost
from streamlab_client.events import Event, Status
from streamlab_client.reader import Pieces, Reader
from streamlab_client.retry import RetryPolicy


class _FollowedRun(ABC):
    """What is known of the run by now."""

    def __init__(self, reader: Reader, retries: RetryPolicy) -> None:
        self._reader = reader
        self._retries = retries

    @property
    def run_id(self) -> str | None:
        """None until the server has told it."""
        return self._reader.run_id

    @property
    def conversation(self) -> str | None:
        """Sent with the next question, it goes on."""
        return self._reader.conversation

    @property
    def model(self) -> str | None:
        return self._reader.model

    @property
    def token(self) -> str | None:
        """The resume token: `follow(run_id, after=token)` goes on here, in this process or another."""
        return self._reader.token

    @property
    def connected(self) -> bool:
        """Whether there is a connection now on which the server has answered."""
        return self._reader.connected

    @property
    def connections(self) -> int:
        """How many such connections there were; each but the first went on where one was left or lost."""
        return self._reader.connections

    @property
    def answer(self) -> str:
        """The text that counts by now: of the last step, since its last retry."""
        return self._reader.text

    @property
    def status(self) -> Status | None:
        """How the run ended; None as long as that is not known."""
        return self._reader.status

    @property
    def code(self) -> str | None:
        """Why it ended as it did, where that was told."""
        return self._reader.code

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connection; the run goes on."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


class AsyncStream(_FollowedRun):
    """The events of a run. Another loop over it goes on where the last one was.

    Leaving a loop closes the connection, and the run goes on. On an event loop it is closed as soon as the loop gets to
    it; `async with` closes it before the block is left.
    """

    def __init__(self, transport: AsyncTransport, reader: Reader, retries: RetryPolicy) -> None:
        super().__init__(reader, retries)
        self._transport = transport
        self._last: weakref.ref[AsyncGenerator[Event]] | None = None  # weak, so that leaving the loop ends it

    def __aiter__(self) -> AsyncIterator[Event]:
        """Iterate over the events that are still to come. Raises StreamlabError."""
        events = self._events()
        self._last = weakref.ref(events)
        return events

    async def _events(self) -> AsyncGenerator[Event]:
        reader, credentials = self._reader, self._retries.credentials
        while not reader.ended:
            try:
                async with aclosing(self._transport.messages(reader.connect(), await credentials.aget())) as messages:
                    async for message in messages:
                        credentials.accepted()
                        event = reader.feed(message)
                        if event is not None:
                            yield event
                        if reader.ended:
                            return
                raise connection_lost()
            except StreamlabError as error:
                delay = self._delay(error)
            finally:
                reader.connected = False
            await anyio.sleep(delay)

    def _delay(self, error: StreamlabError) -> float:
        """Return the seconds until the next connection, or raise the error when there shall be none."""
        if self._reader.expired:
            self._reader.expired = False
            self._retries.credentials.drop()
        return self._retries.delay(error, progress=self._reader.progressed)

    async def aclose(self) -> None:
        if self._last and (events := self._last()):
            await events.aclose()
        while self._reader.connected:  # noqa: ASYNC110 # the event loop is closing a loop that was left, and tells nobody
            await anyio.sleep(0.001)


class AsyncTextStream(_FollowedRun):
    """Only the text. A piece of type `Anew` says that what came before it counts no longer; joined since the last one
    of these, the pieces are `answer`. A run that was stopped ends like one that was completed: see `status`.
    """

    def __init__(self, stream: AsyncStream) -> None:
        super().__init__(stream._reader, stream._retries)
        self._stream = stream
        self._pieces = Pieces()

    async def __aiter__(self) -> AsyncGenerator[str]:
        """Iterate over the pieces. Raises StreamlabError; RunFailed when the run ended without an answer."""
        async with self._stream:
            async for event in self._stream:
                piece = self._pieces.feed(event)
                if piece is not None:
                    yield piece
        if self.status in ("failed", "lost"):
            raise RunFailed(self._reader.failure, "Ask again.", self.code or "")

    async def aclose(self) -> None:
        await self._stream.aclose()
