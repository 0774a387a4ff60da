"""What people have deleted: its address says so for as long as anything is kept."""

from streamlab.hub.shared import DocumentType, Shared

KEPT = 30 * 86_400.0  # seconds after the last use

_TOMBSTONES = DocumentType("tombstone", str.encode, bytes.decode, KEPT, 10_000, lasting=True)


class Tombstones:
    """Those of all kinds, by id. Belongs to one event loop. Every method raises HubUnreachable when the store does not
    answer.
    """

    def __init__(self, shared: Shared) -> None:
        self._documents = shared.documents(_TOMBSTONES)

    async def put(self, id: str, browser: str) -> None:
        """Note that a person, with this browser, has deleted it."""
        await self._documents.put(id, browser)

    async def remove(self, id: str) -> None:
        """Note that it is there again."""
        await self._documents.remove(id)

    async def has(self, id: str) -> bool:
        """Tell whether a person has deleted it."""
        return await self._documents.get(id) is not None
