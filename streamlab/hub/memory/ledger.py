"""Ledgers of one process, in its memory."""

from collections.abc import Callable, Sequence

from streamlab.hub.lru import LRU


class MemoryLedger:
    """A list for each document. `has` tells whether a document is there, and uses it."""

    def __init__(self, lists: LRU[list[bytes]], seconds: float, has: Callable[[str], bool]) -> None:
        self._lists = lists
        self._seconds = seconds
        self._has = has

    async def append(self, key: str, entry: bytes) -> int:
        if not self._has(key):
            return 0
        entries = [*(self._lists.get(key) or []), entry]
        self._lists.put(key, entries, self._seconds)
        return len(entries)

    async def since(self, key: str, number: int) -> Sequence[bytes]:
        return (self._lists.get(key) or [])[number:] if self._has(key) else []

    async def lengths(self, keys: Sequence[str]) -> Sequence[int]:
        return [len(self._lists.get(key) or []) for key in keys]

    async def remove(self, key: str) -> None:
        self._lists.remove(key)
