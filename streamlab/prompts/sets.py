"""The sets of prompts that browsers have saved, and which one each of them wrote at last."""

import secrets
import time
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from streamlab.hub.listing import Entry, shortened
from streamlab.hub.shared import DocumentType, Shared, Versioned
from streamlab.prompts.prompt_set import PromptSet

KEPT = 30 * 86_400.0  # seconds after the last use
CAPACITY = 32 * 1024 * 1024  # characters, about, of all sets that one process holds
KIND = "prompts"


@dataclass(frozen=True, slots=True)
class SavedSet:
    """A set as it was typed, with the name that it was given, if any."""

    id: str
    browser: str
    prompts: PromptSet
    name: str = ""

    @property
    def title(self) -> str:
        return shortened(self.name) or shortened(self.prompts.variants[0].template)


@dataclass(frozen=True, slots=True)
class Latest:
    """The set that a browser wrote at last, None for a new one that holds nothing yet; and the comparison beside it."""

    set_id: str | None
    comparison_id: str | None = None


Known = Versioned[SavedSet]
_SET, _LATEST = TypeAdapter(SavedSet), TypeAdapter(Latest)
SETS = DocumentType(
    KIND,
    _SET.dump_json,
    _SET.validate_json,
    KEPT,
    CAPACITY,
    lambda saved: saved.prompts.size,
    lasting=True,
)
LATEST = DocumentType("latest_prompts", _LATEST.dump_json, _LATEST.validate_json, KEPT, 10_000, lasting=True)


class Sets:
    """Belongs to one event loop. Every method raises HubUnreachable when the store does not answer."""

    def __init__(self, shared: Shared) -> None:
        self._sets = shared.documents(SETS)
        self._latest = shared.documents(LATEST)
        self._listing = shared.listing

    async def find(self, set_id: str) -> Known | None:
        return await self._sets.get(set_id)

    async def save(self, browser: str, known: Known | None, prompts: PromptSet, name: str) -> Known:
        """Save a set as it is now, in the place of the one that is known, or as a new one.

        Where another page has changed the known one meanwhile, both stay.
        """
        if known:
            saved = replace(known.document, prompts=prompts, name=name)
            if written := await self._sets.replace(saved.id, known, saved):
                return await self._list(written)
        return await self._list(await self._new(SavedSet("", browser, prompts, name)))

    async def remove(self, saved: SavedSet) -> None:
        await self._sets.remove(saved.id)
        await self._listing.remove(saved.browser, KIND, saved.id)

    async def entries(self, browser: str, limit: int) -> list[Entry]:
        """Return the browser's sets, the newest first."""
        return await self._listing.entries(browser, KIND, limit=limit)

    async def latest(self, browser: str) -> Latest:
        known = await self._latest.get(browser)
        return known.document if known else Latest(None)

    async def note_latest(self, browser: str, latest: Latest) -> None:
        await self._latest.put(browser, latest)

    async def _new(self, saved: SavedSet) -> Known:
        written = None
        while not written:
            id = secrets.token_urlsafe(16)
            written = await self._sets.add(id, replace(saved, id=id))
        return written

    async def _list(self, written: Known) -> Known:
        saved = written.document
        await self._listing.put(saved.browser, KIND, Entry(saved.id, saved.title, time.time()))
        return written
