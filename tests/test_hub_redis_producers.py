"""Producers that die, stop, or have a rival: every follower sees one end."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from streamlab.events.event import Event, ToolCall, ToolResult
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times
from tests.conftest import shown
from tests.events import end, of
from tests.redis_hubs import (
    LEASE,
    TIMES,
    check_lost,
    delta,
    done,
    followed,
    grown_to,
    opened,
    run_name,
    two_hubs,
    written,
)
from tests.redis_server import RedisServer, producer, proxy

pytestmark = pytest.mark.anyio


def test_a_dead_producer_is_noticed_within_fifteen_seconds() -> None:
    """From its last renewal to the last look of the others, with the times as they are."""
    times = Times()
    assert times.lease + times.grace + 3 * times.tick < 15
    assert times.renewal == 3


async def test_a_killed_producer_ends_its_run_with_one_error_for_every_follower(redis_server: RedisServer) -> None:
    """Two other processes follow; one of them ends the run, and both see the same."""
    run_id = run_name()
    async with two_hubs(redis_server.url) as hubs:
        with producer(redis_server.url, run_id, LEASE) as other:
            logs = [await hub.open(run_id) for hub in hubs]
            followers = [asyncio.create_task(followed(log)) for log in logs for _ in range(3)]
            await grown_to(logs[0], 10)
            other.kill()
            read = await asyncio.gather(*followers)
    for log in logs:
        check_lost(log)
        assert written(log) == list(range(1, log.seq - 2))
    assert logs[0].since(0) == logs[1].since(0)
    assert all(shown(items) == shown(logs[0].since(0)) for items in read)
    assert all(sum(isinstance(item, Event) and item.type == "error" for item in items) == 1 for items in read)


async def test_the_calls_of_a_lost_run_are_answered(own_redis: RedisServer) -> None:
    """Every tool_call has its tool_result, also when nobody is left to run the tool."""
    async with proxy(own_redis) as way, two_hubs(way.url, own_redis.url) as (here, there):
        log = here.create(run_name())
        log.append(ToolCall("t", "1", {}, at=0.0, step=2))
        other = await opened(log, here, there)
        await way.cut()
        await followed(other)
        events = other.since(0)
        assert [event.type for event in events] == ["tool_call", "tool_result", "error", "done"]
        (result,) = of(events, ToolResult)
        assert (result.call_id, result.step, result.status) == ("1", 2, "stopped")
        assert end(events).status == "lost"


async def test_a_producer_that_was_stopped_past_its_lease_cannot_write_any_more(redis_server: RedisServer) -> None:
    """Its run has been ended by another; what it still appends is refused, and its run ends there too."""
    run_id = run_name()
    async with RedisHub(redis_server.url, times=TIMES) as hub:
        with producer(redis_server.url, run_id, LEASE) as other:
            log = await hub.open(run_id)
            await grown_to(log, 10)
            other.pause()
            await followed(log)
            other.resume()
            assert other.said() == "lost"
            assert other.said() == "ended"
    check_lost(log)
    async with RedisHub(redis_server.url) as hub:
        assert (await hub.open(run_id)).since(0) == log.since(0)


async def test_a_producer_that_is_refused_shows_its_followers_what_the_others_see(own_redis: RedisServer) -> None:
    """Cut off past its lease and back again: its own followers read the end that another process wrote."""
    reasons: list[str] = []
    async with proxy(own_redis) as way, two_hubs(way.url, own_redis.url) as (here, there):
        log = here.create(run_name(), reasons.append)
        log.append(delta("committed"))
        await here.open(log.run_id)
        reading = asyncio.create_task(followed(log))
        other = await opened(log, here, there)
        await way.cut()
        log.append(delta("never"))
        await followed(other)
        await way.listen()
        items = await reading
        assert reasons == ["lost"]
        log.append(delta("dropped"))
        await anyio.sleep(0.1)
        assert log.since(0) == other.since(0)
        assert shown(items) == "committed"
    check_lost(log)


async def test_of_two_producers_of_one_run_one_wins(redis_server: RedisServer) -> None:
    """All that is read anywhere is of one of them; the other hears that its run is lost, and follows."""
    for _ in range(4):
        run_id, lost = run_name(), list[str]()
        async with two_hubs(redis_server.url) as hubs:
            logs = [hub.create(run_id, lost.append) for hub in hubs]
            for number in range(20):
                for name, log in zip("ab", logs, strict=True):
                    log.append(delta(f"{name}{number} "))
                await anyio.lowlevel.checkpoint()
            for log in logs:
                log.append(done())
            read = await asyncio.gather(*(followed(log) for log in logs))
            assert lost == ["lost"]
            assert logs[0].since(0) == logs[1].since(0)
            assert logs[0].epoch == logs[1].epoch
            winner = shown(logs[0].since(0))[0]
            assert [shown(items) for items in read] == ["".join(f"{winner}{number} " for number in range(20))] * 2
