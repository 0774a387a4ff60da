"""Runs that several processes share: one writes, all read, within the same bounds."""

import asyncio
import logging
import time

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from streamlab.engine import engine_in_thread
from streamlab.events.event import Done, FinalAnswer, StreamEvent, TextDelta, ToolCall, ToolResult, Usage
from streamlab.hub import Gap, HubUnreachable, Snapshot, UnknownRun
from streamlab.hub.log import Bounds
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times, events_key
from streamlab.models.options import Options
from streamlab.settings import Settings
from tests.conftest import check_laws, shown, until
from tests.events import end
from tests.redis_hubs import LEASE, TIMES, delta, done, followed, grown_to, opened, run_name, two_hubs, written
from tests.redis_server import RedisServer, producer, proxy

pytestmark = pytest.mark.anyio


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
