"""The ordered log of one run, and the followers that read it.

A follower holds a cursor, not a queue: replay and live are one path, a slow reader costs no memory, and joining late
or resuming is reading from a seq. All of it belongs to one event loop.
"""

import asyncio
import re
import secrets
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple, Self

from streamlab.events.event import (
    Done,
    FinalAnswer,
    Retry,
    StepText,
    StreamEvent,
    ToolResult,
    merge_deltas,
    numbered,
    wire_size,
)
from streamlab.events.outcome import Account, Outcome
from streamlab.hub.errors import LogFull

LAG_EVENTS = 64
LAG_SECONDS = 0.25
CHAPTER = 256  # events that are merged when they are whole, once for all who come late


class Position(NamedTuple):
    """A place in a log: the event `seq` of the incarnation `epoch` was the last one read."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


def new_epoch() -> str:
    """Make a random epoch: no two incarnations of any log have the same."""
    return secrets.token_hex(8)


def parse_token(token: str) -> Position:
    """Read the position that a resume token `epoch-seq` names. Raises ValueError for anything else."""
    match = re.fullmatch(r"([0-9a-f]{16})-(\d{1,15})", token, re.ASCII)
    if not match:
        raise ValueError("a resume token has the form epoch-seq")
    return Position(match[1], int(match[2]))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one log may hold: beyond `events` or `size` (bytes) its oldest leave; one above `event_size` is refused.

    But for the final answer: it is as large as all deltas before it, and without it the log would have no end.
    """

    events: int = 10_000
    size: int = 8 * 1024 * 1024
    event_size: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Gap:
    """What follows is no continuation of `after`: the events up to `seq` were evicted, or the token is of another log.

    A snapshot of everything up to `seq` comes next; it replaces what the reader has.
    """

    after: int
    seq: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the events up to `seq` amount to: the visible text of the current `step` and the finished tool calls."""

    seq: int
    step: int
    text: str
    tools: tuple[ToolResult, ...]


Item = StreamEvent | Gap | Snapshot


class SnapshotChange(NamedTuple):
    """Says what events that leave do to the sum: with `reset` its text is void before `text` is added to it."""

    reset: bool
    step: int
    text: str
    tools: list[ToolResult]


class Log:
    """Events 1, 2, 3 … of one run; after `done` nothing is appended.

    The newest events within `bounds` are kept; what left is still known in sum, as a snapshot.
    """

    def __init__(self, run_id: str, bounds: Bounds | None = None) -> None:
        self.run_id = run_id
        self.epoch = new_epoch()
        self.began = time.monotonic()
        self.bounds = bounds or Bounds()
        self.seq = 0
        self.size = 0
        self.done: Done | None = None
        self.followers = 0
        self.unfollowed_since = self.began
        self._events: deque[StreamEvent] = deque()
        self._sizes: deque[int] = deque()
        self._chapters: deque[list[StreamEvent]] = deque()  # without gaps, up to the last whole one
        self._evicted = Sum()
        self._asked = (0, 0)  # the last question to `since`, which all who follow closely ask, and its answer
        self._answered: list[StreamEvent] = []
        self._idle: set[asyncio.Future[None]] = set()
        self._wake_scheduled = False

    @property
    def first(self) -> int:
        """Return the seq of the oldest event that is kept (one beyond the last when none is)."""
        return self.seq - len(self._events) + 1

    def append(self, event: StreamEvent) -> StreamEvent:
        """Append with the next seq and wake the followers; answers the event as it stands in the log."""
        if self.done:
            raise RuntimeError("nothing is appended after done")
        event = numbered(event, self.seq + 1)
        self._keep(event, self.admitted(event))
        return event

    def admitted(self, event: StreamEvent) -> int:
        """Return the event's size in bytes. Raises LogFull when one event may not be so large."""
        size = wire_size(event)
        if size > self.bounds.event_size and not isinstance(event, FinalAnswer):
            raise LogFull(f"an event of {size} bytes, at most {self.bounds.event_size} are allowed")
        return size

    def _keep(self, event: StreamEvent, size: int) -> None:
        self.seq = event.seq
        self._events.append(event)
        self._sizes.append(size)
        self.size += size
        if isinstance(event, Done):
            self.done = event
        while len(self._events) > self.bounds.events or self.size > self.bounds.size:
            self._evict()
        if self.seq % CHAPTER == 0 and len(self._events) >= CHAPTER:
            self._chapters.append(merge_deltas(self._newest(CHAPTER)))
        self._schedule_wake()

    def follow(self, after: Position | None = None, *, merged: bool = True) -> "Follower":
        """Make a follower that reads on from `after`, or from the beginning; without `merged` it gets every event as
        it is, also when it lags.
        """
        return Follower(self, after, merged=merged)

    def since(self, seq: int) -> list[StreamEvent]:
        """Return the kept events after `seq`, oldest first."""
        if self._asked != (seq, self.seq):
            self._asked, self._answered = (seq, self.seq), self._newest(min(self.seq - seq, len(self._events)))
        return self._answered.copy()

    def age_of(self, seq: int) -> float:
        """Return the seconds since the kept event of this number."""
        return time.monotonic() - self.began - self._events[seq - self.first].at

    def merged_since(self, seq: int) -> list[StreamEvent]:
        """Return the same as `since`, for a reader that lags: adjacent deltas are one."""
        end = self.seq - self.seq % CHAPTER
        begin = max(seq + -seq % CHAPTER, end - CHAPTER * len(self._chapters))
        if begin >= end:
            return merge_deltas(self.since(seq))
        before = islice(self._events, max(0, seq + 1 - self.first), begin + 1 - self.first)
        chapters = islice(self._chapters, len(self._chapters) - (end - begin) // CHAPTER, None)
        return merge_deltas(chain(before, *chapters, self._newest(self.seq - end)))

    def _newest(self, count: int) -> list[StreamEvent]:
        if count <= 0:
            return []
        if count > len(self._events) // 2:
            return list(self._events)[-count:]
        newest = reversed(self._events)
        return [next(newest) for _ in range(count)][::-1]

    def snapshot(self) -> Snapshot:
        """Sum up the events that left."""
        left = self._evicted
        return Snapshot(self.first - 1, left.text.step, str(left.text), tuple(left.tools))

    def outcome(self) -> Outcome:
        """Sum up all events, with the text of those that left; a log without its end is that of a lost run."""
        account, left = Account(), self.snapshot()
        account.text = StepText(left.step, left.text)
        for event in self.since(0):
            account.observe(event)
        return account.outcome

    async def grown(self) -> None:
        """Return at the next append."""
        future = asyncio.get_running_loop().create_future()
        self._idle.add(future)
        try:
            await future
        finally:
            self._idle.discard(future)

    def leaving(self, events: Iterable[StreamEvent], sizes: list[int]) -> list[StreamEvent]:
        """List the events that will leave, oldest first, when these are appended; it may be some of themselves."""
        count, size = len(self._events) + len(sizes), self.size + sum(sizes)
        left = []
        for event, own in zip(chain(self._events, events), chain(self._sizes, sizes), strict=True):
            if count <= self.bounds.events and size <= self.bounds.size:
                break
            left.append(event)
            count, size = count - 1, size - own
        return left

    def change(self, leaving: Iterable[StreamEvent]) -> SnapshotChange:
        """Tell what it does to the snapshot when these, the oldest, leave."""
        change = Sum()
        change.text.step = step = self._evicted.text.step
        reset = False
        for event in leaving:
            reset = reset or (not isinstance(event, ToolResult) and (isinstance(event, Retry) or event.step != step))
            change.add(event)
        return SnapshotChange(reset, change.text.step, str(change.text), change.tools)

    def _evict(self) -> None:
        event = self._events.popleft()
        self._evicted.add(event)
        self.size -= self._sizes.popleft()
        if self._chapters and event.seq % CHAPTER == 1:
            self._chapters.popleft()

    def _schedule_wake(self) -> None:
        """Have one callback per burst of appends wake everyone.

        A burst costs each follower one pass, not one per event.
        """
        if self._idle and not self._wake_scheduled:
            self._wake_scheduled = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._wake_scheduled = False
        for future in self._idle:
            if not future.done():
                future.set_result(None)
        self._idle.clear()


class Sum:
    """Sums up the events that left a log."""

    def __init__(self) -> None:
        self.text = StepText()
        self.tools: list[ToolResult] = []

    def add(self, event: StreamEvent) -> None:
        self.text.observe(event)
        if isinstance(event, ToolResult):
            self.tools.append(event)

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        known = cls()
        known.text = StepText(snapshot.step, snapshot.text)
        known.tools += snapshot.tools
        return known


class Follower:
    """Reads one log in order, each event once; a context manager, so that the log knows who still follows."""

    def __init__(self, log: Log, after: Position | None, *, merged: bool = True) -> None:
        self._log = log
        self._merged = merged
        self._epoch = after.epoch if after else log.epoch
        self._cursor = after.seq if after else 0
        self._ahead = after is not None and after.seq > log.seq

    def __enter__(self) -> Self:
        self._log.followers += 1
        return self

    def __exit__(self, *exception: object) -> None:
        self._log.followers -= 1
        self._log.unfollowed_since = time.monotonic()

    @property
    def _foreign(self) -> bool:
        """Tell whether the cursor is of another log than this one, or of this one before it became another."""
        return self._ahead or self._epoch != self._log.epoch

    @property
    def position(self) -> Position:
        return Position(self._epoch, self._cursor)

    @property
    def ended(self) -> bool:
        """Tell whether everything up to `done` was read."""
        return self._log.done is not None and self._cursor >= self._log.seq and not self._foreign

    async def batch(self) -> list[Item]:
        """Read all that is there beyond the cursor, waiting until there is something.

        The batch is empty only at the end of the log.
        """
        while self._cursor == self._log.seq and not self._foreign:
            if self._log.done:
                return []
            await self._log.grown()
        return self.read()

    def read(self) -> list[Item]:
        """Read all that is there beyond the cursor, without waiting."""
        items: list[Item] = []
        if self._foreign or self._cursor < self._log.first - 1:
            items = self._jump()
        if self._cursor < self._log.seq:
            items += self._log.merged_since(self._cursor) if self._lags else self._log.since(self._cursor)
            self._cursor = self._log.seq
        return items

    def _jump(self) -> list[Item]:
        """Over what cannot be had: never wrong data, but a gap and what all before it amounts to."""
        gap = Gap(self._cursor, self._log.first - 1)
        self._epoch, self._cursor = self._log.epoch, gap.seq
        self._ahead = False
        return [gap, self._log.snapshot()]

    @property
    def _lags(self) -> bool:
        if not self._merged:
            return False
        return self._log.seq - self._cursor > LAG_EVENTS or self._log.age_of(self._cursor + 1) > LAG_SECONDS
