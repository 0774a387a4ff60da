"""Tells the living producers of runs from the dead: renews the leases held here, and watches those of others."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

from redis.exceptions import RedisError, ResponseError

from streamlab.hub.errors import UnknownRun
from streamlab.hub.redis.log import RedisLog
from streamlab.hub.redis.reader import READ_BLOCK, LogReader
from streamlab.hub.redis.store import Store, Times
from streamlab.hub.redis.writer import RedisWriter

logger = logging.getLogger(__name__)

TakeOver = Callable[[RedisLog], Awaitable[None]]
"""Ends a run in the place of its producer, which is dead, unless another process does."""


class Leases:
    """Looks after every log when it is due. `logs` and `writers` are the hub's, by run id, as they are now."""

    def __init__(
        self,
        store: Store,
        times: Times,
        logs: dict[str, RedisLog],
        writers: dict[str, RedisWriter],
        reader: LogReader,
        take_over: TakeOver,
    ) -> None:
        self._store = store
        self._times = times
        self._logs = logs
        self._writers = writers
        self._reader = reader
        self._take_over = take_over

    async def tend(self) -> None:
        """Renew or watch the leases that are due now."""
        await asyncio.gather(*(self._tend(log) for log in self._due()))

    def end_unreached(self, awake: float) -> None:
        """End the live runs that Redis has not answered for in too long: nobody can say whether they go on.

        Until `awake` this process itself may have been held up.
        """
        silent = time.monotonic() - max(self._reader.answered, awake) > READ_BLOCK + self._times.away
        for log in list(self._logs.values()):
            if writer := self._writers.get(log.run_id):
                writer.give_up_late(awake)
            elif silent and log.read:
                log.end_as_lost()

    def _due(self) -> Iterator[RedisLog]:
        now = time.monotonic()
        for log in list(self._logs.values()):
            if log.due <= now and (log.read or (log.writer and not self._over(log, now))):
                log.due = now + self._times.renewal
                yield log

    def _over(self, log: RedisLog, now: float) -> bool:
        """Tell whether a finished log's time is over: it must not come to life again."""
        if log.followers or not log.done:
            return False
        return now - log.began - log.done.at > self._times.kept - self._times.renewal

    async def _tend(self, log: RedisLog) -> None:
        writer = self._writers.get(log.run_id)
        try:
            await (writer.renew() if writer else self._watch(log))
        except (RedisError, UnknownRun):
            # Nothing is known: neither that a producer is dead nor that nobody else follows.
            log.lapsed_since = None
            log.unfollowed_since = log.due = time.monotonic()
        except ValueError:
            self._reader.give_up(log)

    async def _watch(self, log: RedisLog) -> None:
        """Look how a log stands that another process writes; one whose lease has lapsed for long enough is ended."""
        standing = await self._store.look(log.run_id, watched=log.followers > 0)
        if not log.read:
            return
        if standing and (standing.epoch != log.epoch or not log.loaded):
            await self._reader.load(log)
            await self._reader.wake()
        if standing and (standing.done or standing.lease > 0):
            log.lapsed_since = None
            log.due = min(log.due, time.monotonic() + max(0.0, standing.lease))
            return
        now = log.due = time.monotonic()
        log.lapsed_since = log.lapsed_since or now
        if now - log.lapsed_since < self._times.grace:
            return
        log.lapsed_since = None
        try:
            if standing:
                await self._take_over(log)
                return
        except ResponseError as error:  # it answers, and takes nothing: from its producer neither
            logger.warning("run %s: Redis does not take its end (%s)", log.run_id, type(error).__name__)
        log.end_as_lost()
