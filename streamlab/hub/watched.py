"""Documents of which it is told when one has changed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from streamlab.hub.errors import HubUnreachable
from streamlab.hub.shared import DocumentType, Shared, Versioned

T = TypeVar("T")

LOOK = 0.4  # seconds between two looks at what other processes changed


class WatchedDocuments(Generic[T]):
    """Documents of one kind, as the hub has them. Who watches one hears of a change: at once of one that was made here,
    and of another process's within `LOOK` seconds. Belongs to one event loop.
    """

    def __init__(self, kind: DocumentType[T], shared: Shared) -> None:
        self._kind = kind
        self._shared = shared
        self._documents = shared.documents(kind)
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def get(self, key: str) -> Versioned[T] | None:
        return await self._documents.get(key)

    async def put(self, key: str, document: T) -> None:
        await self._documents.put(key, document)
        self._tell(key)

    async def add(self, key: str, document: T, seconds: float | None = None) -> Versioned[T] | None:
        added = await self._documents.add(key, document, seconds)
        self._tell(key)
        return added

    async def replace(self, key: str, known: Versioned[T], document: T) -> Versioned[T] | None:
        replaced = await self._documents.replace(key, known, document)
        self._tell(key)
        return replaced

    async def remove(self, key: str) -> None:
        await self._documents.remove(key)
        self._tell(key)

    @contextmanager
    def watch(self, key: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the document may have changed; who waits for it clears it."""
        changed = asyncio.Event()
        self._watchers.setdefault(key, set()).add(changed)
        self._looking = self._looking or asyncio.create_task(self._look(), name=f"changed {self._kind.name}")
        try:
            yield changed
        finally:
            self._watchers[key].discard(changed)
            if not self._watchers[key]:
                del self._watchers[key]
            if not self._watchers and self._looking:
                self._looking.cancel()
                self._looking = None

    def _tell(self, key: str) -> None:
        for changed in self._watchers.get(key, ()):
            changed.set()

    async def _look(self) -> None:
        """Tell what other processes changed, once for all who watch. Of what is watched only now, that it may have."""
        known: dict[str, str] = {}
        while True:
            await asyncio.sleep(LOOK)
            keys = tuple(self._watchers)
            with suppress(HubUnreachable):
                marks = dict(zip(keys, await self._shared.marks(self._kind, keys), strict=True))
                for key in keys:
                    if known.get(key) != marks[key]:
                        self._tell(key)
                known = marks
