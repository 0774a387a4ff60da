"""What a process keeps of one kind, by the id that an address may name."""

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Keeps the newest `most` items by id, and beyond these the items that must stay. For any thread."""

    def __init__(self, most: int, stays: Callable[[T], bool]) -> None:
        self._most = most
        self._stays = stays
        self._items: dict[str, T] = {}  # the oldest first
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items, the oldest first."""
        with self._lock:
            self._let_go()
            return iter(list(self._items.values()))

    def keep(self, id: str, item: T) -> None:
        """Keep a new item, or a known one as it stands now; the oldest ones that may leave do."""
        with self._lock:
            self._items[id] = item
            self._let_go()

    def find(self, id: str | None) -> T | None:
        """Return the item of this id; None for no id, one that never was, and one whose time is over."""
        with self._lock:
            self._let_go()
            return self._items.get(id or "")

    def _let_go(self) -> None:
        excess = len(self._items) - self._most
        if excess <= 0:
            return
        for id in [id for id, item in self._items.items() if not self._stays(item)][:excess]:
            del self._items[id]
