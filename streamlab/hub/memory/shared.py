"""Documents and memberships of one process that shares them with no other."""

import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar

from streamlab.hub.lru import LRU, Clock
from streamlab.hub.memory.ledger import MemoryLedger
from streamlab.hub.memory.listing import MemoryListing
from streamlab.hub.shared import DocumentType, Membership, MembershipFull, Shared, SteadyClock, Versioned

T = TypeVar("T")

LEDGERS = 64 * 1024 * 1024  # bytes of the ledgers of one kind


class MemoryDocuments(Generic[T]):
    """As they are, not written anywhere."""

    def __init__(self, recent: LRU[T], seconds: float) -> None:
        self._recent = recent
        self._seconds = seconds

    async def get(self, key: str) -> Versioned[T] | None:
        document = self._recent.get(key)
        return None if document is None else Versioned(document)

    async def put(self, key: str, document: T) -> None:
        self._recent.put(key, document, self._seconds)

    async def add(self, key: str, document: T, seconds: float | None = None) -> Versioned[T] | None:
        if key in self._recent:
            return None
        self._recent.put(key, document, self._seconds if seconds is None else seconds)
        return Versioned(document)

    async def replace(self, key: str, known: Versioned[T], document: T) -> Versioned[T] | None:
        if self._recent.get(key) is not known.document:
            return None
        await self.put(key, document)
        return Versioned(document)

    async def remove(self, key: str) -> None:
        self._recent.remove(key)


class MemoryShared(Shared):
    """Nothing outlives the process, and the store always answers."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        super().__init__()
        self.listing = MemoryListing()
        self._clock = clock
        self._now = SteadyClock()
        self._recent: dict[DocumentType[Any], LRU[Any]] = {}
        self._ledgers: dict[str, LRU[list[bytes]]] = {}  # by the name of their documents' kind
        self._memberships: dict[str, dict[str, float]] = {}  # by its name, who is in it until when

    def now(self) -> float:
        return self._now()

    def documents(self, kind: DocumentType[T]) -> MemoryDocuments[T]:
        """Return the documents of a kind, the same ones to everybody who asks."""
        if kind not in self._recent:
            self._recent[kind] = LRU(kind.capacity, kind.size, stays=kind.stays, clock=self._clock)
        return MemoryDocuments(self._recent[kind], kind.seconds)

    def ledger(self, kind: DocumentType[Any]) -> MemoryLedger:
        """Return the ledgers of a kind, the same ones to everybody who asks. Together they hold LEDGERS bytes."""
        if kind.name not in self._ledgers:
            self._ledgers[kind.name] = LRU(LEDGERS, lambda entries: sum(map(len, entries)), clock=self._clock)
        self.documents(kind)
        recent = self._recent[kind]
        return MemoryLedger(self._ledgers[kind.name], kind.seconds, lambda key: recent.get(key) is not None)

    async def enter(self, memberships: Sequence[Membership], *names: str) -> MembershipFull | None:
        for membership in memberships:
            present = self._present(membership)
            if membership.limit is not None and len(present) >= membership.limit and names[0] not in present:
                return MembershipFull(membership, min(present.values()) - self._clock())
        for membership in memberships:
            until = self._clock() + membership.seconds
            self._memberships.setdefault(membership.name, {}).update(dict.fromkeys(names, until))
        return None

    async def leave(self, memberships: Sequence[Membership], name: str) -> None:
        for membership in memberships:
            self._present(membership).pop(name, None)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Nothing here waits, so nobody can leave meanwhile. A task of its own would let a run that was started compete
        with the answer to who asked for it."""
        return await work

    async def names(self, membership: Membership) -> Iterable[str]:
        return tuple(self._present(membership))

    def _present(self, membership: Membership) -> dict[str, float]:
        now = self._clock()
        present = {name: until for name, until in self._memberships.get(membership.name, {}).items() if until > now}
        self._memberships[membership.name] = present
        return present
