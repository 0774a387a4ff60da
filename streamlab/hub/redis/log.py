"""A run's log that Redis keeps, as far as this process has it."""

import time
from collections.abc import Iterator
from typing import Protocol

from streamlab.events.event import Done, Error, StreamEvent, ToolResult, numbered
from streamlab.events.outcome import UNKNOWN, Account
from streamlab.hub.hub import Stop
from streamlab.hub.log import Bounds, Log, Snapshot, Sum, new_epoch


class LogWriter(Protocol):
    """Brings the events of one log to Redis."""

    def put(self, event: StreamEvent) -> StreamEvent:
        """Give the event its number and have it committed. Raises LogFull, and RuntimeError after `done`."""


class RedisLog(Log):
    """Written here if it has a `writer`; otherwise it is what was read from Redis.

    Whoever follows sees only what is committed. Nothing is appended to it any more once it was `lost`: what the run
    still says is dropped.
    """

    def __init__(self, run_id: str, bounds: Bounds | None = None, stop: Stop | None = None) -> None:
        super().__init__(run_id, bounds)
        self.stop = stop
        self.writer: LogWriter | None = None
        self.lost = False
        self.loaded = False  # of a log that is read: the reader goes on from its `seq`
        self.due = 0.0  # when it is looked after next, by the monotonic clock
        self.lapsed_since: float | None = None

    @property
    def read(self) -> bool:
        """Tell whether more of it is to come from another process."""
        return self.writer is None and self.done is None

    def append(self, event: StreamEvent) -> StreamEvent:
        """Give the event its number and have it committed; followers see it then."""
        if self.lost:
            return numbered(event, self.seq + 1)
        if self.writer is None:
            raise RuntimeError("the run is produced by another process")
        return self.writer.put(event)

    def commit(self, event: StreamEvent, size: int) -> None:
        self._keep(event, size)

    def feed(self, events: list[StreamEvent]) -> bool:
        """Take what was read, known or new. False when some are missing before one: then nothing after is taken.

        A log that is written here by now has its events from its writer.
        """
        for event in events:
            if not self.read:
                break
            if event.seq > self.seq + 1:
                return False
            if event.seq == self.seq + 1:
                self._keep(event, self.admitted(event))
        return True

    def restart(self, epoch: str, sum_: Snapshot, age: float) -> None:
        """Begin after what `sum_` amounts to, `age` seconds after the run began."""
        self._events.clear()
        self._chapters.clear()
        self._sizes.clear()
        self.size = 0
        self.seq = sum_.seq
        self.began = time.monotonic() - age
        self._evicted = Sum.of(sum_)
        self._asked = (0, -1)
        self.rename(epoch)

    def rename(self, epoch: str) -> None:
        """Be another incarnation: who followed the former one is told by a gap."""
        self.epoch = epoch
        self._schedule_wake()

    def end_as_lost(self) -> None:
        """End it here and nowhere else: nothing more can be had of it, and others may have something else."""
        self.writer, self.lost = None, True
        if not self.done:
            self.rename(new_epoch())
            for event in self.last_events():
                super().append(event)

    def last_events(self) -> Iterator[StreamEvent]:
        """Make the end of a run that was lost: its calls answered, an error, and `done`."""
        account, step, at = Account(), 1, round(max(0.0, time.monotonic() - self.began), 6)
        for event in self.since(0):
            account.observe(event)
            step, at = event.step, max(at, event.at)
        for call in list(account.open_calls.values()):
            yield ToolResult(call.tool, call.call_id, status="stopped", at=at, step=call.step)
        yield Error("producer_lost", at=at, step=step)
        yield Done("lost", "producer_lost", UNKNOWN, at=at, step=step)
