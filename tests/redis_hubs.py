"""Two hubs on one Redis, as two processes have them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import anyio
import anyio.lowlevel

from streamlab.events.event import PIECES, Done, Error, StreamEvent, TextDelta, Usage
from streamlab.hub import Item, Log
from streamlab.hub.log import Bounds
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times
from tests.events import content, end, of

LEASE = 1.0  # seconds: long enough for a busy machine to renew it
TIMES = Times(lease=LEASE)
AWAY = float(os.environ.get("LAB_TEST_REDIS_AWAY", "1.6"))  # seconds, longer than the lease; 9 is what is promised
PATIENCE = 30.0 + AWAY


def run_name() -> str:
    return uuid4().hex


def delta(text: str = "x", at: float = 0.0) -> StreamEvent:
    return TextDelta(text, at=at)


def done(at: float = 0.0) -> StreamEvent:
    return Done("completed", usage=Usage(0, 0), at=at)


async def followed(log: Log) -> list[Item]:
    """Return all that a follower is given until the end."""
    items: list[Item] = []
    with anyio.fail_after(PATIENCE), log.follow() as follower:
        while batch := await follower.batch():
            items += batch
    return items


async def opened(log: Log, here: RedisHub, there: RedisHub) -> Log:
    """Open the log in the other process, with all that has been appended here."""
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
    """Open two hubs as two processes have them: the first one's address may be another than the second one's."""
    async with (
        RedisHub(url, times=times, bounds=bounds) as here,
        RedisHub(other or url, times=times, bounds=bounds) as there,
    ):
        yield here, there


def check_lost(log: Log) -> None:
    """Check that it ends with one error and one done, and no event is twice there."""
    events = log.since(0)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events if not isinstance(event, PIECES)] == ["error", "done"]
    assert (of(events, Error)[-1].code, end(events).status) == ("producer_lost", "lost")


def written(log: Log) -> list[int]:
    """Return the numbers that a second process wrote, as far as they are in the log."""
    text = "".join(content(event) for event in log.since(0))
    return [int(word) for word in text.split()[1:]]
