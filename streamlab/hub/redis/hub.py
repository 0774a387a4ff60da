"""The hub's Redis engine: logs that several processes share. Each of them produces runs and follows those of all."""

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self
from weakref import WeakValueDictionary

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from streamlab.hub.errors import HubUnreachable, UnknownRun
from streamlab.hub.hub import Outage, Stop
from streamlab.hub.log import Bounds, Log
from streamlab.hub.memory.hub import CAPACITY, MemoryHub
from streamlab.hub.redis.leases import Leases
from streamlab.hub.redis.log import RedisLog
from streamlab.hub.redis.reader import READ_BLOCK, LogReader
from streamlab.hub.redis.shared import RedisShared
from streamlab.hub.redis.store import Store, Times
from streamlab.hub.redis.writer import RedisWriter

logger = logging.getLogger(__name__)

CONNECTIONS = 32


class RedisHub(MemoryHub):
    """The logs that this process writes, and those of other processes that it was asked for.

    One connection reads all that is followed here. A log that is read leaves when nobody follows it any more.
    """

    durable = True
    _logs: dict[str, RedisLog]  # type: ignore[assignment] # a dict is invariant; nothing else is put into this one

    def __init__(
        self, url: str, *, bounds: Bounds | None = None, times: Times | None = None, capacity: int = CAPACITY
    ) -> None:
        self._times = times or Times()
        super().__init__(bounds=bounds, kept=self._times.kept, capacity=capacity)
        self._id = secrets.token_hex(8)
        self._redis = _client(url, CONNECTIONS, self._times.answer, self._name)
        self._reading = _client(url, 1, READ_BLOCK + self._times.answer, self._name)
        self._store = Store(self._redis, self._id, self._times)
        self.shared = RedisShared(self._redis, self._times.answer)
        self._writers: dict[str, RedisWriter] = {}  # by run id
        self._reader = LogReader(self._reading, self._store, self._id, self._times, self._logs)
        self._leases = Leases(self._store, self._times, self._logs, self._writers, self._reader, self._take_over)
        self._looks: dict[str, asyncio.Task[RedisLog]] = {}  # that are still to begin
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False  # the driver may swallow a cancellation that comes together with an answer

    async def __aenter__(self) -> Self:
        self._spawn(self._reader.read_all())
        self._spawn(self._tend_all())
        self._spawn(self._watch_outages())
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Bring to Redis what was appended, if it answers, and let go of the connections."""
        writers = list(self._writers.values())
        until = time.monotonic() + self._times.closing
        if writing := [writer.task for writer in writers if writer.task]:
            await asyncio.wait(writing, timeout=self._times.closing)
        await self.shared.close(max(0.0, until - time.monotonic()))
        self._closed = True
        self._reader.close()
        for writer in writers:
            writer.close()
        ending = {*self._tasks, *(writer.task for writer in writers if writer.task)}
        while ending:
            for task in ending:
                task.cancel()
            _, ending = await asyncio.wait(ending, timeout=0.1)
        await self._reading.aclose()
        await self._redis.aclose()

    @property
    def _name(self) -> str:
        """Return the name of this process's connections, as Redis lists them."""
        return f"streamlab-{self._id}"

    @property
    def reachable(self) -> bool:
        """Tell whether Redis answers."""
        return self._reader.reachable

    async def try_write(self) -> None:
        """Write something small. Raises HubUnreachable with a sentence that says why it cannot be."""
        await self._store.try_write()

    def create(self, run_id: str, stop: Stop | None = None) -> Log:
        """Make a new, empty log, which this process writes. Raises HubFull."""
        self.sweep()
        self._make_room()
        log = self._logs[run_id] = RedisLog(run_id, self._bounds, stop)
        log.due = time.monotonic() + self._times.renewal
        self._write(log)
        return log

    async def open(self, run_id: str) -> Log:
        """Return the log with all that was committed to it until now. Raises UnknownRun, HubFull or HubUnreachable."""
        log = self._logs.get(run_id)
        if log is None or log.read or log.ended_here:
            return await self._shared_look(run_id)
        if writer := self._writers.get(run_id):
            await writer.settled(self._times.answer)
        return log

    async def _shared_look(self, run_id: str) -> RedisLog:
        """Look at Redis once for all who ask until the look begins.

        Hundreds may, at once. One that is under way may have seen less than a caller already has.
        """
        look = self._looks.get(run_id)
        if look is None:
            look = self._looks[run_id] = asyncio.create_task(self._look(run_id))
            self._keep_task(look)
        return await asyncio.shield(look)

    async def _look(self, run_id: str) -> RedisLog:
        turn = self._turns.setdefault(run_id, asyncio.Lock())
        async with turn:
            del self._looks[run_id]
            log = self._logs.get(run_id)
            if log is None:
                return await self._fetched(run_id)
            try:
                if log.read:
                    await self._reader.load(log)
                elif log.ended_here:
                    return await self._found_again(log)
            except (RedisError, UnknownRun) as error:
                logger.warning("run %s is served from memory (%s)", run_id, type(error).__name__)
            return log

    def stop(self, run_id: str) -> None:
        """Ask whichever other process produces the run to stop it."""
        log = self._logs.get(run_id)
        if log is None or log.read:
            self._spawn(self._ask_to_stop(run_id))

    async def disconnect(self) -> Outage:
        """Have Redis close all connections of this process; returns when a message has been written and read again.

        Raises HubUnreachable when Redis does not answer or does not allow it.
        """
        began = time.monotonic()
        try:
            closed = await self._store.kill(self._name)
            self._reader.message_came.clear()
            await self._store.call(self._id, wake="1")
            async with asyncio.timeout(READ_BLOCK + self._times.answer):
                await self._reader.message_came.wait()
        except (RedisError, TimeoutError) as error:
            logger.warning("the connections to Redis were not closed and back (%s)", type(error).__name__)
            raise HubUnreachable("the store of the logs does not answer") from None
        return Outage(closed, time.monotonic() - began)

    def sweep(self) -> None:
        super().sweep()
        now = time.monotonic()
        for log in list(self._logs.values()):
            if self._only_read(log) and now - log.unfollowed_since > self._times.unfollowed:
                self._drop(log)

    def _drop(self, log: Log) -> None:
        super()._drop(log)
        self._writers.pop(log.run_id, None)

    def _may_leave(self, log: Log) -> bool:
        return super()._may_leave(log) or self._only_read(self._logs[log.run_id])

    @staticmethod
    def _only_read(log: RedisLog) -> bool:
        return log.writer is None and not log.followers

    # Writing

    def _write(self, log: RedisLog, fence: int = 0) -> RedisWriter:
        def lost(taken: bool) -> None:
            log.writer, log.lost, log.loaded, log.due = None, True, False, 0.0
            self._writers.pop(log.run_id, None)
            if not taken:
                log.end_as_lost()
            if writer.task:
                self._keep_task(writer.task)
            if log.stop:
                log.stop("lost")

        log.writer = writer = self._writers[log.run_id] = RedisWriter(log, self._store, self._times, lost, fence)
        return writer

    # Reading

    async def _fetched(self, run_id: str) -> RedisLog:
        self._make_room()
        log = RedisLog(run_id, self._bounds)
        try:
            await self._reader.load(log)
        except ValueError:
            self._reader.give_up(log)
        except RedisError:
            raise HubUnreachable("the store of the logs does not answer") from None
        log = self._logs.setdefault(run_id, log)  # it may have been begun here meanwhile
        await self._reader.wake()
        return log

    async def _found_again(self, log: RedisLog) -> RedisLog:
        """Return what Redis has of a log that was ended here as lost: others may have gone on with it."""
        found = RedisLog(log.run_id, self._bounds)
        await self._reader.load(found)
        self._logs[log.run_id] = found
        await self._reader.wake()
        return found

    async def _ask_to_stop(self, run_id: str) -> None:
        for _ in range(round(self._times.away / self._times.tick)):
            with suppress(RedisError):
                if hub_id := await self._store.producer(run_id):
                    await self._store.call(hub_id, stop=run_id)
                    return
            await asyncio.sleep(self._times.tick)  # Redis is away, or the run has only just begun

    # Looking after

    async def _tend_all(self) -> None:
        while not self._closed:
            await asyncio.sleep(self._times.tick)
            self.sweep()
            await self._leases.tend()

    async def _watch_outages(self) -> None:
        """End what Redis has not answered for in too long, also while the calls to it hang."""
        awake = time.monotonic()
        while not self._closed:
            slept = time.monotonic()
            await asyncio.sleep(self._times.tick)
            if time.monotonic() - slept > self._times.grace:
                awake = time.monotonic()
            self._leases.end_unreached(awake)

    async def _take_over(self, log: RedisLog) -> None:
        """End a run in the place of its producer, which is gone, unless another process does."""
        if fence := await self._store.take(log.run_id, log.epoch):
            await self._reader.load(log)
            writer = self._write(log, fence)
            for event in log.last_events():
                writer.put(event)
            self._count_taken_over(log.run_id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep_task(asyncio.get_running_loop().create_task(work))

    def _keep_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _client(url: str, connections: int, timeout: float, name: str) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        client_name=name,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1),  # every call may be repeated; a connection may have been closed while it was idle
    )
    return Redis.from_pool(pool)
