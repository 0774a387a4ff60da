"""Documents of which it is told when one has changed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Generic, TypeVar

from streamlab.hub.errors import HubUnreachable
from streamlab.hub.shared import DocumentType, Shared, Versioned

T = TypeVar("T")

LOOK = 0.4  # seconds between two looks at what other processes changed


class Watchers:
    """Who waits for a change of something, by its key: told at once of one that was made here, and of another process's
    within `LOOK` seconds. `marks` returns for each key what is another after a change. Belongs to one event loop.
    """

    def __init__(self, marks: Callable[[Sequence[str]], Awaitable[Sequence[object]]]) -> None:
        self._marks = marks
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, key: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever it may have changed; who waits for it clears it."""
        changed = asyncio.Event()
        self._watchers.setdefault(key, set()).add(changed)
        self._looking = self._looking or asyncio.create_task(self._look(), name="changes elsewhere")
        try:
            yield changed
        finally:
            self._watchers[key].discard(changed)
            if not self._watchers[key]:
                del self._watchers[key]
            if not self._watchers and self._looking:
                self._looking.cancel()
                self._looking = None

    def tell(self, key: str) -> None:
        """Tell who waits that it has changed."""
        for changed in self._watchers.get(key, ()):
            changed.set()

    async def _look(self) -> None:
        """Tell what other processes changed, once for all who watch. Of what is watched only now, that it may have."""
        known: dict[str, object] = {}
        while True:
            await asyncio.sleep(LOOK)
            keys = tuple(self._watchers)
            with suppress(HubUnreachable):
                marks = dict(zip(keys, await self._marks(keys), strict=True))
                for key in keys:
                    if known.get(key) != marks[key]:
                        self.tell(key)
                known = marks


class WatchedDocuments(Generic[T]):
    """Documents of one kind, as the hub has them; who watches one hears of a change."""

    def __init__(self, kind: DocumentType[T], shared: Shared) -> None:
        self._documents = shared.documents(kind)
        self._watchers = Watchers(partial(shared.marks, kind))
        self.watch = self._watchers.watch

    async def get(self, key: str) -> Versioned[T] | None:
        return await self._documents.get(key)

    async def put(self, key: str, document: T) -> None:
        await self._documents.put(key, document)
        self._watchers.tell(key)

    async def add(self, key: str, document: T, seconds: float | None = None) -> Versioned[T] | None:
        added = await self._documents.add(key, document, seconds)
        self._watchers.tell(key)
        return added

    async def replace(self, key: str, known: Versioned[T], document: T) -> Versioned[T] | None:
        replaced = await self._documents.replace(key, known, document)
        self._watchers.tell(key)
        return replaced

    async def remove(self, key: str) -> None:
        await self._documents.remove(key)
        self._watchers.tell(key)
