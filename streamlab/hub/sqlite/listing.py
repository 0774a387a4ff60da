"""Lists in the file of one process."""

from streamlab.hub import listing_table
from streamlab.hub.listing import KEPT, MOST, Entry
from streamlab.hub.sqlite.worker import Worker


class SqliteListing:
    """Through the store's thread. An entry leaves with its document, for which the file has a trigger."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def put(self, owner: str, kind: str, entry: Entry, text: str = "", seconds: float = KEPT) -> None:
        await self._worker.call(listing_table.put, owner, kind, entry, text)

    async def remove(self, owner: str, kind: str, key: str) -> None:
        await self._worker.call(listing_table.remove, owner, kind, key)

    async def entries(self, owner: str, kind: str, words: str = "", limit: int = MOST) -> list[Entry]:
        return await self._worker.call(listing_table.entries, owner, kind, words, limit)
