"""Followers: merged deltas for who lags, one waking for a burst, and waits that are given up."""

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from streamlab.hub import Item, Log
from streamlab.hub.log import LAG_EVENTS, LAG_SECONDS
from tests.logs import FOREVER, delta, done, drain, seqs

# Lag


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("count", "age", "merged"),
    [(LAG_EVENTS, 0.0, False), (LAG_EVENTS + 1, 0.0, True), (2, LAG_SECONDS / 50, False), (2, LAG_SECONDS * 2, True)],
)
async def test_only_a_follower_that_lags_gets_merged_deltas(count: int, age: float, merged: bool) -> None:
    """By the number of events that wait for it, or by how long the first of them has waited."""
    log = Log("run")
    log.began += 60  # no time passes for this log while the test runs
    for _ in range(count):
        log.append(delta(at=-60 - age if age else FOREVER))
    items = await drain(log.follow())
    assert len(items) == (1 if merged else count)
    assert seqs(items) == list(range(1, count + 1))


# Waking


@pytest.mark.anyio
async def test_a_burst_wakes_each_follower_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred appends in one go cost each of fifty followers one pass, and one callback of the loop."""
    log = Log("run")
    batches: list[list[list[Item]]] = [[] for _ in range(50)]

    async def follow(got: list[list[Item]]) -> None:
        with log.follow() as follower:
            while batch := await follower.batch():
                got.append(batch)

    async with anyio.create_task_group() as group:
        for got in batches:
            group.start_soon(follow, got)
        await anyio.wait_all_tasks_blocked()
        assert log.followers == 50
        scheduled = count_callbacks(monkeypatch)
        for _ in range(LAG_EVENTS):
            log.append(delta())
        assert len(scheduled) == 1
        await anyio.wait_all_tasks_blocked()
        assert [len(got) for got in batches] == [1] * 50
        log.append(delta())
        log.append(done())
    assert [[seqs(batch) for batch in got] for got in batches] == [[[*range(1, 65)], [65, 66]]] * 50
    assert log.followers == 0


@pytest.mark.anyio
async def test_a_wait_that_is_given_up_loses_nothing() -> None:
    """Not even in the moment in which an event comes: the cancelled reader's cursor has not moved."""
    log = Log("run")
    with log.follow() as follower:
        for number in range(1, 20):
            reading = asyncio.create_task(follower.batch())
            await asyncio.sleep(0)
            log.append(delta())
            for _ in range(number % 3):
                await asyncio.sleep(0)
            reading.cancel()
            got = (await asyncio.gather(reading, return_exceptions=True))[0]
            items = [] if isinstance(got, asyncio.CancelledError) else got
            assert isinstance(items, list)
            if not items:
                items = await follower.batch()
            assert seqs(items) == [number]


def count_callbacks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., object]]:
    """A list that grows with every callback that the running loop is given from here on."""
    loop = asyncio.get_running_loop()
    call_soon, scheduled = loop.call_soon, list[Callable[..., object]]()

    def counted(callback: Callable[..., object], *args: Any, **options: Any) -> asyncio.Handle:
        scheduled.append(callback)
        return call_soon(callback, *args, **options)

    monkeypatch.setattr(loop, "call_soon", counted)
    return scheduled
