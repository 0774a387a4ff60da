"""Lists of one process, in tables that are in its memory."""

import sqlite3

from streamlab.hub import listing_table
from streamlab.hub.listing import KEPT, MOST, Entry

CAPACITY = 16 * 1024 * 1024  # characters of all texts together
CHECKED = 100  # entries that are put until that is looked at again


class MemoryListing:
    """Asks its tables on the loop: the answer takes less than to ask a thread for it."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        listing_table.prepare(self._connection)
        self._capacity = capacity
        self._unchecked = 0

    async def put(self, owner: str, kind: str, entry: Entry, text: str = "", seconds: float = KEPT) -> None:
        listing_table.put(self._connection, owner, kind, entry, text)
        self._unchecked += 1
        if self._unchecked >= CHECKED:
            self._unchecked = 0
            listing_table.forget_oldest(self._connection, self._capacity)

    async def remove(self, owner: str, kind: str, key: str) -> None:
        listing_table.remove(self._connection, owner, kind, key)

    async def entries(self, owner: str, kind: str, words: str = "", limit: int = MOST) -> list[Entry]:
        return listing_table.entries(self._connection, owner, kind, words, limit)
