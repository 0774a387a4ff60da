"""The embedded store after its process was killed: what anyone had seen is there."""

import random
from pathlib import Path

import pytest

from streamlab.hub.sqlite.hub import SqliteHub
from tests.events import end
from tests.store_process import KEEPING, killed_after

pytestmark = pytest.mark.anyio


async def killed(path: Path, times: int) -> None:
    """Kill a process that writes into the file, again and again, and check after each time all that was seen."""
    everything = {}
    for _ in range(times):
        seen = killed_after(path, random.uniform(0.0, 0.6))
        everything |= seen
        async with SqliteHub(path, keeping=KEEPING) as hub:
            for run_id, each in seen.items():
                log = await hub.open(run_id)
                each.check(log)
                last = end(log.since(0))
                assert (last.status, last.code) in (("completed", None), ("lost", "producer_lost"))
    assert everything
    async with SqliteHub(path, keeping=KEEPING) as hub:
        for run_id, each in everything.items():
            each.check(await hub.open(run_id))


async def test_nothing_that_a_follower_had_is_missing_or_different_after_a_kill(tmp_path: Path) -> None:
    """At ten random moments, with twenty followers."""
    await killed(tmp_path / "store", 10)


@pytest.mark.soak
async def test_nothing_is_missing_after_two_hundred_kills(tmp_path: Path) -> None:
    """All on one file."""
    await killed(tmp_path / "store", 200)
