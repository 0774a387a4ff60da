"""Ledgers: what many write down beside a document, one entry after another, in the order of the store."""

from collections.abc import Sequence
from typing import Protocol


class Ledger(Protocol):
    """The entries beside the documents of one kind, by the document's key. They leave with their document.

    Any process may append, also at once with others: the store numbers the entries from 1. They are kept as long as the
    document, which is used by being read. An append whose answer was lost may be done twice: so an entry says by itself
    which one it is.
    Every method raises HubUnreachable when the store does not answer in time.
    """

    async def append(self, key: str, entry: bytes) -> int:
        """Append an entry and return its number; 0 where the document is not there."""

    async def since(self, key: str, number: int) -> Sequence[bytes]:
        """Return the entries after that number, in their order."""

    async def lengths(self, keys: Sequence[str]) -> Sequence[int]:
        """Return how many entries there are beside each document; to ask is no use of it."""

    async def remove(self, key: str) -> None:
        """Delete the entries; the document is for its owner to delete, before."""
