"""Reads the logs of other processes from Redis, and the messages to this one, over one connection."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from streamlab.hub.errors import UnknownRun
from streamlab.hub.redis.log import RedisLog
from streamlab.hub.redis.store import Store, StoredLog, Times, calls_key, decoded, events_key

logger = logging.getLogger(__name__)

Entry = tuple[bytes, dict[bytes, bytes]]

PAGE = 1_000  # events that are read at once
READ_BLOCK = 1.0  # seconds that a read waits for something new


class LogReader:
    """Brings every log that is read here up to what Redis holds, for as long as `read_all` runs.

    `connection` is used by nothing else, for a read blocks it. `logs` are the hub's, by run id, as they are now.
    """

    def __init__(self, connection: Redis, store: Store, hub_id: str, times: Times, logs: dict[str, RedisLog]) -> None:
        self.reachable = True
        self.answered = time.monotonic()  # when Redis last did what it was asked here
        self.message_came = asyncio.Event()  # set with every message
        self._connection = connection
        self._store = store
        self._hub_id = hub_id
        self._times = times
        self._logs = logs
        self._last_message = "0-0"
        self._closed = False  # the driver may swallow a cancellation that comes together with an answer

    def close(self) -> None:
        """Read nothing more."""
        self._closed = True

    async def read_all(self) -> None:
        """Read what is new until closed; while Redis does not answer, try again."""
        while not self._closed:
            try:
                await self._read()
                self.reachable, self.answered = True, time.monotonic()
            except RedisError as error:
                if self.reachable:
                    logger.warning("Redis does not answer (%s)", type(error).__name__)
                self.reachable = False
                await asyncio.sleep(self._times.tick)

    async def load(self, log: RedisLog) -> None:
        """Bring a log that is read here up to what Redis holds now.

        Raises UnknownRun, RedisError, and ValueError where its stream holds something that is no event.
        """
        while True:
            standing = await self._standing(log)
            if log.epoch != standing.epoch or log.seq < standing.first - 1:
                standing = await self._standing(log, whole=True)
                log.restart(standing.epoch, standing.snapshot, standing.age)
            while log.read and log.seq < standing.seq:
                events = await self._store.events(log.run_id, log.seq, PAGE)
                if not events or not log.feed(events):
                    break  # the events left while they were being read
            else:
                break
        log.loaded = True

    async def wake(self) -> None:
        """End the read that waits, so that the next one has all logs; without that it ends after READ_BLOCK."""
        with suppress(RedisError):
            await self._store.call(self._hub_id, wake="1")

    def give_up(self, log: RedisLog) -> None:
        """End a log here whose stream holds something that is no event."""
        logger.exception("run %s: its stream holds what is no event of this version", log.run_id)
        log.end_as_lost()

    async def _standing(self, log: RedisLog, *, whole: bool = False) -> StoredLog:
        standing = await self._store.look(log.run_id, watched=log.followers > 0, whole=whole)
        if standing is None:
            raise UnknownRun(log.run_id)
        return standing

    async def _read(self) -> None:
        logs = {events_key(log.run_id).encode(): log for log in self._logs.values() if log.read and log.loaded}
        streams: dict[Any, Any] = {key: f"{log.seq}-0" for key, log in logs.items()}
        streams[calls_key(self._hub_id)] = self._last_message
        answer = await self._connection.xread(streams, count=PAGE, block=round(READ_BLOCK * 1000))
        for key, entries in cast(list[tuple[bytes, list[Entry]]], answer):
            if log := logs.get(key):
                await self._feed(log, entries)
            else:
                self._hear(entries)

    async def _feed(self, log: RedisLog, entries: list[Entry]) -> None:
        try:
            if not log.feed(decoded(entries)):  # the stream was trimmed beyond what was read
                await self.load(log)
        except UnknownRun:
            log.loaded = False
        except ValueError:
            self.give_up(log)

    def _hear(self, entries: list[Entry]) -> None:
        """Act on messages: `stop` names a run that is to end; `wake` only ends a read, so that another log joins it."""
        for message_id, message in entries:
            self._last_message = message_id.decode()
            self.message_came.set()
            log = self._logs.get(message.get(b"stop", b"").decode())
            if log and log.writer and log.stop:
                log.stop("asked")
