"""Runs that several processes share: one writes, all read, and a fault of one part loses nothing of the others."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from streamlab.engine import engine_in_thread
from streamlab.events.event import Done, Error, Event, FinalAnswer, StreamEvent, TextDelta, ToolCall, ToolResult, Usage
from streamlab.events.outcome import Outcome
from streamlab.hub import Gap, HubUnreachable, Item, Log, Snapshot, UnknownRun
from streamlab.hub.log import Bounds
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times, events_key
from streamlab.models.options import Options
from streamlab.runs.chain import Clock
from streamlab.runs.run import RunLimits, Runs
from streamlab.settings import Settings
from tests.conftest import check_laws, shown, until
from tests.events import content, end, of
from tests.redis_server import Proxy, RedisServer, producer, proxy

pytestmark = pytest.mark.anyio

LEASE = 1.0  # seconds: long enough for a busy machine to renew it
TIMES = Times(lease=LEASE)
AWAY = float(os.environ.get("LAB_TEST_REDIS_AWAY", "1.6"))  # seconds, longer than the lease; 30 is what is promised
PATIENCE = 30.0 + AWAY


def run_name() -> str:
    return uuid4().hex


def delta(text: str = "x", at: float = 0.0) -> StreamEvent:
    return TextDelta(text, at=at)


def done(at: float = 0.0) -> StreamEvent:
    return Done("completed", usage=Usage(0, 0), at=at)


async def followed(log: Log) -> list[Item]:
    """All that a follower is given until the end."""
    items: list[Item] = []
    with anyio.fail_after(PATIENCE), log.follow() as follower:
        while batch := await follower.batch():
            items += batch
    return items


async def opened(log: Log, here: RedisHub, there: RedisHub) -> Log:
    """The log in the other process, with all that has been appended here."""
    assert await here.open(log.run_id) is log
    return await there.open(log.run_id)


async def grown_to(log: Log, seq: int) -> None:
    with anyio.fail_after(PATIENCE):
        while log.seq < seq:
            await log.grown()


@asynccontextmanager
async def two_hubs(
    url: str, other: str | None = None, times: Times = TIMES, bounds: Bounds | None = None
) -> AsyncIterator[tuple[RedisHub, RedisHub]]:
    """As two processes have them: the first one's address may be another than the second one's."""
    async with (
        RedisHub(url, times=times, bounds=bounds) as here,
        RedisHub(other or url, times=times, bounds=bounds) as there,
    ):
        yield here, there


def check_lost(log: Log) -> None:
    """It ends with one error and one done, and no event is twice there."""
    events = log.since(0)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events if event.type != "text_delta"] == ["error", "done"]
    assert (of(events, Error)[-1].code, end(events).status) == ("producer_lost", "lost")


def written(log: Log) -> list[int]:
    """The numbers that a second process wrote, as far as they are in the log."""
    text = "".join(content(event) for event in log.since(0))
    return [int(word) for word in text.split()[1:]]


# Two processes


async def test_a_run_of_another_process_is_followed_from_its_beginning_to_its_end(redis_server: RedisServer) -> None:
    """Everything once and in order, and as many followers as may be read it over one connection."""
    run_id = run_name()
    async with RedisHub(redis_server.url, times=TIMES) as hub:
        with producer(redis_server.url, run_id, LEASE) as other:
            log = await hub.open(run_id)
            await grown_to(log, 20)
            late = await hub.open(run_id)
            assert late is log
            other.finish()
            first, second = await asyncio.gather(followed(log), followed(late))
    events = log.since(0)
    assert shown(first) == shown(second) == shown(events)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert written(log) == list(range(1, len(events) - 1))
    assert end(events).status == "completed"


async def test_a_run_that_never_was_is_unknown(redis_server: RedisServer) -> None:
    """Also to a store that knows others."""
    async with RedisHub(redis_server.url) as hub:
        with pytest.raises(UnknownRun):
            await hub.open(run_name())
        assert len(hub) == 0


async def test_an_answer_of_any_content_arrives_as_it_was_written(redis_server: RedisServer) -> None:
    """Line ends, separators, NUL and lone surrogates, arguments and results of tools."""
    odd = "a\r\n\u2028\x00\ud800 data: 日本語"
    events = [
        delta(odd),
        ToolCall("t", "1", {odd[0]: [1, None, odd[:4]]}, at=0.1),
        ToolResult("t", "1", [True, 1.5], "completed", at=0.2),
        delta(odd, 0.3),
        FinalAnswer(odd + odd, at=0.4),
        Done("completed", usage=Usage(1, 2), at=0.5),
    ]
    async with two_hubs(redis_server.url, bounds=Bounds(events=4)) as (here, there):
        log = here.create(run_name())
        for event in events:
            log.append(event)
        other = await opened(log, here, there)
        await here.open(log.run_id)
        assert other.since(0) == log.since(0)
        assert len(log.since(0)) == 4
        assert other.snapshot() == log.snapshot() == Snapshot(2, 1, odd, ())


async def test_what_a_follower_sees_is_committed(redis_server: RedisServer) -> None:
    """Also in the process that writes: nobody is shown what a fault could still take back."""
    async with RedisHub(redis_server.url) as hub:
        log = hub.create(run_name())
        assert log.append(delta()).seq == 1
        assert log.append(delta()).seq == 2
        assert (log.seq, log.since(0)) == (0, [])
        await grown_to(log, 2)


async def test_a_position_of_one_process_is_known_to_every_other(redis_server: RedisServer) -> None:
    """Whoever comes with a token to another process is never told of a gap that there is not."""
    async with two_hubs(redis_server.url) as (here, there):
        log = here.create(run_name())
        await here.open(log.run_id)
        for number in range(40):
            log.append(delta(str(number)))
            other = await opened(log, here, there)
            assert (log.seq, other.seq) == (number + 1, number + 1)
            assert other.epoch == log.epoch


async def test_a_log_that_nobody_here_follows_leaves(redis_server: RedisServer) -> None:
    """One that is followed stays; one that left is fetched again."""
    async with two_hubs(redis_server.url, times=Times(lease=LEASE, unfollowed=0.3)) as (here, there):
        runs = [here.create(run_name()) for _ in range(2)]
        for log in runs:
            log.append(delta())
            await opened(log, here, there)
        with (await there.open(runs[0].run_id)).follow():
            await until(lambda: runs[1].run_id not in there)
            assert runs[0].run_id in there
        assert (await there.open(runs[1].run_id)).seq == 1
        assert len(here) == 2


async def test_a_finished_run_leaves_redis_when_its_time_is_over(redis_server: RedisServer) -> None:
    """Later where somebody follows it: then it is kept as long again."""
    times = Times(lease=0.5, kept=1.0, unfollowed=0.1)
    async with two_hubs(redis_server.url, times=times) as (here, there):
        log = here.create(run_name())
        log.append(done(round(time.monotonic() - log.began, 6)))
        with (await opened(log, here, there)).follow():
            await anyio.sleep(1.5)
            assert await there._redis.exists(events_key(log.run_id)) == 0, "nobody need read a log to its end again"
        await until(lambda: len(here) == 0)
        await until(lambda: len(there) == 0)
        with pytest.raises(UnknownRun):
            await there.open(log.run_id)


# Bounds


async def test_redis_holds_exactly_what_the_log_holds(redis_server: RedisServer) -> None:
    """No event more than its bounds allow, and of what left the same sum."""
    async with two_hubs(redis_server.url, bounds=Bounds(events=50)) as (here, there):
        log = here.create(run_name())
        for number in range(173):
            step = 1 + number // 80
            log.append(TextDelta(f"{number} ", at=0.0, step=step))
            if number % 40 == 39:
                log.append(ToolResult("t", str(number), number, at=0.0, step=step))
                await here.open(log.run_id)
                assert await here._redis.xlen(events_key(log.run_id)) == len(log.since(0)) <= 50
        await here.open(log.run_id)
        other = await opened(log, here, there)
        assert await here._redis.xlen(events_key(log.run_id)) == 50
        assert (other.first, other.seq, other.since(0)) == (log.first, log.seq, log.since(0))
        assert other.snapshot() == log.snapshot()
        assert [event.result for event in other.snapshot().tools] == [39, 79, 119]


async def test_a_reader_that_was_away_while_the_log_was_trimmed_is_told_of_the_gap(own_redis: RedisServer) -> None:
    """Redis would go on with the oldest entry that it has, and say nothing."""
    async with (
        proxy(own_redis) as way,
        two_hubs(own_redis.url, way.url, Times(lease=30), Bounds(events=20)) as (here, there),
    ):
        log = here.create(run_name())
        log.append(delta("first "))
        other = await opened(log, here, there)
        reading = asyncio.create_task(followed(other))
        await grown_to(other, 1)
        await way.cut()
        for number in range(100):
            log.append(delta(f"{number} "))
        await here.open(log.run_id)
        await way.listen()
        await grown_to(other, 101)
        log.append(done())
        items = await reading
    gaps = [item for item in items if isinstance(item, Gap)]
    assert gaps == [Gap(1, 81)]
    assert shown(items) == "first " + "".join(f"{number} " for number in range(100))


# A producer that dies, stops, or has a rival


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


# Redis's answer is lost, Redis is away, Redis forgets


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


# Runs


class Counting:
    """An attempt that counts until it is stopped."""

    usage = Usage(0, 0)
    cut_short = False

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


# The engine


def test_the_engine_is_chosen_by_its_address(redis_server: RedisServer) -> None:
    """An answer of one app process is read in another, down to the demo model behind it."""
    settings = Settings(_env_file=None, redis_url=SecretStr(redis_server.url))
    with engine_in_thread(settings) as engine:
        chat = engine.portal.call(engine.chats.ask, None, "What is streaming?", Options("demo"))
        run_id = chat.turns[-1].run_id
        items = [item for batch in engine.follow(run_id, 0.1) for item in batch]

        async def elsewhere() -> list[StreamEvent]:
            async with RedisHub(redis_server.url) as hub:
                return (await hub.open(run_id)).since(0)

        events = asyncio.run(elsewhere())
    assert shown(items) == shown(events)
    check_laws(events)


async def test_the_password_of_redis_is_told_nowhere(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the settings, not by an error, not in the log: also when Redis refuses it."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("REDIS_URL", own_redis.url.replace("//", "//:recognisable-secret@"))
    settings = Settings(_env_file=None)
    assert settings.redis_url
    async with Redis.from_url(own_redis.url) as redis:
        await redis.config_set("requirepass", "another")
    async with RedisHub(settings.redis_url.get_secret_value(), times=Times(lease=0.5, closing=0.1)) as hub:
        hub.create(run_name()).append(delta())
        with pytest.raises(HubUnreachable) as caught:
            await hub.open(run_name())
        await until(lambda: not hub.reachable)
    assert "Redis" in caplog.text
    assert "recognisable" not in f"{caplog.text} {caught.value} {settings!r}"
