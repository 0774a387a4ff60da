"""Documents and memberships that Redis keeps for all processes. A call whose answer was lost may be repeated."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, Generic, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from streamlab.hub.errors import HubUnreachable
from streamlab.hub.redis.ledger import RedisLedger
from streamlab.hub.redis.listing import RedisListing
from streamlab.hub.shared import DocumentType, Membership, MembershipFull, Shared, Versioned, mark_of

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SCRIPTS = files("streamlab.hub.redis") / "lua"
_NOTHING = ""  # the mark of what is not there


class _Calls:
    """Asks Redis, and waits `answer` seconds for what it says."""

    def __init__(self, redis: Redis, answer: float) -> None:
        self.redis = redis
        self._answer = answer
        self.put, self.enter, self.mark, self.note = (
            redis.register_script((_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8"))
            for name in ("put", "enter", "mark", "note")
        )

    async def answer(self, call: Awaitable[Any]) -> Any:
        """Run a call to Redis. Raises HubUnreachable."""
        try:
            async with asyncio.timeout(self._answer):
                return await call
        except (RedisError, TimeoutError) as error:
            if isinstance(error, ResponseError):  # it answers, and does not do it
                logger.warning("Redis: %s", str(error).split(",")[0])
            raise HubUnreachable("the store that the processes share does not answer") from None


class RedisDocuments(Generic[T]):
    """Each is one string, whose mark is its digest."""

    def __init__(self, kind: DocumentType[T], calls: _Calls) -> None:
        self._kind = kind
        self._calls = calls

    async def get(self, key: str) -> Versioned[T] | None:
        found = await self._calls.answer(self._calls.redis.getex(self._key(key), px=_ms(self._kind.seconds)))
        if found is None:
            return None
        try:
            return Versioned(self._kind.decode(found), mark_of(found))
        except ValueError:
            logger.exception("a document is of no version that is known here: %s", self._kind.name)
            return None

    async def put(self, key: str, document: T) -> None:
        written, kept = self._kind.encode(document), _ms(self._kind.seconds)
        await self._calls.answer(self._calls.redis.set(self._key(key), written, px=kept))

    async def add(self, key: str, document: T, seconds: float | None = None) -> Versioned[T] | None:
        return await self._swap(key, _NOTHING, document, self._kind.seconds if seconds is None else seconds)

    async def replace(self, key: str, known: Versioned[T], document: T) -> Versioned[T] | None:
        return await self._swap(key, known.mark, document, self._kind.seconds)

    async def remove(self, key: str) -> None:
        await self._calls.answer(self._calls.redis.delete(self._key(key)))

    async def _swap(self, key: str, mark: str, document: T, seconds: float) -> Versioned[T] | None:
        written = self._kind.encode(document)
        done = await self._calls.answer(self._calls.put([self._key(key)], [mark, written, _ms(seconds)]))
        return Versioned(document, mark_of(written)) if done else None

    def _key(self, key: str) -> str:
        return _document_key(self._kind, key)


class RedisShared(Shared):
    """Over the connections of the hub. `answer` is how many seconds Redis may take for each call."""

    alone = False

    def __init__(self, redis: Redis, answer: float) -> None:
        super().__init__()
        self._calls = _Calls(redis, answer)
        self.listing = RedisListing(redis, self._calls.answer)

    def documents(self, kind: DocumentType[T]) -> RedisDocuments[T]:
        return RedisDocuments(kind, self._calls)

    def ledger(self, kind: DocumentType[Any]) -> RedisLedger:
        calls = self._calls
        return RedisLedger(calls.redis, calls.answer, calls.note, partial(_document_key, kind), _ms(kind.seconds))

    async def marks(self, kind: DocumentType[Any], keys: Sequence[str]) -> Sequence[str]:
        async with self._calls.redis.pipeline(transaction=False) as pipe:
            for key in keys:
                await self._calls.mark([_document_key(kind, key)], client=pipe)
            return [mark.decode() for mark in await self._calls.answer(pipe.execute())]

    async def enter(self, memberships: Sequence[Membership], *names: str) -> MembershipFull | None:
        args: list[str | int] = []
        for membership in memberships:
            args += [_ms(membership.seconds), -1 if membership.limit is None else membership.limit]
        keys = [_membership_key(membership) for membership in memberships]
        full = await self._calls.answer(self._calls.enter(keys, [*args, *names]))
        return MembershipFull(memberships[full[0] - 1], full[1] / 1000) if full else None

    async def leave(self, memberships: Sequence[Membership], name: str) -> None:
        async with self._calls.redis.pipeline(transaction=False) as pipe:
            for membership in memberships:
                pipe.zrem(_membership_key(membership), name)
            await self._calls.answer(pipe.execute())

    async def names(self, membership: Membership) -> Iterable[str]:
        found = await self._calls.answer(self._calls.redis.zrange(_membership_key(membership), 0, -1))
        return [name.decode() for name in found]


def _document_key(kind: DocumentType[Any], key: str) -> str:
    return f"lab:{kind.name}:{key}"


def _membership_key(membership: Membership) -> str:
    return f"lab:membership:{membership.name}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
