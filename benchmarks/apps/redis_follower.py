"""Follows one run in another process than its producer's: `redis_follower.py URL RUN WAY`, where the way is `hub` (the
Redis hub) or `bare` (XREAD of a stream of that name). Says `ready`, and at the end the milliseconds from each event's
append until it was read, as JSON: an event's text is the time of its append by the monotonic clock.
"""

import asyncio
import json
import sys
import time
from typing import cast

from redis.asyncio import Redis

from streamlab.events.event import StreamEvent
from streamlab.hub.redis.hub import RedisHub

Entry = tuple[bytes, dict[bytes, bytes]]


def _lag(text: str) -> float:
    return (time.monotonic() - float(text)) * 1e3


async def through_hub(url: str, run_id: str) -> list[float]:
    lags = []
    async with RedisHub(url) as hub:
        log = await hub.open(run_id)
        with log.follow() as follower:
            print("ready", flush=True)
            while items := await follower.batch():
                for item in items:
                    if isinstance(item, StreamEvent) and item.type == "thinking":
                        lags.append(_lag(item.content or ""))
    return lags


async def bare(url: str, stream: str) -> list[float]:
    lags: list[float] = []
    last = b"0"
    async with Redis.from_url(url) as redis:
        print("ready", flush=True)
        while True:
            answer = cast(list[tuple[bytes, list[Entry]]], await redis.xread({stream: last}, block=1_000))
            for entry_id, entry in (each for _, entries in answer for each in entries):
                if entry[b"at"] == b"end":
                    return lags
                lags.append(_lag(entry[b"at"].decode()))
                last = entry_id


def main(argv: list[str]) -> None:
    url, name, way = argv
    print(json.dumps(asyncio.run((through_hub if way == "hub" else bare)(url, name))))


if __name__ == "__main__":
    main(sys.argv[1:])
