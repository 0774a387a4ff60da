"""What brings the events of one run into the file, in order, while the run goes on."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

from streamlab.events.event import StreamEvent, is_piece
from streamlab.hub.committed import CommittedLog, LogWriter, Lost
from streamlab.hub.log import Snapshot
from streamlab.hub.sqlite import store
from streamlab.hub.sqlite.store import Begin, Row
from streamlab.hub.sqlite.worker import Job, Worker

BATCH_EVENTS = 1_000
SMALL = 16 * 1024  # bytes up to which the loop may commit
FLOW = 0.5  # seconds; who has waited longer for text gets it without waiting for more
GATHER = 0.04  # seconds, as long as a frame of the gateway: what is committed then goes out at once
FIRST_DELAY, LONGEST_DELAY = 0.02, 0.5  # seconds until what failed is tried again
SPARE = 1.25  # the file may hold so many times what the log does, so that it is seldom trimmed

Clock = Callable[[], float]


class SqliteWriter(LogWriter):
    """Commits a run's events; what gathers while a transaction runs goes with the next one.

    A run whose events the file has not taken for `away` seconds is given up. When the file had to be begun anew, the
    log is written into it from memory. `rows` are those of a log that the file has already.
    """

    def __init__(
        self,
        log: CommittedLog,
        id: int,
        worker: Worker,
        clock: Clock,
        away: float,
        lost: Lost,
        rows: Sequence[Row] | None = None,
    ) -> None:
        super().__init__(log, lost)
        self._id = id
        self._worker = worker
        self._clock = clock
        self._away = away
        self._rows = list(rows or ())  # of the journal
        self._trimmed = log.first - 1  # the last event that the file knows in sum
        self._bytes = log.size  # of the events that the file has
        self._taken = 0.0  # when text was taken to be committed
        self._delay = FIRST_DELAY
        self._failing: float | None = None  # since when
        if rows is not None:
            self._begun.set()
        self._start()

    def restore(self) -> None:
        """Write the log anew: the file is another one, and empty."""
        self._begun.clear()
        self._rows.clear()
        self._start()

    def close(self) -> None:
        """Write nothing more."""
        self._closed = True

    def _start(self) -> None:
        """Have what waits committed: at once, but for text in full flow, of which more may be gathered.

        It is then committed when more comes, and seldom by a timer: to wake a process costs more than a transaction.
        """
        if self._closed or not (self._queue or not self._begun.is_set()):
            return
        now = time.monotonic()
        gathers = now - self._taken < FLOW and now - self._worker.began < GATHER
        if gathers and self._queue and is_piece(self._queue[-1][0]):
            self._worker.wake_soon(self)
        else:
            self._worker.wake(self)

    def job(self) -> Job[Row | None]:
        log, begin, again = self._log, None, []
        if not self._begun.is_set():
            began = self._clock() - (time.monotonic() - log.began)
            begin, again = Begin(self._id, log.run_id, log.epoch, began, log.snapshot()), log.since(0)
        batch = [event for event, _ in islice(self._queue, BATCH_EVENTS)]
        size = sum(size for _, size in islice(self._queue, BATCH_EVENTS))
        trimmed = log.snapshot() if not begin and self._is_long() else None
        leaving = [row for row in self._rows if row.seq <= trimmed.seq] if trimmed else []
        now = self._clock()
        if any(map(is_piece, batch)):
            self._taken = time.monotonic()
        small = size <= SMALL and bool(batch) and batch[-1].type != "done" and not (begin or trimmed)
        return Job(
            lambda connection: _commit(connection, self._id, begin, (*again, *batch), trimmed, leaving, now),
            partial(self._answered, len(batch), size, begin, trimmed),
            self._failed,
            small,
        )

    def _is_long(self) -> bool:
        """Tell whether the file holds too much that has left the log."""
        log, bounds = self._log, self._log.bounds
        if log.first - 1 == self._trimmed:
            return False
        return log.seq - self._trimmed > SPARE * bounds.events or self._bytes > SPARE * bounds.size

    def _answered(self, count: int, size: int, begin: Begin | None, trimmed: Snapshot | None, row: Row | None) -> None:
        if self._closed:
            return
        self._failing, self._delay = None, FIRST_DELAY
        if begin:
            self._begun.set()
            self._trimmed, self._bytes = begin.sum.seq, self._log.size
        if trimmed:
            self._rows = [row for row in self._rows if row.seq > trimmed.seq]
            self._trimmed, self._bytes = trimmed.seq, self._log.size
        if row:
            self._rows.append(row)
        self._bytes += size
        self._committed(count)
        if self._log.done:
            self._worker.later(store.seal, self._id, [row.id for row in self._rows])
        self._start()

    def _failed(self, error: Exception) -> None:
        if self._closed:
            return
        self._failing = self._failing or time.monotonic()
        if time.monotonic() - self._failing > self._away:
            self._give_up(f"the store has not taken its events for {self._away:g} s ({error})", taken=False)
            return
        asyncio.get_running_loop().call_later(random.uniform(self._delay / 2, self._delay), self._start)
        self._delay = min(2 * self._delay, LONGEST_DELAY)


def _commit(
    connection: sqlite3.Connection,
    id: int,
    begin: Begin | None,
    events: Sequence[StreamEvent],
    trimmed: Snapshot | None,
    leaving: Sequence[Row],
    now: float,
) -> Row | None:
    if begin:
        store.begin(connection, begin)
    if trimmed:
        store.trim(connection, id, trimmed, leaving)
    return store.append(connection, id, events, now) if events else None
