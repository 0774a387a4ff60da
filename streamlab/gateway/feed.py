"""What a log's clients are sent: frames, each encoded once and shared by all who stand at the same place.

A frame goes out at once when the stream was idle, and with what else has gathered when it is busy. One timer of the
log sets the pace, so clients stay in step and the bytes of one serve them all.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar, TypeVarTuple

from streamlab.events.event import Event, StreamEvent, encode, first_seq, is_piece, wire_size
from streamlab.gateway.control import ControlEvent, Refused, control_json, name_of
from streamlab.hub import Item, Log, Position

logger = logging.getLogger(__name__)

FRAME_BYTES = 32 * 1024  # about; what one stalled client may hold
FRAMES_KEPT = 64  # encoded frames that a log keeps for those who come by the same place
LINES_KEPT = 128  # encoded events, for clients that fell out of step

Form = TypeVar("Form")
State = TypeVarTuple("State")


class Entry(NamedTuple):
    """An item in JSON: its resume token (None for a control event), its name and its data, one line."""

    token: str | None
    name: str
    data: bytes


class Frame:
    """What is sent at once; `position` is where its reader then stands. `whole`: nothing will be added to it, and
    another comes after it.
    """

    def __init__(
        self, items: list[Item], position: Position, line: Callable[[Position, StreamEvent], bytes], *, whole: bool
    ) -> None:
        self.items = items
        self.position = position
        self.whole = whole
        self.events = sum(isinstance(item, Event) for item in items)
        self._line = line
        self._forms: dict[Hashable, Any] = {}

    def form(self, make: Callable[["Frame", *State], Form], *state: *State) -> Form:
        """Return what `make` makes of the frame and of the state before it, made at the first call and then shared."""
        key = (make, state) if state else make  # for each frame and client: a tuple less is worth its line
        form: Form | None = self._forms.get(key)
        if form is None:
            form = self._forms[key] = make(self, *state)
        return form

    def place(self, item: Item) -> Position:
        """Return where a reader of the item then stands, for an event its resume token."""
        return Position(self.position.epoch, item.seq)

    def entries(self) -> list[Entry]:
        """Encode the items as JSON."""
        return [
            Entry(str(place := self.place(item)), item.type, self._line(place, item))
            if isinstance(item, Event)
            else control_entry(item)
            for item in self.items
        ]


class FeedReader(Protocol):
    def wake(self) -> None: ...


class Feed:
    """The frames of one log, and its readers, who are woken when there is one. Belongs to one event loop.

    Without `merged` each event is in them as it is, also for readers that lag.
    """

    def __init__(self, log: Log, interval: float, *, merged: bool = True) -> None:
        self.log = log
        self._interval = interval
        self._merged = merged
        self._released = log.seq
        self._readers: set[FeedReader] = set()
        self._ticking: asyncio.Task[None] | None = None
        self._frames: dict[Position, Frame] = {}  # by where its readers stand before it; the oldest first
        self._lines: dict[Position, bytes] = {}

    @property
    def idle(self) -> bool:
        return not self._readers

    def join(self, reader: FeedReader) -> None:
        self._readers.add(reader)
        if not self._ticking:
            self._released = self.log.seq
            self._ticking = asyncio.create_task(self._tick(), name=f"feed {self.log.run_id}")

    def leave(self, reader: FeedReader) -> None:
        self._readers.discard(reader)
        if self.idle and self._ticking:
            self._ticking.cancel()
            self._ticking = None

    def is_end(self, position: Position) -> bool:
        """Tell whether a reader there has the whole of a finished log."""
        return self.log.done is not None and position == Position(self.log.epoch, self.log.seq)

    def frame(self, position: Position) -> Frame | None:
        """Return what comes after the position; None when that is to be waited for."""
        log = self.log
        if position.epoch == log.epoch:
            if self._released <= position.seq <= log.seq:
                return None
            if position.seq > log.seq:
                position = Position("", position.seq)  # of no log; one day there may be an event of its number
        frame = self._frames.get(position)
        if not frame or not (frame.whole or frame.position == (log.epoch, log.seq)):
            items = log.follow(position, merged=self._merged).read()
            for start, frame in reversed(list(self._cut(position, items))):
                self._keep(start, frame)
        return frame

    def _keep(self, position: Position, frame: Frame) -> None:
        self._frames.pop(position, None)
        self._frames[position] = frame
        if len(self._frames) > FRAMES_KEPT:
            del self._frames[next(iter(self._frames))]

    def _cut(self, position: Position, items: list[Item]) -> Iterator[tuple[Position, Frame]]:
        """Cut the items into frames of about FRAME_BYTES, each with where its readers stand before it.

        A gap keeps its snapshot.
        """
        groups = list(_grouped(items))
        for number, group in enumerate(groups, 1):
            after = Position(self.log.epoch, group[-1].seq)
            yield position, Frame(group, after, self.line, whole=number < len(groups))
            position = after

    def line(self, place: Position, event: StreamEvent) -> bytes:
        """Encode an event as JSON, once for all who stand near its place."""
        if first_seq(event) != event.seq:  # made for those who lag here, and for no other
            return encode(event)
        line = self._lines.get(place)
        if line is None:
            line = self._lines[place] = encode(event)
            logger.debug("run %s %s", self.log.run_id, event.type)
            if len(self._lines) > LINES_KEPT:
                del self._lines[next(iter(self._lines))]
        return line

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._released == self.log.seq:
                if self.log.done:
                    return
                await self.log.grown()
            self._released = self.log.seq
            due = loop.time() + self._interval
            for reader in list(self._readers):
                reader.wake()
            if self._released == 1 and not any(map(is_piece, self.log.since(0))):
                continue  # the first text does not wait for what says that work has begun
            await asyncio.sleep(max(self._interval / 2, due - loop.time()))  # the many leave time for others, too


def control_entry(event: ControlEvent | Refused) -> Entry:
    """Encode a control event as JSON."""
    return Entry(None, name_of(event), control_json(event))


def _grouped(items: Iterable[Item]) -> Iterator[list[Item]]:
    group: list[Item] = []
    size = 0
    for item in items:
        if isinstance(item, Event):
            if group and size >= FRAME_BYTES:
                yield group
                group, size = [], 0
            size += wire_size(item)
        group.append(item)
    if group:
        yield group
