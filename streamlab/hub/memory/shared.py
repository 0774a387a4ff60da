"""Documents and rolls of one process that shares them with no other."""

import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar

from streamlab.hub.lru import LRU, Clock
from streamlab.hub.shared import Errands, Full, Kept, Kind, Roll

T = TypeVar("T")


class MemoryDocuments(Generic[T]):
    """As they are, not written anywhere."""

    def __init__(self, kind: Kind[T], clock: Clock) -> None:
        self._seconds = kind.seconds
        self._recent = LRU(kind.capacity, kind.size, stays=kind.stays, clock=clock)

    async def get(self, key: str) -> Kept[T] | None:
        document = self._recent.get(key)
        return None if document is None else Kept(document)

    async def put(self, key: str, document: T) -> None:
        self._recent.put(key, document, self._seconds)

    async def add(self, key: str, document: T, seconds: float | None = None) -> Kept[T] | None:
        if key in self._recent:
            return None
        self._recent.put(key, document, self._seconds if seconds is None else seconds)
        return Kept(document)

    async def replace(self, key: str, known: Kept[T], document: T) -> Kept[T] | None:
        if self._recent.get(key) is not known.document:
            return None
        await self.put(key, document)
        return Kept(document)

    async def remove(self, key: str) -> None:
        self._recent.remove(key)


class MemoryShared(Errands):
    """Nothing outlives the process, and the store always answers."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._rolls: dict[str, dict[str, float]] = {}  # by its name, who is in it until when

    def documents(self, kind: Kind[T]) -> MemoryDocuments[T]:
        return MemoryDocuments(kind, self._clock)

    async def enter(self, rolls: Sequence[Roll], *names: str) -> Full | None:
        for roll in rolls:
            present = self._present(roll)
            if roll.limit is not None and len(present) >= roll.limit and names[0] not in present:
                return Full(roll, min(present.values()) - self._clock())
        for roll in rolls:
            until = self._clock() + roll.seconds
            self._rolls.setdefault(roll.name, {}).update(dict.fromkeys(names, until))
        return None

    async def leave(self, rolls: Sequence[Roll], name: str) -> None:
        for roll in rolls:
            self._present(roll).pop(name, None)

    async def to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Nothing here waits, so nobody can leave meanwhile. A task of its own would let a run that was started compete
        with the answer to who asked for it."""
        return await work

    async def names(self, roll: Roll) -> Iterable[str]:
        return tuple(self._present(roll))

    def _present(self, roll: Roll) -> dict[str, float]:
        now = self._clock()
        present = {name: until for name, until in self._rolls.get(roll.name, {}).items() if until > now}
        self._rolls[roll.name] = present
        return present
