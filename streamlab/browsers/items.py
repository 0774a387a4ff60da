"""Files that browsers made or opened: recordings, trials and measurements, each kept from when it was asked for."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from streamlab.browsers.tombstones import Tombstones
from streamlab.events.event import Done, Error, StreamEvent
from streamlab.events.outcome import UNKNOWN
from streamlab.events.recording import write_recording
from streamlab.hub import Hub, HubFull, Log, UnknownRun
from streamlab.hub.listing import Entry, shortened
from streamlab.hub.shared import Documents, DocumentType

RECORDING, TRIAL, MEASUREMENT = "recording", "trial", "measurement"  # kinds
KEPT = 30 * 86_400.0  # seconds after the last use
CAPACITY = 64 * 1024 * 1024  # bytes of each kind that one process holds
BEGINNING = 15.0  # seconds after which a run that has been asked for and has no log is none
ENDING = 2.0  # seconds that what is still being made is given to end when it is deleted
PAUSE = 0.02  # seconds between two looks whether it has

LOST: list[StreamEvent] = [  # of which no log is there
    Error("producer_lost", at=0.0, step=1, seq=1),
    Done("lost", "producer_lost", UNKNOWN, at=0.0, step=1, seq=2),
]


@dataclass(frozen=True, slots=True)
class Item:
    """A file with its name, and the browser that it is listed for; for "" it is listed nowhere.

    It is `live`, and its body is not whole, while it has an `until`: if nothing is heard of who makes it until that
    moment, by the store's clock, it is lost. With a `run_id` it is a run's, whose events are then added to its body.
    """

    browser: str
    name: str
    body: bytes
    run_id: str = ""
    until: float = 0.0

    @property
    def live(self) -> bool:
        return self.until > 0


def _encode(item: Item) -> bytes:
    return json.dumps([item.browser, item.name, item.run_id, item.until]).encode() + b"\n" + item.body


def _decode(written: bytes) -> Item:
    head, _, body = written.partition(b"\n")
    browser, name, *rest = json.loads(head)  # those that were kept at first had no more than these
    return Item(browser, name, body, *rest)


class Items:
    """Those of one kind. Belongs to one event loop. Every method raises HubUnreachable when the store does not answer.

    Whoever knows the id of one can read it, until it is deleted. `stop` ends the making of the one of this id.
    """

    def __init__(self, kind: str, hub: Hub, stop: Callable[[str], None]) -> None:
        self._kind = kind
        self._hub = hub
        self._stop = stop
        self._listing = hub.shared.listing
        self._tombstones = Tombstones(hub.shared)
        self.documents: Documents[Item] = hub.shared.documents(
            DocumentType(
                kind,
                _encode,
                _decode,
                KEPT,
                CAPACITY,
                lambda item: len(item.body),
                lambda item: item.live,
                lasting=True,
                holds=lambda item: filter(None, [item.run_id]),
            )
        )
        hub.on_taken_over.append(self.ended)

    @asynccontextmanager
    async def begun(self, id: str, item: Item) -> AsyncIterator[None]:
        """Keep the item before the block begins what makes it, and list it; when the block raises, there is none."""
        try:
            await self.documents.add(id, item)
            yield
        except Exception:
            # Also where the store did not answer: the item may be there.
            await self._hub.shared.now_or_later(partial(self.documents.remove, id))
            raise
        await self._hub.shared.now_or_later(partial(self._list, id))

    async def keep(self, id: str, item: Item) -> None:
        """Keep a whole item, and list it, unless there is one of this id."""
        if await self.documents.add(id, item):
            await self._list(id)

    async def find(self, id: str) -> Item | None:
        """Return the item as it stands, with the events of its run if that has ended."""
        while known := await self.documents.get(id):
            item = known.document
            events = await recorded(self._hub, item.run_id, item.until, _all) if item.live and item.run_id else None
            if events is None:
                return item
            body = item.body + await asyncio.to_thread(write_recording, events)
            if whole := await self.documents.replace(id, known, replace(item, body=body, until=0.0)):
                return whole.document
        return None

    async def delete(self, browser: str, id: str) -> Item | None:
        """End the making of an item that is the browser's, delete it and return it; `restore` brings it back."""
        await self._listing.remove(browser, self._kind, id)
        item = await self.find(id)
        if not item or item.browser != browser:
            return None
        if item.live:
            self._stop(id)
            item = await self._settled(id, ENDING) or item
        if not item.run_id:
            item = replace(item, until=0.0)  # nobody goes on with it
        await self._tombstones.put(id, browser)
        await self.documents.remove(id)
        return item

    async def restore(self, id: str, item: Item) -> None:
        """Bring back what was deleted."""
        await self.keep(id, item)
        await self._tombstones.remove(id)

    async def entries(self, browser: str, words: str, limit: int) -> list[Entry]:
        """Return the browser's items whose name holds all the words, the newest first."""
        return await self._listing.entries(browser, self._kind, words, limit)

    def ended(self, run_id: str) -> None:
        """Hear that a run has ended; if an item is of it, it gets its events."""
        self._hub.shared.later(partial(self._settled, run_id, BEGINNING))

    async def _settled(self, id: str, seconds: float) -> Item | None:
        """Return the item when it is whole, or is not for so long."""
        until = time.monotonic() + seconds
        while (item := await self.find(id)) and item.live and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(PAUSE)
        return item

    async def _list(self, id: str) -> None:
        """List the item, unless it is gone."""
        if (known := await self.documents.get(id)) and (browser := known.document.browser):
            entry = Entry(id, shortened(known.document.name), time.time())
            await self._listing.put(browser, self._kind, entry)
            if not await self.documents.get(id):  # deleted meanwhile
                await self._listing.remove(browser, self._kind, id)


async def recorded(
    hub: Hub, run_id: str, until: float, read: Callable[[Log], list[StreamEvent]]
) -> list[StreamEvent] | None:
    """Return what `read` makes of the log of a run that has ended, None for as long as it is live.

    A run without a log at the moment `until`, by the store's clock, is lost.
    """
    try:
        log = await hub.open(run_id)
    except UnknownRun:
        return LOST if hub.shared.now() > until else None
    except HubFull:
        return None
    return read(log) if log.done else None


def _all(log: Log) -> list[StreamEvent]:
    return log.since(0)


def asked(browser: str, name: str, run_id: str, now: float, body: bytes = b"") -> Item:
    """Make the item of a run that is about to begin."""
    return Item(browser, name, body, run_id, now + BEGINNING)
