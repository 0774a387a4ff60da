"""Runs of several processes: stopped, unwatched and given up from wherever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from streamlab.events.event import StreamEvent, Usage
from streamlab.events.outcome import Outcome
from streamlab.hub import Log
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times
from streamlab.runs.chain import Clock
from streamlab.runs.run import RunLimits, Runs
from tests.conftest import check_laws, shown, until
from tests.redis_hubs import LEASE, PATIENCE, TIMES, check_lost, delta, followed, grown_to, run_name, two_hubs
from tests.redis_server import RedisServer, producer, proxy

pytestmark = pytest.mark.anyio


class Counting:
    """An attempt that counts until it is stopped."""

    usage = Usage(0, 0)
    remark = None

    async def events(self, clock: Clock) -> AsyncIterator[list[StreamEvent]]:
        number = 0
        while True:
            number += 1
            yield [delta(f"{number} ", clock())]
            await asyncio.sleep(0.02)


@asynccontextmanager
async def counting(hub: RedisHub, **limits: float | None) -> AsyncIterator[tuple[Runs, str, list[Outcome]]]:
    """Runs on a hub, one of them live, and what becomes of it."""
    runs, outcomes = Runs(hub, RunLimits(**{"total": PATIENCE, **limits})), list[Outcome]()  # type: ignore[arg-type]
    watch = asyncio.create_task(runs.watch())
    run_id = runs.start(Counting, outcomes.append)
    try:
        yield runs, run_id, outcomes
    finally:
        watch.cancel()
        await runs.close()


async def test_a_stop_reaches_the_process_that_produces_the_run(redis_server: RedisServer) -> None:
    """And its followers everywhere see that it was stopped."""
    async with two_hubs(redis_server.url) as (here, there), counting(here) as (_, run_id, outcomes):
        await here.open(run_id)
        log = await there.open(run_id)
        await grown_to(log, 3)
        Runs(there).stop(run_id)
        await followed(log)
        assert log.done
        assert (log.done.status, log.done.code) == ("stopped", None)
        assert [outcome.status for outcome in outcomes] == ["stopped"]
        check_laws(log.since(0))


async def test_a_stop_of_another_process_ends_a_run_of_a_real_second_one(redis_server: RedisServer) -> None:
    """It need not be followed for that."""
    run_id = run_name()
    with producer(redis_server.url, run_id, LEASE) as other:
        async with RedisHub(redis_server.url) as hub:
            Runs(hub).stop(run_id)
            assert await asyncio.to_thread(other.said) == "asked"
            assert await asyncio.to_thread(other.said) == "ended"


async def test_a_run_that_is_followed_in_another_process_is_not_unwatched(redis_server: RedisServer) -> None:
    """It is stopped when the last follower there has left."""
    async with (
        two_hubs(redis_server.url, times=Times(lease=1)) as (here, there),
        counting(here, unwatched=2.0) as (_, run_id, _),
    ):
        await here.open(run_id)
        log = await there.open(run_id)
        with log.follow():
            await anyio.sleep(4)
            assert log.done is None
        await followed_to_unwatched(there, run_id)


async def followed_to_unwatched(hub: RedisHub, run_id: str) -> None:
    """Looks at the log without following it."""
    log = await hub.open(run_id)
    await until(lambda: log.done is not None)
    assert log.done
    assert (log.done.status, log.done.code) == ("stopped", "unwatched")


async def test_a_run_that_cannot_be_written_is_given_up(own_redis: RedisServer) -> None:
    """Redis is away for longer than is waited for: the run is stopped, and who follows it here hears why."""
    async with (
        proxy(own_redis) as way,
        RedisHub(way.url, times=Times(lease=LEASE, away=0.5)) as hub,
        counting(hub) as (runs, run_id, outcomes),
    ):
        log = await hub.open(run_id)
        reading = asyncio.create_task(followed(log))
        await grown_to(log, 3)
        await way.cut()
        items = await reading
        await until(lambda: not runs.live)
        assert [(outcome.status, outcome.code) for outcome in outcomes] == [("lost", "producer_lost")]
    assert shown(items) == shown(log.since(0))
    check_lost(log)


async def test_a_run_that_writes_more_than_may_wait_is_given_up(own_redis: RedisServer) -> None:
    """The buffer is bounded; a run must not fill the memory while Redis is away."""
    stops: list[str] = []
    async with proxy(own_redis) as way, RedisHub(way.url, times=TIMES) as hub:
        log = hub.create(run_name(), stops.append)
        log.append(delta("committed"))
        await here_settled(hub, log)
        epoch = log.epoch
        await way.cut()
        for _ in range(100):
            log.append(delta("x" * 100_000))
        assert stops == ["lost"]
        await followed(log)
    assert log.epoch != epoch, "what Redis has may differ"
    check_lost(log)


async def here_settled(hub: RedisHub, log: Log) -> None:
    assert await hub.open(log.run_id) is log
    assert log.seq
