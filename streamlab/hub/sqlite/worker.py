"""The one thread that reads and writes the file. What gathers while a transaction runs goes with the next one."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from streamlab.hub.errors import HubUnreachable, StoreRefused, StoreUnwritable
from streamlab.hub.sqlite.file import StoreFile, is_damage

logger = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")

HELD = 0.05  # seconds that text may wait for more to go with it
PAUSE = 1.0  # seconds without work after which the write-ahead log is moved into the file

Work = Callable[[sqlite3.Connection], T]
"""What is done at the file, on the thread; done anew when it failed."""


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Work, and who is told on the loop what came of it: its result, or why there is none."""

    work: Work[T]
    answer: Callable[[T], None]
    failed: Callable[[Exception], None]


class Writer(Protocol):
    """Has something to be committed; `job` takes it when a transaction begins."""

    def job(self) -> Job[Any]: ...


class Worker:
    """Does work in transactions, on a thread of its own from `start` to `close`. Belongs to one event loop.

    What does not succeed together with others is done by itself, so that it spoils nothing but itself. `renewed` is
    told when the file turned out to be damaged or gone: it is an empty one from then on. Whether it is gone is looked
    at after each transaction, before anyone is told that it succeeded, and each second without one.
    """

    def __init__(self, file: StoreFile, renewed: Callable[[], None]) -> None:
        self.reachable = True
        self.began = 0.0  # when the last transaction was
        self._file = file
        self._renewed = renewed
        self._writers: dict[Writer, None] = {}  # those that have something, in the order in which they came by it
        self._jobs: list[Job[Any]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._urgent = False  # something waits that is not to be gathered any longer
        self._scheduled = False
        self._running = False
        self._closed = False
        self._batches: SimpleQueue[list[Job[Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """Finish what is under way, move everything into the file itself, and let go of it."""
        self._closed = True
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)
        for job in self._jobs:
            job.failed(sqlite3.OperationalError("the store is closed"))

    def wake(self, writer: Writer) -> None:
        """Have what the writer has committed as soon as can be."""
        self._writers[writer] = None
        self._schedule()

    def wake_soon(self, writer: Writer) -> None:
        """Have it committed with the next transaction, which begins within HELD seconds."""
        self._writers[writer] = None
        if self._timer is None:
            self._timer = self._loop.call_later(HELD, self._schedule)

    async def call(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work and return what it gives. Raises HubUnreachable when the file cannot be written or read."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def answer(result: T) -> None:
            if not future.done():
                future.set_result(result)

        def failed(error: Exception) -> None:
            if not future.done():
                future.set_exception(error)

        if self._closed:
            raise HubUnreachable("the store is closed")
        self._jobs.append(Job(lambda connection: work(connection, *args, **kwargs), answer, failed))
        self._schedule()
        try:
            return await future
        except sqlite3.Error as error:
            raise HubUnreachable(f"the store does not take it ({error})") from error

    def later(
        self, work: Callable[Concatenate[sqlite3.Connection, P], object], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Do the work without waiting for it; it is given up when it does not succeed."""
        self._jobs.append(
            Job(lambda connection: work(connection, *args, **kwargs), lambda result: None, lambda error: None)
        )
        self._schedule()

    def _schedule(self) -> None:
        """Begin a transaction after this pass of the loop, so that a burst goes with one."""
        self._urgent = True
        if not self._running and not self._scheduled and not self._closed:
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = self._urgent = False
        if self._timer:
            self._timer.cancel()
            self._timer = None
        jobs = [*(writer.job() for writer in self._writers), *self._jobs]
        self._writers.clear()
        self._jobs = []
        if jobs:
            self.began = time.monotonic()
            self._running = True
            self._batches.put(jobs)

    def _finished(self, jobs: list[Job[Any]], results: list[Any], wrote: bool, renewed: bool) -> None:
        self._running = False
        self._take_stock([result for result in results if isinstance(result, sqlite3.Error)], wrote, renewed)
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, Exception):
                job.failed(result)
            else:
                job.answer(result)
        if self._urgent and not self._scheduled and not self._closed:
            self._begin()

    def _take_stock(self, failures: list[sqlite3.Error], wrote: bool, renewed: bool) -> None:
        """Note how the store is, and tell of a new file."""
        if failures and self.reachable and not renewed:
            logger.warning("the store takes nothing at the moment (%s)", failures[0])
        if failures or wrote or renewed:
            self.reachable = renewed or not failures
        if renewed:
            self._renewed()

    # On the thread

    def _run(self) -> None:
        worked = True
        while True:
            try:
                jobs = self._batches.get(timeout=PAUSE)
            except Empty:
                if worked:
                    self._checkpoint()
                worked = False
                self._look_idly()
                continue
            if jobs is None:
                break
            results, wrote, renewed = self._done(jobs)
            worked = True
            self._loop.call_soon_threadsafe(self._finished, jobs, results, wrote, renewed)
        self._file.close()

    def _done(self, jobs: list[Job[Any]]) -> tuple[list[Any], bool, bool]:
        """Do the jobs in a file that is still there afterwards; tell whether they wrote, and if it is a new one."""
        before = self._changes()
        results, renewed = self._results(jobs)
        wrote = self._changes() != before
        gone, begun = self._look()
        return [gone] * len(jobs) if gone else results, wrote, renewed or begun

    def _changes(self) -> int:
        with suppress(sqlite3.ProgrammingError):  # it is closed: no file could be begun
            return self._file.connection.total_changes
        return 0

    def _look(self) -> tuple[sqlite3.Error | None, bool]:
        """Return why what was written just now is not kept, if so, and whether a new file was begun."""
        try:
            begun = self._file.look()
        except (StoreRefused, StoreUnwritable, sqlite3.Error) as error:
            return sqlite3.OperationalError(str(error)), False
        return sqlite3.OperationalError("its file was removed") if begun else None, begun

    def _look_idly(self) -> None:
        gone, begun = self._look()
        if gone:
            self._loop.call_soon_threadsafe(self._take_stock, [] if begun else [gone], False, begun)

    def _results(self, jobs: list[Job[Any]]) -> tuple[list[Any], bool]:
        try:
            return self._transaction(jobs), False
        except Exception as error:
            if is_damage(error):
                return [error] * len(jobs), self._renew()
            if len(jobs) == 1:
                return [error], False
        alone = [self._results([job]) for job in jobs]
        return [result for results, _ in alone for result in results], any(renewed for _, renewed in alone)

    def _transaction(self, jobs: list[Job[Any]]) -> list[Any]:
        connection = self._file.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [job.work(connection) for job in jobs]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results

    def _renew(self) -> bool:
        try:
            self._file.renew()
        except Exception:
            logger.exception("no new file can be begun")
            return False
        return True

    def _checkpoint(self) -> None:
        """Move the write-ahead log into the file; what was deleted is then in neither."""
        try:
            self._file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            logger.warning("the write-ahead log stays for now (%s)", error)
