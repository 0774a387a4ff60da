"""The hub: which runs leave when it is full, and which stay."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.events.event import Done
from streamlab.hub import HubFull, Log, MemoryHub, UnknownRun
from tests.logs import FOREVER, LONG_AGO, delta, done, seqs


def filled(hub: MemoryHub, run_id: str, *, end: bool = True, at: float = FOREVER) -> Log:
    log = hub.create(run_id)
    log.append(delta("x" * 100))
    if end:
        log.append(Done("completed", at=at))
    return log


def ids(hub: MemoryHub, *candidates: str) -> list[str]:
    def there(run_id: str) -> bool:
        try:
            return hub.log(run_id).run_id == run_id
        except UnknownRun:
            return False

    return [run_id for run_id in candidates if there(run_id)]


@pytest.mark.anyio
async def test_when_the_hub_is_full_finished_runs_leave_first_and_oldest_first() -> None:
    """Those that are not finished stay, and a reader of one that leaves reads on to its end."""
    hub = MemoryHub(capacity=600)
    live = filled(hub, "live", end=False)
    first = filled(hub, "first")
    filled(hub, "second")
    with first.follow() as follower:
        while hub.size < 600:
            live.append(delta("x" * 100))
        hub.create("new")
        assert ids(hub, "live", "first", "second", "new") == ["live", "second", "new"]
        assert seqs(await follower.batch()) == [1, 2]
    with pytest.raises(UnknownRun):
        hub.follow("first")


@pytest.mark.anyio
async def test_a_hub_full_of_live_runs_refuses_new_ones() -> None:
    """With a clear error, and nothing of what is live is lost."""
    hub = MemoryHub(capacity=500)
    for run_id in "ab":
        filled(hub, run_id, end=False).append(delta("x" * 100))
    with pytest.raises(HubFull, match=r"\d+ bytes"):
        hub.create("c")
    assert ids(hub, "a", "b", "c") == ["a", "b"]
    hub.log("a").append(done())
    assert hub.create("c").seq == 0
    assert ids(hub, "a", "b", "c") == ["b", "c"]


@pytest.mark.anyio
async def test_sweeping_keeps_what_is_live_followed_or_young() -> None:
    """A finished run leaves when its time is over and nobody reads it."""
    hub = MemoryHub(kept=60)
    filled(hub, "live", end=False, at=LONG_AGO)
    filled(hub, "young", at=0)
    filled(hub, "old", at=-61)
    with filled(hub, "followed", at=-61).follow():
        hub.sweep()
        assert ids(hub, "live", "young", "old", "followed") == ["live", "young", "followed"]
    hub.sweep()
    assert ids(hub, "live", "young", "followed") == ["live", "young"]
    assert len(hub) == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=20), st.integers(100, 2_000))
def test_the_hub_never_begins_a_run_above_its_capacity(runs: list[tuple[bool, int]], capacity: int) -> None:
    """After every `create` there is room; after every refusal there is nothing finished that could have left."""

    async def act() -> None:
        hub = MemoryHub(capacity=capacity)
        names: list[str] = []
        for number, (finished, count) in enumerate(runs):
            try:
                log = hub.create(f"run {number}")
            except HubFull:
                assert all(not hub.log(name).done for name in ids(hub, *names))
                assert hub.size >= capacity
                continue
            assert hub.size < capacity
            names.append(log.run_id)
            for _ in range(count):
                log.append(delta("x" * 100))
            if finished:
                log.append(done())

    asyncio.run(act())


def test_an_unknown_run_is_a_key_error_that_names_it() -> None:
    """It never was, or it was evicted."""
    with pytest.raises(UnknownRun, match="nobody"):
        MemoryHub().follow("nobody")
