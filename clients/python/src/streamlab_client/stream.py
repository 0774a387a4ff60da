"""A run as a stream of events: whatever happens to its connections, each event comes once and in order."""

import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from types import TracebackType
from typing import Self

import anyio

from streamlab_client.errors import RunFailed, StreamlabError, lost
from streamlab_client.events import Event, Status
from streamlab_client.patience import Patience
from streamlab_client.reader import Pieces, Reader
from streamlab_client.transport import AsyncTransport, Transport


class _Followed:
    """What is known of the run by now."""

    def __init__(self, reader: Reader, patience: Patience) -> None:
        self._reader = reader
        self._patience = patience

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

    def _failed(self, error: StreamlabError) -> float:
        """Seconds until the next connection. Raises the error when there shall be none."""
        if self._reader.expired:
            self._reader.expired = False
            self._patience.credentials.drop()
        return self._patience.wait(error, progress=self._reader.progressed)

    def _check(self) -> None:
        """Raises RunFailed when the run ended without an answer."""
        if self.status in ("failed", "lost"):
            raise RunFailed(f"The run ended as {self.status}.", "Ask again.", self.code or "")


class Stream(_Followed):
    """The events of a run. Leaving a loop over it closes the connection at once, and the run goes on; another loop over
    it goes on where the last one was.
    """

    def __init__(self, transport: Transport, reader: Reader, patience: Patience) -> None:
        super().__init__(reader, patience)
        self._transport = transport
        self._loop: weakref.ref[Generator[Event]] | None = None  # weak, so that who leaves the loop ends it

    def __iter__(self) -> Iterator[Event]:
        """Raises StreamlabError."""
        events = self._events()
        self._loop = weakref.ref(events)
        return events

    def _events(self) -> Generator[Event]:
        reader, credentials = self._reader, self._patience.credentials
        while not reader.ended:
            try:
                with closing(self._transport.messages(reader.connect(), credentials.get())) as messages:
                    for message in messages:
                        credentials.accepted()
                        event = reader.take(message)
                        if event is not None:
                            yield event
                        if reader.ended:
                            return
                raise lost()
            except StreamlabError as error:
                wait = self._failed(error)
            finally:
                reader.connected = False
            time.sleep(wait)

    def close(self) -> None:
        """Close the connection; the run goes on."""
        if self._loop and (events := self._loop()):
            events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncStream(_Followed):
    """The same on an event loop. There the connection of a loop that was left is closed as soon as the event loop comes
    to it; `async with` closes it before the block is left.
    """

    def __init__(self, transport: AsyncTransport, reader: Reader, patience: Patience) -> None:
        super().__init__(reader, patience)
        self._transport = transport
        self._loop: weakref.ref[AsyncGenerator[Event]] | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        """Raises StreamlabError."""
        events = self._events()
        self._loop = weakref.ref(events)
        return events

    async def _events(self) -> AsyncGenerator[Event]:
        reader, credentials = self._reader, self._patience.credentials
        while not reader.ended:
            try:
                async with aclosing(self._transport.messages(reader.connect(), await credentials.aget())) as messages:
                    async for message in messages:
                        credentials.accepted()
                        event = reader.take(message)
                        if event is not None:
                            yield event
                        if reader.ended:
                            return
                raise lost()
            except StreamlabError as error:
                wait = self._failed(error)
            finally:
                reader.connected = False
            await anyio.sleep(wait)

    async def aclose(self) -> None:
        """Close the connection; the run goes on."""
        if self._loop and (events := self._loop()):
            await events.aclose()
        while self._reader.connected:  # the event loop is closing the generator of a loop that was left
            await anyio.sleep(0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class TextStream(_Followed):
    """Only the text. A piece of type `Anew` says that what came before it counts no longer; joined since the last one
    of these, the pieces are `answer`. A run that was stopped ends like one that was completed: see `status`.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream._reader, stream._patience)
        self._stream = stream
        self._pieces = Pieces()

    def __iter__(self) -> Generator[str]:
        """Raises StreamlabError; RunFailed when the run ended without an answer."""
        with self._stream:
            for event in self._stream:
                piece = self._pieces.take(event)
                if piece is not None:
                    yield piece
        self._check()

    def close(self) -> None:
        """Close the connection; the run goes on."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncTextStream(_Followed):
    """The same on an event loop."""

    def __init__(self, stream: AsyncStream) -> None:
        super().__init__(stream._reader, stream._patience)
        self._stream = stream
        self._pieces = Pieces()

    async def __aiter__(self) -> AsyncGenerator[str]:
        """Raises StreamlabError; RunFailed when the run ended without an answer."""
        async with self._stream:
            async for event in self._stream:
                piece = self._pieces.take(event)
                if piece is not None:
                    yield piece
        self._check()

    async def aclose(self) -> None:
        """Close the connection; the run goes on."""
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
