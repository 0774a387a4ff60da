"""The page's connections to Redis, killed while a run goes on."""

import asyncio
from typing import Any

import anyio
import pytest
from redis.asyncio import Redis

from components.page.texts import texts
from streamlab.engine import Engine
from streamlab.events.event import Done, Event, TextDelta, Usage
from streamlab.gateway.gateway import Gateway
from streamlab.hub import Gap, HubUnreachable, Item, MemoryHub, Outage, Snapshot
from streamlab.hub.redis.hub import RedisHub
from tests import relay_page
from tests.conftest import check_laws
from tests.events import content
from tests.pages import LIMIT, checked, languages, visit
from tests.redis_server import RedisServer
from tests.relay_page import STEADY, ended, lab, start, told

served = relay_page.served  # fixtures are found by their names


@languages
def test_without_redis_there_is_no_connection_to_kill(served: tuple[Engine, Gateway], language: str) -> None:
    """The button says why, before a run as well as during one."""
    app = visit("relay", language)
    for _ in range(2):
        kill = app.button(key="relay.kill")
        assert kill.disabled
        assert kill.help == texts(language)["relay.kill_none"]
        start(app, "demo")
    app.button(key="relay.stop").click().run()


@languages
@pytest.mark.soak
def test_a_run_goes_on_when_its_connections_to_redis_are_killed(own_redis: RedisServer, language: str) -> None:
    """The page tells how many there were and that they are back; or that Redis is away, and then nothing is lost
    either: at last the log has each event once, and its whole text."""
    words = texts(language)
    with lab(redis_url=own_redis.url) as (engine, _):
        app = visit("relay", language)
        log = engine.hub.log(start(app, STEADY))
        checked(app.button(key="relay.kill").click().run())
        (said,) = (told(words["relay.killed"], info.value) for info in app.info)
        assert int(said["count"]) >= 2  # one writes, one reads
        own_redis.kill()
        checked(app.button(key="relay.kill").click().run())
        assert words["relay.not_killed"] in [warning.value for warning in app.warning]
        own_redis.start()
        assert ended(log) == "completed"
        check_laws(engine.portal.call(log.since, 0))
        idle = checked(app.run()).button(key="relay.kill")
        assert idle.disabled
        assert idle.help == words["relay.kill_idle"]


@pytest.mark.anyio
async def test_writers_and_readers_are_cut_in_the_middle_and_lose_nothing(redis_server: RedisServer) -> None:
    """Again and again, on both sides: who reads gets each event once and in order. Others' connections stay."""
    async with RedisHub(redis_server.url) as writing, RedisHub(redis_server.url) as reading:
        other = Redis.from_url(redis_server.url, single_connection_client=True)
        before = await other.client_id()
        log = writing.create("cut-run")
        for number in range(300):
            log.append(TextDelta(f"{number} ", at=0.0))
            if number == 0:
                await writing.open("cut-run")
                follower = (await reading.open("cut-run")).follow()
                items = asyncio.create_task(read(follower))
            if number % 100 == 50:
                outages = await asyncio.gather(writing.disconnect(), reading.disconnect())
                assert min(outage.connections for outage in outages) >= 2
            await asyncio.sleep(0.001)
        log.append(Done("completed", usage=Usage(0, 0), at=0.0))
        with anyio.fail_after(LIMIT):
            assert numbers(await items) == list(range(300))
        assert (await other.client_id(), await writing.open("cut-run")) == (before, log)
        await other.aclose()


async def read(follower: Any) -> list[Item]:
    items: list[Item] = []
    with follower:
        while batch := await follower.batch():
            items += batch
    return items


def numbers(items: list[Item]) -> list[int]:
    """Of the texts, none of which may have come as a snapshot."""
    assert not [item for item in items if isinstance(item, Gap | Snapshot)]
    return [int(number) for item in items if isinstance(item, Event) for number in (content(item)).split()]


@pytest.mark.anyio
async def test_what_cannot_be_closed_is_unreachable(own_redis: RedisServer) -> None:
    """Redis is away; and where there is no Redis, there is nothing to close."""
    async with RedisHub(own_redis.url) as hub:
        own_redis.kill()
        with pytest.raises(HubUnreachable):
            await hub.disconnect()
    assert await MemoryHub().disconnect() == Outage(0, 0.0)
