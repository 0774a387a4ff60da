"""Items of which the longest unused leave when there are too many."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    item: T
    size: int
    seconds: float
    over: float  # when its time is over, by the clock


class LRU(Generic[T]):
    """Keeps up to `capacity` items, by the sum of their sizes, and beyond that those that must stay.

    Whoever leaves by itself is told to `left`. To get an item is to use it.
    """

    def __init__(
        self,
        capacity: int,
        size: Callable[[T], int],
        *,
        stays: Callable[[T], bool] = lambda item: False,
        left: Callable[[T], None] = lambda item: None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._capacity = capacity
        self._size_of = size
        self._stays = stays
        self._left = left
        self._clock = clock
        self._entries: dict[str, _Entry[T]] = {}  # the longest unused first
        self._size = 0

    def __contains__(self, key: str) -> bool:
        entry = self._entries.get(key)
        return entry is not None and (entry.over > self._clock() or self._stays(entry.item))

    def get(self, key: str) -> T | None:
        if key not in self:
            return None
        entry = self._entries.pop(key)
        self._entries[key] = _Entry(entry.item, entry.size, entry.seconds, self._clock() + entry.seconds)
        return entry.item

    def put(self, key: str, item: T, seconds: float) -> None:
        """Keep the item for so many seconds after its last use. What there is no room for leaves, but for this one."""
        self.remove(key)
        size = self._size_of(item)
        self._make_room(size)
        self._entries[key] = _Entry(item, size, seconds, self._clock() + seconds)
        self._size += size

    def remove(self, key: str) -> T | None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._size -= entry.size
        return entry.item

    def _make_room(self, needed: int) -> None:
        leaving, size = [], self._size + needed
        for key, entry in self._entries.items():
            if entry.over > self._clock() and size <= self._capacity:
                break
            if not self._stays(entry.item):
                leaving.append(key)
                size -= entry.size
        for key in leaving:
            item = self.remove(key)
            if item is not None:
                self._left(item)
