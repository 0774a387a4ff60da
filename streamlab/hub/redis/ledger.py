"""Ledgers in Redis: a list beside each document."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis

Answer = Callable[[Awaitable[Any]], Awaitable[Any]]


class RedisLedger:
    """`document_key` names where a document is, `append` the script; `answer` runs a call and raises HubUnreachable."""

    def __init__(
        self,
        redis: Redis,
        answer: Answer,
        append: Callable[..., Awaitable[Any]],
        document_key: Callable[[str], str],
        kept: int,
    ) -> None:
        self._redis = redis
        self._answer = answer
        self._append = append
        self._document_key = document_key
        self._kept = kept  # milliseconds

    async def append(self, key: str, entry: bytes) -> int:
        return int(await self._answer(self._append([self._document_key(key), self._key(key)], [entry, self._kept])))

    async def since(self, key: str, number: int) -> Sequence[bytes]:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.lrange(self._key(key), number, -1)
            pipe.pexpire(self._key(key), self._kept)
            pipe.pexpire(self._document_key(key), self._kept)
            entries, *_ = await self._answer(pipe.execute())
        return list(entries)

    async def lengths(self, keys: Sequence[str]) -> Sequence[int]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.llen(self._key(key))
            return [int(length) for length in await self._answer(pipe.execute())]

    async def remove(self, key: str) -> None:
        await self._answer(self._redis.delete(self._key(key)))

    def _key(self, key: str) -> str:
        return f"{self._document_key(key)}:ledger"
