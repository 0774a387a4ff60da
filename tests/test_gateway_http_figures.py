"""The gateway's figures: what is counted, and Prometheus's format."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from tests.conftest import demo_model, until
from tests.gateway import FAR_AHEAD, Served, ask, delta, ended, ending, served


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(gateway_runs_per_minute=10_000, gateway_max_runs=500) as lab:
        yield lab


def figures(text: str) -> dict[str, float]:
    """The samples of Prometheus's text format by name and labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


@pytest.mark.anyio
async def test_figures_count_what_was_sent_and_return_to_zero() -> None:
    """Two hundred clients that come and leave, some in the midst and some at the end: no follower and no task stays."""
    async with served() as lab:
        live, over = lab.log(delta("a", FAR_AHEAD)), lab.log(delta("a", FAR_AHEAD), *ending("a"))
        await lab.events(over)
        tasks = len(asyncio.all_tasks())
        for _ in range(10):
            async with asyncio.TaskGroup() as group:
                for _ in range(10):
                    group.create_task(lab.events(over))
                    group.create_task(_come_and_leave(lab, f"/runs/{live.run_id}/events?after={live.epoch}-0"))
        await until(lambda: live.followers == 0 and not len(lab.gateway.deliveries))
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        samples = figures((await lab.client.get("/metrics")).text)
        assert samples['streamlab_followers{protocol="sse"}'] == 0
        assert samples['streamlab_disconnects_total{protocol="sse",reason="ended"}'] == 101
        assert samples['streamlab_disconnects_total{protocol="sse",reason="client"}'] == 100
        assert samples['streamlab_reconnects_total{protocol="sse"}'] == 100
        assert 303 <= samples['streamlab_events_sent_total{protocol="sse"}'] <= 403
        assert samples['streamlab_bytes_sent_total{protocol="sse"}'] > 10_000
        assert samples['streamlab_first_event_seconds_count{protocol="sse"}'] >= 101
        assert samples["streamlab_hub_bytes"] == lab.engine.hub.size > 0
        assert not any(task.get_name().startswith("feed") for task in asyncio.all_tasks())


async def _come_and_leave(lab: Served, path: str) -> None:
    async with lab.client.stream("GET", path) as response:
        async for _ in response.aiter_raw():
            return


@pytest.mark.anyio
async def test_runs_are_counted_by_how_they_ended(lab: Served) -> None:
    """Started, live, and each end by its status."""
    await until(lambda: not lab.engine.runs.live)  # those of other tests
    before = figures((await lab.client.get("/metrics")).text)
    await ended(lab, await ask(lab, message="a"))
    await ended(lab, await ask(lab, message="a", model=demo_model(fault="key")))
    after = figures((await lab.client.get("/metrics")).text)
    for name, more in (
        ("streamlab_runs_started_total", 2),
        ('streamlab_runs_ended_total{status="completed"}', 1),
        ('streamlab_runs_ended_total{status="failed"}', 1),
    ):
        assert after[name] - before.get(name, 0) == more


@pytest.mark.anyio
async def test_figures_are_in_prometheuss_format(lab: Served) -> None:
    """Every family has its help and its type, and the type that Prometheus asks for."""
    response = await lab.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = set(re.findall(r"^# TYPE (streamlab_\w+) ", response.text, re.MULTILINE))
    assert families == set(re.findall(r"^# HELP (streamlab_\w+) ", response.text, re.MULTILINE))
    assert {"streamlab_followers", "streamlab_runs_live", "streamlab_hub_bytes"} <= families
