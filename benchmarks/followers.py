"""CPU per delivery when 1,000 followers read one log, beside a log built on `asyncio.Condition`.

A delivery is one event in the hands of one follower. Counts the process time from the append until the last
follower has read, for events one by one and for bursts of ten, on asyncio's own event loop and on uvloop.
"""

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import uvloop

from benchmarks.harness import Claim, print_claims, write_json
from streamlab.events.event import StreamEvent, TextDelta
from streamlab.hub import Log

FOLLOWERS = 1_000
BURSTS = {"single events": (1, 100), "bursts of 10": (10, 50)}  # events per burst, bursts
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
TARGET = 1.25  # the peer knows neither gaps nor lag nor bounds


class EventLog(Protocol):
    """A log that is appended to and read by followers."""

    async def append(self, event: StreamEvent) -> None: ...

    async def read_all(self, until: int, seen: Callable[[int], None]) -> None:
        """Follow until event `until`; tell `seen` how many events came each time."""


class HubLog:
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


async def deliver(log: EventLog, burst: int, bursts: int) -> float:
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


def run(loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, float]) -> float:
    gc.collect()
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return µs per delivery: by loop and kind of burst, then by log."""
    results: dict[str, dict[str, list[float]]] = {}
    for name, loop in LOOPS.items():
        for kind, (burst, bursts) in BURSTS.items():
            runs = results[f"{kind}, {name}"] = {"ours": [], "condition": []}
            for _ in range(rounds):
                runs["ours"].append(run(loop, deliver(HubLog(), burst, bursts)))
                runs["condition"].append(run(loop, deliver(ConditionLog(), burst, bursts)))
    return results


def claims(results: dict[str, dict[str, list[float]]]) -> list[Claim]:
    return [
        Claim(
            f"CPU per delivery, {FOLLOWERS:,} followers, {kind}",
            statistics.median(runs["ours"]),
            statistics.median(runs["condition"]),
            TARGET,
            "µs",
        )
        for kind, runs in results.items()
    ]


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    results = measure(parser.parse_args(argv).rounds)
    found = claims(results)
    print_claims(found)
    print("Written to", write_json("followers", results))
    return found


if __name__ == "__main__":
    main()
