"""What brings the events of one run to Redis, in order, while the run goes on."""

import asyncio
import logging
import random
import time
from itertools import islice

from redis.exceptions import RedisError

from streamlab.hub.committed import LogWriter, Lost
from streamlab.hub.log import new_epoch
from streamlab.hub.redis.log import RedisLog
from streamlab.hub.redis.store import Store, Times, WriteReply

logger = logging.getLogger(__name__)

BATCH_EVENTS = 1_000
FIRST_DELAY = 0.02  # seconds until a failed call is repeated


class RedisWriter(LogWriter):
    """Numbers a run's events and commits them; what gathers while a call is under way goes with the next one.

    A run of which Redis has taken nothing for `Times.away` seconds is given up, also while it has nothing to say. If
    Redis comes back earlier and without the log, it is written anew from memory.
    """

    def __init__(self, log: RedisLog, store: Store, times: Times, lost: Lost, fence: int = 0) -> None:
        super().__init__(log, lost)
        self.fence = fence  # 0: not begun
        self._store = store
        self._times = times
        self._stored = log.seq  # of the newest event that Redis is known to have
        self._reached = time.monotonic()
        if fence:
            self._begun.set()
        self._task: asyncio.Task[None] | None = None
        self._restored = 0  # how often the log was written anew; what was asked before that is answered too late
        self._start()

    @property
    def task(self) -> asyncio.Task[None] | None:
        """Return the writing that is under way, if any is."""
        return self._task

    async def renew(self) -> None:
        """Tell that the producer lives, and learn whether anybody else follows."""
        if not self.fence:
            return
        log, restored = self._log, self._restored
        answer, watched = await self._store.renew(
            log.run_id, log.epoch, self.fence, self._stored, done=log.done is not None, followed=log.followers > 0
        )
        if restored != self._restored or self._closed:
            return
        self._heed(answer)
        if watched is not None:
            log.unfollowed_since = max(log.unfollowed_since, time.monotonic() - watched)

    def close(self) -> None:
        """Write nothing more."""
        self._closed = True
        if self._task:
            self._task.cancel()

    def give_up_late(self, awake: float) -> None:
        """Give the run up if Redis was away for too long. Until `awake` this process itself may have been held up."""
        if self._closed or (self._log.done and self._stored >= self.tail):
            return
        if time.monotonic() - max(self._reached, awake) > self._times.away:
            self._give_up("Redis was away for too long", taken=False)

    def _start(self) -> None:
        if self._task is None and not self._closed and (not self.fence or self._stored < self.tail):
            self._task = asyncio.get_running_loop().create_task(self._write(), name=f"log {self._log.run_id}")

    async def _write(self) -> None:
        delay = FIRST_DELAY
        try:
            while not self._closed and (not self.fence or self._stored < self.tail):
                try:
                    await (self._commit() if self.fence else self._begin())
                    delay = FIRST_DELAY
                except RedisError as error:
                    self._failed(error, first=delay == FIRST_DELAY)
                    await asyncio.sleep(random.uniform(delay / 2, delay))
                    delay = min(2 * delay, self._times.tick)
        finally:
            self._task = None

    def _failed(self, error: RedisError, *, first: bool) -> None:
        if first:
            logger.warning("run %s: Redis does not take its events (%s)", self._log.run_id, type(error).__name__)
        self.give_up_late(self._reached)

    async def _begin(self) -> None:
        log = self._log
        age, sum_ = time.monotonic() - log.began, log.snapshot()
        fence = await self._store.begin(log.run_id, log.epoch, age, sum_)
        if self._closed:
            return
        if not fence:
            self._give_up("another process produces it", taken=True)
            return
        self.fence, self._stored = fence, sum_.seq
        self._reached = time.monotonic()
        self._begun.set()

    async def _commit(self) -> None:
        log, restored = self._log, self._restored
        again = log.since(self._stored)[:BATCH_EVENTS] if self._stored < log.seq else []
        batch = [(event, 0) for event in again] or list(islice(self._queue, BATCH_EVENTS))
        events = [event for event, _ in batch]
        leaving = [] if again else log.leaving(events, [size for _, size in batch])
        first = log.first + len(leaving)
        answer = await self._store.append(log.run_id, log.epoch, self.fence, events, first, log.change(leaving))
        if restored != self._restored or self._closed:
            return
        self._heed(answer)
        if answer == "ok":
            self._stored = events[-1].seq
            self._committed(0 if again else len(batch))

    def _heed(self, answer: WriteReply) -> None:
        match answer:
            case "ok":
                self._reached = time.monotonic()
            case "fenced":
                self._give_up("another process has ended it", taken=True)
            case "missing" | "behind":
                self._restore(missing=answer == "missing")

    def _restore(self, *, missing: bool) -> None:
        """Write the log anew. As the same one, unless another process may have ended it before Redis lost it."""
        logger.warning("run %s: Redis has lost its log, it is written anew", self._log.run_id)
        if missing and time.monotonic() - self._reached > self._times.lease:
            self._log.rename(new_epoch())
        self.fence, self._restored = 0, self._restored + 1
        self._start()
