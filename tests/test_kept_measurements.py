"""Measurements that are kept while they go on, over every engine, in real processes that are really killed."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass

import psutil
import pytest

from streamlab.browsers.items import Item
from streamlab.demo_model.process import DemoModel
from streamlab.hub import Hub, HubUnreachable
from streamlab.hub.redis.hub import RedisHub
from streamlab.latency.kept import LAPSE, KeptMeasurements
from streamlab.latency.measurement import Measurement, read_measurement
from streamlab.latency.measurements import AT_ONCE, Measurements, TooManyMeasurements
from tests.conftest import demo_model
from tests.present import present
from tests.redis_server import ROOT, RedisServer
from tests.shared import TIMES, name, soon
from tests.test_measurements import END_LIMIT, long_plan, processes, short_plan, until

pytestmark = pytest.mark.anyio

# In the others as `make soak`: what differs between the stores is in the tests of the hub.
OTHERS = [pytest.param(store, marks=pytest.mark.soak) for store in ("memory", "redis")]
in_one_store = pytest.mark.parametrize("any_hub", ["sqlite", *OTHERS], indirect=True)


@dataclass
class Bench:
    """What one process has."""

    hub: Hub
    measurements: Measurements
    kept: KeptMeasurements

    async def item(self, id: str) -> Item:
        return present(await self.kept.items.find(id))

    async def read(self, id: str) -> Measurement:
        return read_measurement((await self.item(id)).body)

    async def titles(self, browser: str) -> list[str]:
        return [entry.title for entry in await self.kept.items.entries(browser, "", 10)]

    async def whole(self, id: str) -> Measurement:
        async def ended() -> bool:
            return not (await self.item(id)).live

        await soon(ended)
        return await self.read(id)

    async def begun(self, id: str) -> None:
        """Wait until something of it is written."""

        async def measured() -> bool:
            return bool((await self.read(id)).observations)

        await soon(measured)


@pytest.fixture
async def bench(any_hub: Hub, demo: DemoModel) -> AsyncIterator[Bench]:
    with closing(Measurements(demo.base_url)) as measurements:
        yield Bench(any_hub, measurements, KeptMeasurements(measurements, any_hub))


@in_one_store
async def test_a_measurement_is_kept_while_it_goes_on(bench: Bench) -> None:
    """Listed and found at once; what was measured is there before its end, and then all of it."""
    me, plan = name(), short_plan(models=(demo_model(chunks=12, rate=40),), pairs=2)
    id = await bench.kept.ask(plan, browser=me, name="東京")
    begun = await bench.read(id)
    assert (begun.plan, begun.observations, begun.complete) == (plan, (), False)
    assert await bench.titles(me) == ["東京"]
    await bench.begun(id)
    partly = await bench.read(id)
    assert (await bench.item(id)).live
    whole = await bench.whole(id)
    assert whole.complete
    assert whole.observations[: len(partly.observations)] == partly.observations
    assert whole.observations == present(bench.measurements.find(id)).observations
    assert await bench.titles(me) == ["東京"]


@in_one_store
async def test_one_that_is_stopped_or_fails_keeps_what_it_has(bench: Bench) -> None:
    """It is not complete, and may be made again by its plan."""
    stopped, failed = [await bench.kept.ask(plan) for plan in (long_plan(), short_plan(models=("demo?fault=key",)))]
    assert (await bench.whole(failed)).complete is False
    await bench.begun(stopped)
    bench.measurements.stop(stopped)
    found = await bench.whole(stopped)
    assert (found.complete, bool(found.observations)) == (False, True)


async def test_one_that_is_refused_is_not_kept(bench: Bench) -> None:
    """For want of room."""
    me = name()
    running = [await bench.kept.ask(long_plan(), browser=me) for _ in range(AT_ONCE)]
    with pytest.raises(TooManyMeasurements):
        await bench.kept.ask(long_plan(), browser=me)
    assert {entry.key for entry in await bench.kept.items.entries(me, "", 10)} == set(running)


@in_one_store
async def test_one_that_is_deleted_ends(bench: Bench) -> None:
    """Also where another process deletes it; it can be brought back with what it had."""
    me = name()
    here, there = [await bench.kept.ask(long_plan(), browser=me, name="n") for _ in range(2)]
    await bench.begun(here)
    elsewhere = KeptMeasurements(Measurements(""), bench.hub)
    elsewhere.items.documents = bench.kept.items.documents  # in memory each has its own
    deleted = present(await bench.kept.items.delete(me, here))
    assert await elsewhere.items.delete(me, there)
    await soon(no_process)
    assert await bench.kept.items.find(here) is None
    await bench.kept.items.restore(here, deleted)
    assert (await bench.whole(here)).observations


async def no_process() -> bool:
    return not processes()


async def test_a_store_that_was_away_has_all_of_it_when_it_is_back(own_redis: RedisServer, demo: DemoModel) -> None:
    """And what is asked meanwhile is refused."""
    async with RedisHub(own_redis.url, times=TIMES) as hub:
        with closing(Measurements(demo.base_url)) as measurements:
            bench = Bench(hub, measurements, KeptMeasurements(measurements, hub))
            id = await bench.kept.ask(short_plan())
            own_redis.pause()
            with pytest.raises(HubUnreachable):
                await bench.kept.ask(short_plan())

            async def ended() -> bool:
                return present(measurements.find(id)).ended is not None

            await soon(ended)
            own_redis.resume()
            assert (await bench.whole(id)).complete


async def test_one_whose_process_died_is_not_live_for_long(bench: Bench) -> None:
    """By the store's clock."""
    id = await bench.kept.ask(long_plan())
    lapses = (await bench.item(id)).until
    assert 0 < lapses - bench.hub.shared.now() < 2 * LAPSE


CHILD = """
import sys, time
from streamlab.latency.measurements import Measurements
from streamlab.latency.plan import Plan
measurements = Measurements(sys.argv[1])
measurements.start(Plan(models=(sys.argv[2],), prompt="q"))
print(next(iter(measurements._children.values())).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL to send")
def test_no_measuring_process_outlives_the_one_that_started_it(demo: DemoModel) -> None:
    """However that ended, and in the middle of a call that takes minutes."""
    command = [sys.executable, "-c", CHILD, demo.base_url, demo_model(first=300)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        until(lambda: any(call.status == psutil.CONN_ESTABLISHED for call in child.net_connections()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    until(lambda: not child.is_running(), END_LIMIT)
