"""CPU per delivery when 1,000 followers read one log, beside a log built on `asyncio.Condition`.

A delivery is one event in the hands of one follower. Counts the process time from the append until the last
follower has read, for events one by one and for bursts of ten, on asyncio's own event loop and on uvloop.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from functools import partial

import uvloop

from benchmarks.harness import Claim, Result, by_turns, middles
from streamlab.events.event import StreamEvent, TextDelta
from streamlab.hub import Log

FOLLOWERS = 1_000
BURSTS = {"single events": (1, 100), "bursts of 10": (10, 50)}  # events per burst, bursts
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
TARGET = 1.25  # the peer knows neither gaps nor lag nor bounds


class HubLog:
    """Ours. `read_all` follows until event `until`, and tells `seen` how many events came each time."""

    def __init__(self) -> None:
        self.log = Log("benchmark")

    async def append(self, event: StreamEvent) -> None:
        self.log.append(event)

    async def read_all(self, until: int, seen: Callable[[int], None]) -> None:
        cursor = 0
        with self.log.follow() as follower:
            while cursor < until:
                newest = (await follower.batch())[-1].seq  # not the length: a follower that lags gets them merged
                seen(newest - cursor)
                cursor = newest


class ConditionLog:
    """The peer: a list and a condition that wakes everyone."""

    def __init__(self) -> None:
        self._events: list[StreamEvent] = []
        self._grown = asyncio.Condition()

    async def append(self, event: StreamEvent) -> None:
        async with self._grown:
            self._events.append(event)
            self._grown.notify_all()

    async def read_all(self, until: int, seen: Callable[[int], None]) -> None:
        cursor = 0
        while cursor < until:
            async with self._grown:
                while len(self._events) == cursor:
                    await self._grown.wait()
                batch = self._events[cursor:]
            cursor += len(batch)
            seen(len(batch))


LOGS = (HubLog, ConditionLog)


async def deliver(log: HubLog | ConditionLog, burst: int, bursts: int) -> float:
    """Measure the process time per delivery, in µs."""
    total = burst * bursts
    missing = 0
    delivered = asyncio.Event()

    def seen(count: int) -> None:
        nonlocal missing
        missing -= count
        if not missing:
            delivered.set()

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(FOLLOWERS):
            group.create_task(log.read_all(total, seen))
        await asyncio.sleep(0)
        spent = time.process_time()
        for _ in range(bursts):
            missing += burst * FOLLOWERS
            at = time.monotonic() - began
            for _ in range(burst):
                await log.append(TextDelta("word ", at=at))
            await delivered.wait()
            delivered.clear()
        spent = time.process_time() - spent
    return spent / (total * FOLLOWERS) * 1e6


def measure(
    loop: Callable[[], asyncio.AbstractEventLoop], kind: type[HubLog | ConditionLog], burst: int, bursts: int
) -> float:
    gc.collect()
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(deliver(kind(), burst, bursts))


def run(rounds: int = 7) -> Result:
    results = {
        f"{kind}, {name}": by_turns({log.__name__: partial(measure, loop, log, *shape) for log in LOGS}, rounds)
        for name, loop in LOOPS.items()
        for kind, shape in BURSTS.items()
    }
    claims = []
    for kind, runs in results.items():
        ours, peer = middles(runs).values()
        claims.append(Claim(f"CPU per delivery, {FOLLOWERS:,} followers, {kind}", ours, peer, TARGET, "µs"))
    return Result(claims, results)
