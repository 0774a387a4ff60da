"""Files that browsers made or opened: recordings and measurements, each kept as it would be downloaded."""

import json
import time
from dataclasses import dataclass

from streamlab.hub.listing import Entry, shortened
from streamlab.hub.shared import Documents, DocumentType, Shared

KINDS = RECORDING, MEASUREMENT = "recording", "measurement"
KEPT = 30 * 86_400.0  # seconds after the last use
CAPACITY = 64 * 1024 * 1024  # bytes of each kind that one process holds


@dataclass(frozen=True, slots=True)
class Item:
    """A file with its name, and the browser that it is listed for."""

    browser: str
    name: str
    body: bytes


def _encode(item: Item) -> bytes:
    head = json.dumps([item.browser, item.name]).encode()
    return head + b"\n" + item.body


def _decode(written: bytes) -> Item:
    head, _, body = written.partition(b"\n")
    browser, name = json.loads(head)
    return Item(browser, name, body)


class Items:
    """Those of one kind. Belongs to one event loop. Every method raises HubUnreachable when the store does not answer.

    Whoever knows the id of one can read it, until it is deleted.
    """

    def __init__(self, kind: str, shared: Shared) -> None:
        self._kind = kind
        self._listing = shared.listing
        self._items: Documents[Item] = shared.documents(
            DocumentType(kind, _encode, _decode, KEPT, CAPACITY, lambda item: len(item.body), lasting=True)
        )

    async def keep(self, id: str, item: Item) -> None:
        """Keep an item, and list it, unless somebody else's has this id."""
        known = await self._items.get(id)
        if known and known.document.browser != item.browser:
            return
        await self._items.put(id, item)
        await self._listing.put(item.browser, self._kind, Entry(id, shortened(item.name), time.time()))

    async def find(self, id: str) -> Item | None:
        known = await self._items.get(id)
        return known.document if known else None

    async def delete(self, browser: str, id: str) -> Item | None:
        """Delete an item that is the browser's, and return it; `keep` brings it back."""
        await self._listing.remove(browser, self._kind, id)
        known = await self._items.get(id)
        if not known or known.document.browser != browser:
            return None
        await self._items.remove(id)
        return known.document

    async def entries(self, browser: str, words: str, limit: int) -> list[Entry]:
        """Return the browser's items whose name holds all the words, the newest first."""
        return await self._listing.entries(browser, self._kind, words, limit)
