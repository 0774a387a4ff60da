"""Redis's answer is lost, Redis is away, Redis forgets: a run loses nothing."""

import asyncio
import time

import anyio
import anyio.lowlevel
import pytest

from streamlab.events.event import Event
from streamlab.hub import Gap, HubUnreachable, UnknownRun
from streamlab.hub.log import Bounds
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times
from tests.conftest import shown, until
from tests.redis_hubs import (
    AWAY,
    LEASE,
    PATIENCE,
    TIMES,
    check_lost,
    delta,
    done,
    followed,
    grown_to,
    opened,
    run_name,
    two_hubs,
)
from tests.redis_server import Proxy, RedisServer, producer, proxy

pytestmark = pytest.mark.anyio


async def test_an_append_whose_answer_was_lost_is_repeated_without_a_trace(own_redis: RedisServer) -> None:
    """Redis has done it and the connection breaks: the same call again finds it done."""
    async with proxy(own_redis) as way, two_hubs(way.url, own_redis.url) as (here, there):
        log = here.create(run_name())
        await here.open(log.run_id)
        asked: list[bytes] = []

        def every_third(request: bytes) -> bool:
            if b"number-" in request:
                asked.append(request)
            return b"number-" in request and len(asked) % 3 == 1

        way.swallow = every_third
        for number in range(30):
            log.append(delta(f"number-{number} "))
            await grown_to(log, number + 1)
        log.append(done())
        other = await opened(log, here, there)
        await followed(other)
        await followed(log)
    assert way.swallowed >= 10
    assert other.since(0) == log.since(0)
    assert shown(log.since(0)) == "".join(f"number-{number} " for number in range(30))


async def test_the_first_call_of_a_run_may_be_repeated_too(own_redis: RedisServer) -> None:
    """A log that was begun and not heard of is the same log."""
    async with proxy(own_redis) as way, two_hubs(way.url, own_redis.url) as (here, there):
        way.swallow = lambda request: b"EVALSHA" in request and way.swallowed < 4
        log = here.create(run_name())
        log.append(delta())
        log.append(done())
        await followed(log)
        assert way.swallowed == 4
        assert (await opened(log, here, there)).since(0) == log.since(0)


async def harm(fault: str, server: RedisServer, way: Proxy) -> None:
    """Redis is away for AWAY seconds."""
    match fault:
        case "unreachable":
            await way.cut()
            await anyio.sleep(AWAY)
            await way.listen()
        case "paused":
            server.pause()
            await anyio.sleep(AWAY)
            server.resume()
        case "killed":
            server.kill()
            await anyio.sleep(AWAY)
            await asyncio.to_thread(server.start)


@pytest.mark.parametrize("fault", ["unreachable", "paused", "killed"])
async def test_while_redis_is_away_a_run_loses_nothing(own_redis: RedisServer, fault: str) -> None:
    """Longer than a lease lasts: producer and followers wait, and go on where they were."""
    stops: list[str] = []
    async with proxy(own_redis) as way, two_hubs(way.url) as (here, there):
        log = here.create(run_name(), stops.append)
        log.append(delta("0 "))
        other = await opened(log, here, there)
        reading = [asyncio.create_task(followed(log)), asyncio.create_task(followed(other))]
        harming = asyncio.create_task(harm(fault, own_redis, way))
        number = 0
        while not harming.done():
            number += 1
            log.append(delta(f"{number} "))
            await anyio.sleep(0.02)
        await harming
        log.append(done())
        read = await asyncio.gather(*reading)
    text = "".join(f"{each} " for each in range(number + 1))
    assert [shown(items) for items in read] == [text] * 2
    assert not [item for items in read for item in items if not isinstance(item, Event)]
    assert log.since(0) == other.since(0)
    assert stops == []


@pytest.mark.parametrize("evicted", [False, True])
async def test_a_redis_that_forgot_is_told_again(own_redis: RedisServer, evicted: bool) -> None:
    """The producer writes its log anew from memory, live or finished: who follows elsewhere notices nothing."""
    bounds = Bounds(events=30) if evicted else None
    async with two_hubs(own_redis.url, bounds=bounds, times=Times(lease=5)) as (here, there):
        finished, log = here.create(run_name()), here.create(run_name())
        finished.append(delta("kept"))
        finished.append(done(round(time.monotonic() - finished.began, 6)))
        for number in range(50):
            log.append(delta(f"{number} "))
        await here.open(finished.run_id)
        await grown_to(log, 50)
        other = await opened(log, here, there)
        epoch, reading = other.epoch, asyncio.create_task(followed(other))
        await asyncio.sleep(0.1)
        own_redis.kill()
        own_redis.empty()
        log.append(delta("50 "))
        own_redis.start()
        await grown_to(other, 51)
        log.append(done())
        items = await reading
        async with RedisHub(own_redis.url) as third:
            fresh = await third.open(log.run_id)
            assert (fresh.since(0), fresh.snapshot()) == (log.since(0), log.snapshot())
            with anyio.fail_after(PATIENCE):
                while True:
                    try:
                        again = await third.open(finished.run_id)
                        break
                    except UnknownRun:
                        await anyio.sleep(0.1)
            assert again.since(0) == finished.since(0)
    assert shown(items) == "".join(f"{number} " for number in range(51))
    assert other.epoch == log.epoch == epoch
    assert other.since(0) == log.since(0)


async def test_a_log_that_may_have_been_ended_before_redis_forgot_it_is_another_one(own_redis: RedisServer) -> None:
    """Away for longer than the lease: another process may have written the end, so its tokens must not be taken."""
    async with proxy(own_redis) as way, RedisHub(way.url, times=TIMES) as here:
        log = here.create(run_name())
        log.append(delta("a"))
        await here.open(log.run_id)
        epoch = log.epoch
        reading = asyncio.create_task(followed(log))
        await way.cut()
        async with RedisHub(own_redis.url, times=TIMES) as there:
            await followed(await there.open(log.run_id))
        own_redis.kill()
        own_redis.empty()
        own_redis.start()
        await way.listen()
        log.append(delta("b"))
        log.append(done())
        items = await reading
    assert log.epoch != epoch
    assert [item for item in items if isinstance(item, Gap)] == [Gap(1, 0)]
    assert shown(items) == "ab"


async def test_followers_of_a_run_that_died_with_its_redis_hear_its_end(own_redis: RedisServer) -> None:
    """Nobody has the log any more: what is here is all there is."""
    run_id = run_name()
    async with RedisHub(own_redis.url, times=TIMES) as hub:
        with producer(own_redis.url, run_id, LEASE) as other:
            log = await hub.open(run_id)
            reading = asyncio.create_task(followed(log))
            await grown_to(log, 10)
            other.kill()
        own_redis.kill()
        own_redis.empty()
        own_redis.start()
        items = await reading
    assert [item.status for item in items if isinstance(item, Event) and item.type == "done"] == ["lost"]
    check_lost(log)


async def test_without_redis_what_is_here_is_served_and_the_rest_is_unreachable(own_redis: RedisServer) -> None:
    """A clear error, and no wrong one: the run may well be there."""
    async with two_hubs(own_redis.url) as (here, there):
        log = here.create(run_name())
        log.append(delta())
        other = await opened(log, here, there)
        assert here.reachable
        own_redis.kill()
        assert await here.open(log.run_id) is log
        assert await there.open(log.run_id) is other
        with pytest.raises(HubUnreachable):
            await there.open(run_name())
        await until(lambda: not there.reachable)
        own_redis.start()
        await until(lambda: there.reachable)
