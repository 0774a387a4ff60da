"""What befalls a stack in turn: Redis stands still, one gateway is killed, the other one is told to leave."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import cycle
from typing import Any, TypeAlias

import psutil

from tests.classroom import sleep_until, until
from tests.redis_server import RedisServer
from tests.stack import GatewayProcess, Stack

Accident: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

CALM = 75.0  # seconds after an accident until the clients are where they would be without it, at most
ORPHAN = 10.0  # seconds that the demo model of a killed gateway has to see that it is alone


class Accidents:
    """Befall the stack one after the other, until the class is over."""

    def __init__(self, stack: Stack, redis: RedisServer, every: float) -> None:
        self._stack, self._redis, self._every = stack, redis, every
        self._chance = random.Random("accidents")
        self._last = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.kills: list[float] = []  # by the loop's clock
        self.leavings: list[float] = []
        self.wrong: list[str] = []

    @property
    def calm(self) -> bool:
        return time.monotonic() - self._last > min(CALM, self._every / 2)

    async def happen(self, over: asyncio.Event) -> None:
        first, second = self._stack.gateways
        accidents: tuple[Accident, ...] = (self._pause, partial(self._kill, first), partial(self._leave, second))
        for accident in cycle(accidents):
            await sleep_until(over, self._every)
            if over.is_set():
                return
            self._last = float("inf")
            await accident()
            self._last = time.monotonic()

    async def _pause(self) -> None:
        """Let Redis stand still for longer than it may take to answer, and shorter than a lease lasts."""
        self.counts["Redis paused"] += 1
        self._redis.pause()
        try:
            await asyncio.sleep(self._chance.uniform(3, 6))
        finally:
            self._redis.resume()

    async def _kill(self, gateway: GatewayProcess) -> None:
        self.counts["killed"] += 1
        assert gateway.pid
        children: list[psutil.Process] = psutil.Process(gateway.pid).children(recursive=True)
        self.kills.append(asyncio.get_running_loop().time())
        gateway.signal(signal.SIGKILL)
        await asyncio.to_thread(gateway.wait)
        if not await until(lambda: not any(map(_runs, children)), ORPHAN):
            self.wrong.append(f"a killed gateway left {[child for child in children if _runs(child)]}")
        await self._again(gateway)

    async def _leave(self, gateway: GatewayProcess) -> None:
        self.counts["told to leave"] += 1
        self.leavings.append(asyncio.get_running_loop().time())
        gateway.signal(signal.SIGTERM)
        status = await asyncio.to_thread(gateway.wait)
        if status not in (0, -signal.SIGTERM):
            self.wrong.append(f"a gateway that was told to leave ended with {status}")
        await self._again(gateway)

    async def _again(self, gateway: GatewayProcess) -> None:
        await asyncio.sleep(self._chance.uniform(1, 4))
        gateway.start()
        await asyncio.to_thread(gateway.until_ready)


def _runs(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
