"""A log whose events count once a store has committed them, and what holds them until then."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

from streamlab.events.event import Done, Error, StreamEvent, ToolResult, numbered
from streamlab.events.outcome import UNKNOWN, Account
from streamlab.hub.hub import Stop
from streamlab.hub.log import Bounds, Log, Snapshot, Sum, new_epoch

logger = logging.getLogger(__name__)

BUFFER = Bounds()  # what may wait for the store; a run that writes more is given up
_ENDINGS = ("tool_result", "final_answer", "error", "done")  # a run is not given up in its last moment

Lost = Callable[[bool], None]
"""Told that the log is no longer written here; the flag: another process has it, otherwise it was given up."""


class CommittedLog(Log):
    """Written here if it has a `writer`; otherwise it is what was read from the store.

    Whoever follows sees only what is committed. Nothing is appended to it any more once it was `lost`: what the run
    still says is dropped.
    """

    def __init__(self, run_id: str, bounds: Bounds | None = None, stop: Stop | None = None) -> None:
        super().__init__(run_id, bounds)
        self.stop = stop
        self.writer: LogWriter | None = None
        self.lost = False

    def append(self, event: StreamEvent) -> StreamEvent:
        """Give the event its number and have it committed; followers see it then."""
        if self.lost:
            return numbered(event, self.seq + 1)
        if self.writer is None:
            raise RuntimeError("the run is produced by another process")
        return self.writer.put(event)

    def commit(self, event: StreamEvent, size: int) -> None:
        self._keep(event, size)

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


class LogWriter(ABC):
    """Numbers a run's events, and holds them until the log has them, which is when the store has committed them.

    While the store is away up to BUFFER is held; beyond that the run is given up.
    """

    def __init__(self, log: CommittedLog, lost: Lost) -> None:
        self.tail = log.seq
        self._log = log
        self._lost = lost
        self._queue: deque[tuple[StreamEvent, int]] = deque()
        self._queued = 0  # bytes
        self._ended = False
        self._begun = asyncio.Event()  # the store knows the log
        self._closed = False

    def put(self, event: StreamEvent) -> StreamEvent:
        """Give the event its number and have it committed. Raises LogFull, and RuntimeError after `done`."""
        if self._ended:
            raise RuntimeError("nothing is appended after done")
        event = numbered(event, self.tail + 1)
        size = self._log.admitted(event)
        self.tail = event.seq
        self._ended = event.type == "done"
        self._queue.append((event, size))
        self._queued += size
        if event.type not in _ENDINGS and (len(self._queue) > BUFFER.events or self._queued > BUFFER.size):
            self._give_up("more waits for the store than may", taken=False)
        self._start()
        return event

    async def settled(self, seconds: float) -> None:
        """Wait until the log holds all that was put until now, but no longer than `seconds`."""
        tail = self.tail
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._begun.wait()
                while self._log.seq < tail and not self._closed:
                    await self._log.grown()

    @abstractmethod
    def _start(self) -> None:
        """See to it that what waits is committed."""

    def _committed(self, count: int) -> None:
        """Move so many events from the queue into the log."""
        for _ in range(count):
            event, size = self._queue.popleft()
            self._queued -= size
            self._log.commit(event, size)

    def _give_up(self, why: str, *, taken: bool) -> None:
        logger.warning("run %s is lost: %s", self._log.run_id, why)
        self._closed = True
        self._queue.clear()
        self._begun.set()
        self._lost(taken)
