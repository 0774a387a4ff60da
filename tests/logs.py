"""Logs over every engine, and what a follower reads of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from streamlab.events.event import Done, Event, StreamEvent, TextDelta
from streamlab.hub import Follower, Item, Log, MemoryHub
from streamlab.hub.log import Bounds
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.sqlite.hub import SqliteHub
from tests.events import span

FOREVER = 1e9  # seconds: no follower lags behind an event of this time
LONG_AGO = -1e9  # seconds: every follower does


def delta(text: str = "x", at: float = FOREVER, step: int = 1) -> StreamEvent:
    return TextDelta(text, at=at, step=step)


def done(status: Any = "completed") -> StreamEvent:
    return Done(status, at=FOREVER)


def seqs(items: list[Item]) -> list[int]:
    """Return the seqs that a reader was given, those of merged deltas one by one."""
    return [seq for item in items if isinstance(item, Event) for seq in span(item)]


async def drain(follower: Follower) -> list[Item]:
    """Return all that is there now, without waiting for more."""
    items: list[Item] = []
    with follower, anyio.move_on_after(0.01):
        while batch := await follower.batch():
            items += batch
    return items


@dataclass(frozen=True)
class Engine:
    """Where logs are kept, and who reads them: who writes them, or another process over the same store."""

    url: str | None
    elsewhere: bool
    folder: Path | None = None

    @property
    def examples(self) -> int:
        return 30 if self.url or self.folder else 100

    @asynccontextmanager
    async def written(self, bounds: Bounds | None = None) -> AsyncIterator["Written"]:
        if self.folder:
            async with SqliteHub(self.folder / uuid4().hex, bounds=bounds) as hub:
                yield Written(hub, hub, elsewhere=False)
            return
        if self.url is None:
            yield Written(MemoryHub(bounds=bounds), MemoryHub(), elsewhere=False)
            return
        async with RedisHub(self.url, bounds=bounds) as here, RedisHub(self.url, bounds=bounds) as there:
            yield Written(here, there, self.elsewhere)


class Written:
    """A log that is written."""

    def __init__(self, here: MemoryHub, there: MemoryHub, elsewhere: bool) -> None:
        self.log = here.create(uuid4().hex)
        self.append = self.log.append
        self._here, self._there, self._elsewhere = here, there, elsewhere

    async def read(self) -> Log:
        """Return the log as followers have it, with all that was appended until now."""
        log = await self._here.open(self.log.run_id)
        return await self._there.open(self.log.run_id) if self._elsewhere else log


@pytest.fixture(params=["memory", "sqlite", "redis", "redis, read elsewhere"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param in ("memory", "sqlite"):
        return Engine(None, elsewhere=False, folder=tmp_path if request.param == "sqlite" else None)
    return Engine(request.getfixturevalue("redis_server").url, elsewhere=request.param != "redis")
