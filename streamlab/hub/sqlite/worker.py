"""The one connection to the file, and the thread that reads and writes with it; the loop itself commits what is small.

What gathers while a transaction runs goes with the next one.
"""

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
SLOW, WARY = 0.005, 30.0  # seconds that the loop may take to commit, and until it does so again when it took longer

Work = Callable[[sqlite3.Connection], T]
"""What is done at the file, mostly on the thread; done anew when it failed."""


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Work, and who is told on the loop what came of it: its result, or why there is none."""

    work: Work[T]
    answer: Callable[[T], None]
    failed: Callable[[Exception], None]
    small: bool = False  # it is one statement of few bytes, so a transaction by itself


class Writer(Protocol):
    """Has something to be committed; `job` takes it when a transaction begins."""

    def job(self) -> Job[Any]: ...


class Worker:
    """Does work in transactions, on a thread of its own from `start` to `close`. Belongs to one event loop.

    What does not succeed together with others is done by itself, so that it spoils nothing but itself. `renewed` is
    told when the file turned out to be damaged or gone: it is an empty one from then on. Whether it is gone is looked
    at after each transaction, before anyone is told that it succeeded, and each second without one.

    To wake the thread, and the loop in its turn, costs more than a small transaction; so a small job that comes alone
    is done on the loop while the thread has nothing to do. With synchronous=NORMAL it waits for no disk: only the first
    write to a new write-ahead log and the move of it into the file do, and these are the thread's. Where it took long
    all the same, or failed, or the folder has changed, the thread goes on.
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
        self._slow_until = 0.0
        self._warm: sqlite3.Connection | None = None  # the one that has begun its write-ahead log
        self._moved = 0.0  # when it was tried last to move that into the file
        self._idling = threading.Lock()  # held while the thread is at the file though it was given nothing to do
        self._batches: SimpleQueue[tuple[list[Job[Any]], list[Any] | None] | None] = SimpleQueue()
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
        if not jobs:
            return
        self.began = time.monotonic()
        results = self._done_here(jobs)
        if results is not None and self._file.undisturbed:
            _tell(jobs, results)
        else:
            self._running = True
            self._batches.put((jobs, results))

    def _done_here(self, jobs: list[Job[Any]]) -> list[Any] | None:
        """Do a small job on the loop; None where it is left to the thread.

        Not several: each statement lets go of the GIL, for which the loop then waits where another thread computes.
        """
        job = jobs[0]
        if len(jobs) > 1 or not job.small or not self.reachable or self.began < self._slow_until:
            return None
        if not self._idling.acquire(blocking=False):
            return None
        try:
            return [job.work(self._file.connection)] if self._file.connection is self._warm else None
        except Exception:
            return None  # of this statement nothing was done
        finally:
            self._idling.release()
            if time.monotonic() - self.began > SLOW:
                self._slow_until = self.began + WARY

    def _finished(self, jobs: list[Job[Any]], results: list[Any], wrote: bool, renewed: bool) -> None:
        self._running = False
        self._take_stock([result for result in results if isinstance(result, sqlite3.Error)], wrote, renewed)
        _tell(jobs, results)
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
                batch = self._batches.get(timeout=PAUSE)
            except Empty:
                worked = self._idle(worked)
                continue
            if batch is None:
                break
            jobs, _ = batch
            self._loop.call_soon_threadsafe(self._finished, jobs, *self._done(*batch))
            worked = True
            if time.monotonic() - self._moved > PAUSE and self._file.has_long_log:
                with self._idling:
                    self._checkpoint()
        self._file.close()

    def _idle(self, worked: bool) -> bool:
        """Use a pause, if it is one of the loop as well; tell whether the write-ahead log may hold something still."""
        with self._idling:
            if time.monotonic() - self.began < PAUSE:
                return worked
            if worked:
                self._checkpoint()
            self._look_idly()
            return False

    def _done(self, jobs: list[Job[Any]], results: list[Any] | None) -> tuple[list[Any], bool, bool]:
        """Do the jobs, unless it is done, in a file that is still there afterwards.

        Tell whether they wrote, and if it is a new one.
        """
        before, renewed = self._changes(), False
        if results is None:
            results, renewed = self._results(jobs)
        wrote = self._changes() != before
        if wrote and not renewed:
            self._warm = self._file.connection
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
        self._warm, self._moved = None, time.monotonic()
        try:
            self._file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            logger.warning("the write-ahead log stays for now (%s)", error)


def _tell(jobs: list[Job[Any]], results: list[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if isinstance(result, Exception):
            job.failed(result)
        else:
            job.answer(result)
