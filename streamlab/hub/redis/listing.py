"""Lists in Redis: a hash for each owner and kind, which is read as a whole; so it is shorter, and so are its texts."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from streamlab.hub.listing import KEPT, MOST, Entry, as_found, searched

LISTED = 1_000
TEXT_CHARACTERS = 8_000

Answer = Callable[[Awaitable[Any]], Awaitable[Any]]


class RedisListing:
    """`answer` runs a call to Redis and raises HubUnreachable."""

    def __init__(self, redis: Redis, answer: Answer) -> None:
        self._redis = redis
        self._answer = answer

    async def put(self, owner: str, kind: str, entry: Entry, text: str = "", seconds: float = KEPT) -> None:
        key, written = _key(owner, kind), json.dumps([entry.title, entry.at, searched(entry, text)[:TEXT_CHARACTERS]])
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(key, entry.key, written)
            pipe.pexpire(key, round(seconds * 1000))
            pipe.hlen(key)
            *_, number = await self._answer(pipe.execute())
        if number > LISTED:
            oldest = (await self.entries(owner, kind))[LISTED:]
            await self._answer(self._redis.hdel(key, *[each.key for each in oldest]))

    async def remove(self, owner: str, kind: str, key: str) -> None:
        await self._answer(self._redis.hdel(_key(owner, kind), key))

    async def entries(self, owner: str, kind: str, words: str = "", limit: int = MOST) -> list[Entry]:
        wanted, found = as_found(words).split(), []
        for key, written in (await self._answer(self._redis.hgetall(_key(owner, kind)))).items():
            title, at, text = json.loads(written)
            if all(word in text for word in wanted):
                found.append(Entry(key.decode(), title, at))
        return sorted(found, key=lambda entry: entry.at, reverse=True)[:limit]


def _key(owner: str, kind: str) -> str:
    return f"lab:listing:{kind}:{owner}"
