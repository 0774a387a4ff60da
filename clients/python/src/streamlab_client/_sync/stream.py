# Made by `make unasync` from _async/stream.py: change that file, not this one.
"""A run as a stream of events: whatever happens to its connections, each event comes once and in order."""

import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Self

from streamlab_client._sync.transport import Transport
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
    def close(self) -> None:
        """Close the connection; the run goes on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Stream(_FollowedRun):
    """The events of a run. Another loop over it goes on where the last one was.

    Leaving a loop closes the connection, and the run goes on. On an event loop it is closed as soon as the loop gets to
    it; `with` closes it before the block is left.
    """

    def __init__(self, transport: Transport, reader: Reader, retries: RetryPolicy) -> None:
        super().__init__(reader, retries)
        self._transport = transport
        self._last: weakref.ref[Generator[Event]] | None = None  # weak, so that leaving the loop ends it

    def __iter__(self) -> Iterator[Event]:
        """Iterate over the events that are still to come. Raises StreamlabError."""
        events = self._events()
        self._last = weakref.ref(events)
        return events

    def _events(self) -> Generator[Event]:
        reader, credentials = self._reader, self._retries.credentials
        while not reader.ended:
            try:
                with closing(self._transport.messages(reader.connect(), credentials.get())) as messages:
                    for message in messages:
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
            time.sleep(delay)

    def _delay(self, error: StreamlabError) -> float:
        """Return the seconds until the next connection, or raise the error when there shall be none."""
        if self._reader.expired:
            self._reader.expired = False
            self._retries.credentials.drop()
        return self._retries.delay(error, progress=self._reader.progressed)

    def close(self) -> None:
        if self._last and (events := self._last()):
            events.close()
        while self._reader.connected:  # noqa: ASYNC110 # the event loop is closing a loop that was left, and tells nobody
            time.sleep(0.001)


class TextStream(_FollowedRun):
    """Only the text. A piece of type `Anew` says that what came before it counts no longer; joined since the last one
    of these, the pieces are `answer`. A run that was stopped ends like one that was completed: see `status`.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream._reader, stream._retries)
        self._stream = stream
        self._pieces = Pieces()

    def __iter__(self) -> Generator[str]:
        """Iterate over the pieces. Raises StreamlabError; RunFailed when the run ended without an answer."""
        with self._stream:
            for event in self._stream:
                piece = self._pieces.feed(event)
                if piece is not None:
                    yield piece
        if self.status in ("failed", "lost"):
            raise RunFailed(self._reader.failure, "Ask again.", self.code or "")

    def close(self) -> None:
        self._stream.close()
