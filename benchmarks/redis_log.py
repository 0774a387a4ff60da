"""The log in Redis: appends per second, and the lag of a follower in another process. A real redis-server, which
writes nothing to disk.

- *appends*: from the first append of 10,000 events until Redis has committed the last. The peer awaits one plain XADD
  after the other, over the same driver.
- *lag*: 50 events a second, from just before each append until a follower in another process has it in hand, p50 and
  p99. The peer is a plain XADD, and XREAD with BLOCK in the other process.
"""

import asyncio
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from itertools import chain, cycle
from uuid import uuid4

import uvloop
from redis.asyncio import Redis

from benchmarks.harness import ROOT, Claim, Result, by_turns, free_port, listens, percentile, print_table, running
from streamlab.events.event import Done, StreamEvent, TextDelta, Thinking, encode
from streamlab.hub.redis.hub import RedisHub

APPENDS = 10_000
RATE = 50
SECONDS = 5  # of each measurement of the lag
FASTER, LAG = 3.0, 3.0  # targets

Append = Callable[[str], Awaitable[None]]


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Start a server of its own, which keeps nothing on disk, and return its address."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        with running(command, partial(listens, port), stdout=subprocess.DEVNULL):
            yield f"redis://127.0.0.1:{port}/0"


def _event(text: str, step: int = 1) -> StreamEvent:
    return Thinking(text, at=1.0, step=step)


async def hub_appends(url: str) -> float:
    """Measure the hub's appends per second."""
    async with RedisHub(url) as hub:
        log = hub.create(uuid4().hex)
        began = time.perf_counter()
        with log.follow() as follower:
            for number in range(APPENDS):
                log.append(_event("word "))
                if number % 100 == 0:
                    await asyncio.sleep(0)
            while follower.position.seq < APPENDS:
                await follower.batch()
        seconds = time.perf_counter() - began
        log.append(Done("completed", at=1.0))
    return APPENDS / seconds


async def bare_appends(url: str) -> float:
    """Measure the peer's appends per second."""
    stream = uuid4().hex
    data = encode(_event("word "))
    async with Redis.from_url(url) as redis:
        began = time.perf_counter()
        for _ in range(APPENDS // 5):
            await redis.xadd(stream, {"event": data})
        return APPENDS // 5 / (time.perf_counter() - began)


async def hub_lags(url: str) -> list[float]:
    """Measure the hub's lags in milliseconds."""
    async with RedisHub(url) as hub:
        log = hub.create(uuid4().hex)
        log.append(TextDelta("so that it is there", at=0.0))
        with log.follow() as follower:
            await follower.batch()

        steps = cycle((1, 2))  # so that none is merged with another

        async def append(text: str) -> None:
            log.append(_event(text, next(steps)))

        async with _follower(url, log.run_id, "hub") as printed:
            await _pace(append)
            log.append(Done("completed", at=1.0))
            return list(json.loads(await printed.readline()))


async def bare_lags(url: str) -> list[float]:
    """Measure the peer's lags in milliseconds."""
    stream = uuid4().hex
    async with Redis.from_url(url) as redis:

        async def append(text: str) -> None:
            await redis.xadd(stream, {"at": text})

        async with _follower(url, stream, "bare") as printed:
            await _pace(append)
            await append("end")
            return list(json.loads(await printed.readline()))


async def _pace(append: Append) -> None:
    began = time.monotonic()
    for number in range(round(RATE * SECONDS)):
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
        await append(str(time.monotonic()))


@contextlib.asynccontextmanager
async def _follower(url: str, name: str, way: str) -> AsyncIterator[asyncio.StreamReader]:
    """Follow in another process within the block; yield what it prints once it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.apps.redis_follower", url, name, way),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        limit=2**24,
    )
    try:
        assert process.stdout
        await process.stdout.readline()
        await asyncio.sleep(0.2)
        yield process.stdout
    finally:
        await process.wait()


def measure(url: str, rounds: int) -> dict[str, list[float]]:
    appends = {
        "hub appends": lambda: uvloop.run(hub_appends(url)),
        "bare appends": lambda: uvloop.run(bare_appends(url)),
    }
    lags = {"hub lags": lambda: uvloop.run(hub_lags(url)), "bare lags": lambda: uvloop.run(bare_lags(url))}
    found = by_turns(lags, rounds, warm_up=0)
    return by_turns(appends, rounds) | {name: list(chain(*each)) for name, each in found.items()}


def claims(results: dict[str, list[float]]) -> list[Claim]:
    ours, peer = (statistics.median(results[f"{name} appends"]) / 1e3 for name in ("hub", "bare"))
    found = [Claim("appends to Redis, beside single XADDs", ours, peer, FASTER, "k/s", at_least=True)]
    for share in (0.5, 0.99):
        ours, peer = (percentile(results[f"{name} lags"], share) for name in ("hub", "bare"))
        found.append(Claim(f"lag over Redis, p{share * 100:g}, beside XADD and XREAD", ours, peer, LAG, "ms"))
    return found


def run(rounds: int = 5) -> Result:
    if not shutil.which("redis-server"):
        print("redis-server is not installed: not measured")
        return Result([], {})
    with redis_server() as url:
        results = measure(url, rounds)
    rows = [
        (name, f"{statistics.median(values):,.1f}", f"{percentile(values, 0.99):,.1f}")
        for name, values in results.items()
    ]
    print_table(("appends/s, lags in ms", "p50", "p99"), rows)
    return Result(claims(results), results)
