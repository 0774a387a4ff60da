"""The hub's embedded engine: the logs of this process, which are in a file as well and outlive it."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from streamlab.events.event import wire_size
from streamlab.hub.committed import CommittedLog
from streamlab.hub.errors import HubFull, HubUnreachable, UnknownRun
from streamlab.hub.hub import Stop
from streamlab.hub.log import Bounds, Log
from streamlab.hub.memory.hub import CAPACITY, CLOSING, KEPT_AFTER_DONE, MemoryHub
from streamlab.hub.shared import SteadyClock
from streamlab.hub.sqlite import store
from streamlab.hub.sqlite.cleaning import Keeping, clean, shorten
from streamlab.hub.sqlite.file import StoreFile
from streamlab.hub.sqlite.shared import SqliteShared
from streamlab.hub.sqlite.store import Row, StoredLog
from streamlab.hub.sqlite.worker import Worker
from streamlab.hub.sqlite.writer import SqliteWriter

logger = logging.getLogger(__name__)

T = TypeVar("T")

AWAY = 60.0  # seconds after which a run is given up whose events the file does not take
ANSWER = 2.0  # seconds that the file may take for what was appended
UNFOLLOWED = 30.0  # seconds after which a log leaves the memory that was read from the file
WHY = {
    sqlite3.SQLITE_FULL: "has no room left on its disk",
    sqlite3.SQLITE_IOERR: "cannot be written: its disk is full or fails",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_BUSY: "is locked by another program",
}
TICK = 10.0  # seconds between two looks at what is too old


class SqliteHub(MemoryHub):
    """Whoever follows sees what is committed; so what anyone has seen outlives the process, however it ends.

    The logs of a process that died have their end when this one has begun. A log leaves the memory as in the memory
    engine, and is read from the file for as long as it is kept there.

    Raises StoreRefused when the file is another's, StoreUnwritable when nothing can be kept there.
    """

    durable = True

    _logs: dict[str, CommittedLog]  # type: ignore[assignment] # a dict is invariant; nothing else is put into this one

    def __init__(
        self,
        path: Path,
        *,
        bounds: Bounds | None = None,
        kept: float = KEPT_AFTER_DONE,
        capacity: int = CAPACITY,
        keeping: Keeping | None = None,
        away: float = AWAY,
    ) -> None:
        super().__init__(bounds=bounds, kept=kept, capacity=capacity)
        self._keeping = keeping or Keeping()
        self._away = away
        file = StoreFile(path)
        self.notice = file.notice
        self._file = file
        self._clock = SteadyClock(store.last_moment(file.connection))
        self._next_id = store.last_id(file.connection) + 1
        self._worker = Worker(file, self._restore)
        self.shared = SqliteShared(self._worker, self._clock, self._keeping.seconds)
        self._writers: dict[str, SqliteWriter] = {}  # by run id
        self._opening: dict[str, asyncio.Task[CommittedLog]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._worker.start()
        self.shared.later(self._end_lost)
        self._spawn(self._tend())
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Bring to the file what was appended, if it takes it, and let go of it."""
        until = time.monotonic() + CLOSING
        await asyncio.gather(*(writer.settled(CLOSING) for writer in list(self._writers.values())))
        await self.shared.close(max(0.0, until - time.monotonic()))
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        with suppress(HubUnreachable):
            await self._worker.call(store.note_moment, self._clock())
        for writer in self._writers.values():
            writer.close()
        await self._worker.close()

    @property
    def reachable(self) -> bool:
        """Tell whether the file takes what is written."""
        return self._worker.reachable

    async def try_write(self) -> None:
        """Write something small. Raises HubUnreachable with a sentence that says why it cannot be."""
        try:
            async with asyncio.timeout(ANSWER):
                await self._worker.call(store.try_write)
        except TimeoutError:
            raise HubUnreachable("The store's file does not answer in time.") from None
        except HubUnreachable as error:
            why = WHY.get(getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF, "cannot be written")
            raise HubUnreachable(f"The store's file {why}.") from None

    def create(self, run_id: str, stop: Stop | None = None) -> Log:
        """Make a new, empty log. Raises HubFull when there is no room that finished runs could give."""
        self.sweep()
        self._make_room()
        log = self._logs[run_id] = CommittedLog(run_id, self._bounds, stop)
        self._write(log, self._next_id)
        self._next_id += 1
        return log

    async def open(self, run_id: str) -> Log:
        """Return the log with all that was appended until now. Raises UnknownRun, HubFull or HubUnreachable."""
        log = self._logs.get(run_id)
        if log is None:
            opening = self._opening.get(run_id)
            if opening is None:
                opening = self._opening[run_id] = self._spawn(self._read(run_id))
                opening.add_done_callback(partial(self._opened, run_id))
            return await asyncio.shield(opening)
        if writer := self._writers.get(run_id):
            await writer.settled(ANSWER)
        return log

    def _opened(self, run_id: str, opening: asyncio.Task[CommittedLog]) -> None:
        del self._opening[run_id]
        if not opening.cancelled():
            opening.exception()  # nobody may be there any more to be told

    def _is_over(self, log: Log, ended: float) -> bool:
        return super()._is_over(log, ended) and time.monotonic() - log.unfollowed_since > UNFOLLOWED

    def _drop(self, log: Log) -> None:
        super()._drop(log)
        self._writers.pop(log.run_id, None)

    # Writing

    def _write(self, log: CommittedLog, id: int, rows: list[Row] | None = None) -> SqliteWriter:
        def lost(taken: bool) -> None:
            self._writers.pop(log.run_id, None)
            log.end_as_lost()
            if log.stop:
                log.stop("lost")

        writer = SqliteWriter(log, id, self._worker, self._clock, self._away, lost, rows)
        log.writer = self._writers[log.run_id] = writer
        return writer

    def _restore(self) -> None:
        """Write what is in memory into a new file."""
        self.notice = self._file.notice
        for writer in self._writers.values():
            writer.restore()

    # Reading

    async def _read(self, run_id: str) -> CommittedLog:
        try:
            found = await self._worker.call(store.read, run_id)
            events = await asyncio.to_thread(found.events) if found else []
        except ValueError:
            logger.exception("run %s: its log holds what is no event of this version", run_id)
            found = None
        if found is None:
            raise UnknownRun(run_id)
        self._make_room()
        log = CommittedLog(run_id, self._bounds)
        last = events[-1].at if events else 0.0
        log.restart(found.epoch, found.sum, last if found.done is None else self._clock() - found.began)
        for event in events:
            log.commit(event, wire_size(event))
        self._logs[run_id] = log
        if not log.done:
            await self._end(log, found)
        return log

    async def _end(self, log: CommittedLog, found: StoredLog) -> None:
        """End a log that nobody writes any more."""
        writer = self._write(log, found.id, found.journal())
        for event in log.last_events():
            writer.put(event)
        self._count_taken_over(log.run_id)
        await writer.settled(ANSWER)

    async def _end_lost(self) -> None:
        """End the logs of a process that died; what is asked for by somebody meanwhile has its end already."""
        for run_id in await self._worker.call(store.live_runs):
            if run_id not in self._logs:
                with suppress(UnknownRun, HubFull):
                    await self.open(run_id)

    # Looking after

    async def _tend(self) -> None:
        self._worker.later(shorten, self._keeping, self._clock())
        while True:
            with suppress(HubUnreachable):
                await self._worker.call(store.note_moment, self._clock() + 2 * TICK)
                while await self._worker.call(clean, self._keeping, self._clock()):
                    pass
            await asyncio.sleep(TICK)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
