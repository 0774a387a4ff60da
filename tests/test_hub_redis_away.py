"""Redis is away for good, or takes nothing any more: whoever follows a live run is told its end, at every gateway."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import anyio
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from streamlab.events.event import Event
from streamlab.hub.redis.reader import READ_BLOCK
from streamlab.hub.redis.store import Times
from tests.conftest import demo_model, shown, until
from tests.gateway import ask, served
from tests.redis_hubs import PATIENCE, check_lost, delta, done, followed, opened, run_name, two_hubs
from tests.redis_server import RedisServer, proxy
from tests.test_hub_writable import full, gone, paused, replica

pytestmark = pytest.mark.anyio

AWAY = 0.8
TIMES = Times(lease=1.0, away=AWAY, answer=0.5)

Fault = Callable[[RedisServer, Redis], Awaitable[None]]
faults = pytest.mark.parametrize("fault", [gone, paused, full, replica], ids=lambda fault: fault.__name__)


def test_the_end_is_told_within_fifteen_seconds() -> None:
    """With the times as they are: to who follows the silent Redis here, and elsewhere; and where it takes nothing."""
    times = Times()
    assert times.away + 2 * times.tick < 15
    assert READ_BLOCK + times.away + 2 * times.tick < 15
    assert times.lease + times.grace + 3 * times.tick < 15
    assert times.away > times.lease, "another process may have ended it by then, and has not begun it anew"


@faults
@pytest.mark.parametrize("silent", [False, True])
async def test_who_follows_is_told_the_end_everywhere(own_redis: RedisServer, fault: Fault, silent: bool) -> None:
    """In the process that produces the run and in another one, whether or not it had more to say: one error, one done.

    Redis never comes back meanwhile.
    """
    stops: list[str] = []
    async with two_hubs(own_redis.url, times=TIMES) as (here, there), Redis.from_url(own_redis.url) as redis:
        log = here.create(run_name(), stops.append)
        log.append(delta("a"))
        other = await opened(log, here, there)
        reading = [asyncio.create_task(followed(each)) for each in (log, other)]
        await until(lambda: log.seq == other.seq == 1)
        await fault(own_redis, redis)
        if not silent:
            log.append(delta("b"))
        for items in await asyncio.gather(*reading):
            assert [item.status for item in items if isinstance(item, Event) and item.type == "done"] == ["lost"]
        assert stops == ["lost"]
        check_lost(log)
        check_lost(other)


async def test_a_restart_of_redis_ends_nothing(own_redis: RedisServer) -> None:
    """It is away for less than that: not a word is lost, and nobody is told an end."""
    times = Times(lease=1.0, away=20.0, answer=0.5)
    async with two_hubs(own_redis.url, times=times) as (here, there):
        log = here.create(run_name())
        log.append(delta("a"))
        other = await opened(log, here, there)
        reading = [asyncio.create_task(followed(each)) for each in (log, other)]
        own_redis.kill()
        log.append(delta("b"))
        await anyio.sleep(2 * times.lease)
        own_redis.start()
        log.append(done())
        for items in await asyncio.gather(*reading):
            assert shown([item for item in items if isinstance(item, Event)]) == "ab"
    assert log.since(0) == other.since(0)


async def test_what_went_on_elsewhere_is_found_again(own_redis: RedisServer) -> None:
    """One process has lost its way to Redis and told its followers the end; the run ended well all the same.

    Who asks there again, when the way is back, has all of it.
    """
    async with proxy(own_redis) as way, two_hubs(own_redis.url, way.url, times=TIMES) as (here, there):
        log = here.create(run_name())
        log.append(delta("a"))
        other = await opened(log, here, there)
        reading = asyncio.create_task(followed(other))
        await until(lambda: other.seq == 1)
        await way.cut()
        await reading
        check_lost(other)
        assert await there.open(log.run_id) is other
        log.append(delta("b"))
        log.append(done())
        await until(lambda: log.done is not None)
        await way.listen()
        with anyio.fail_after(PATIENCE):
            while (found := await there.open(log.run_id)) is other:  # noqa: ASYNC110 # nothing tells of it
                await anyio.sleep(0.1)
        await followed(found)
        assert (found.epoch, found.since(0)) == (log.epoch, log.since(0))


async def test_a_process_that_was_held_up_itself_ends_nothing(own_redis: RedisServer) -> None:
    """Its loop stood still for longer than Redis may be away, and nothing was wrong with Redis."""
    async with two_hubs(own_redis.url, times=TIMES) as (here, there):
        log = here.create(run_name())
        log.append(delta("a"))
        other = await opened(log, here, there)
        time.sleep(READ_BLOCK + 2 * AWAY)  # noqa: ASYNC251 # it is the loop that is to stand still
        log.append(done())
        for each in (log, other):
            await followed(each)
            assert each.done
            assert each.done.status == "completed"


@pytest.mark.soak
@pytest.mark.parametrize("fault", [gone, paused], ids=lambda fault: fault.__name__)
async def test_clients_of_two_gateways_are_told_within_fifteen_seconds(own_redis: RedisServer, fault: Fault) -> None:
    """With the times as they are, by a real clock: an answer in full flow and one that says nothing."""
    store = SecretStr(own_redis.url)
    async with (
        served(redis_url=store) as here,
        served(redis_url=store) as there,
        Redis.from_url(own_redis.url) as redis,
    ):
        here.client.timeout = there.client.timeout = PATIENCE
        for name in (demo_model(chunks=100_000, rate=20), demo_model(fault="silent")):
            response = await ask(here, model=name, message="q")
            assert response.status_code == 201
            await here.client.get(response.json()["links"]["run"].removeprefix("/api"))
        runs = list(here.engine.hub._logs)  # type: ignore[attr-defined]
        async with AsyncExitStack() as stack:
            readings = [
                await stack.enter_async_context(each.follow(await each.engine.hub.open(run)))
                for run in runs
                for each in (here, there)
            ]
            began = time.monotonic()
            await fault(own_redis, redis)
            for reading in readings:
                with anyio.fail_after(PATIENCE):
                    while not reading.ended:  # noqa: ASYNC110 # nothing tells of it
                        await anyio.sleep(0.05)
                assert [each.json["status"] for each in reading.parser.events if each.type == "done"] == ["lost"]
            assert time.monotonic() - began < 15
