"""A blocking iterator, run in a thread of its own and read on the event loop."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Pump(Generic[T], AbstractContextManager["Pump[T]"]):
    """Iterates `items()` in a thread; `batches()` gives lists of what has gathered since the last list.

    What the iterator raises is raised by `batches()`. Leaving the block calls `interrupt`, which must make a blocked
    `next()` return or raise; what the iterator still gives is dropped, and the thread is not waited for.
    """

    def __init__(self, items: Callable[[], Iterator[T]], interrupt: Callable[[], None]) -> None:
        self._items = items
        self._interrupt = interrupt
        self._gathered: deque[T | _End] = deque()
        self._ready = asyncio.Event()
        self._waking = False
        self._left = False

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=copy_context().run, args=(self._work,), name="pump", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._left = True
        self._interrupt()

    async def batches(self) -> AsyncIterator[list[T]]:
        while True:
            await self._ready.wait()
            self._ready.clear()
            batch: list[T] = []
            while self._gathered:
                item = self._gathered.popleft()
                if not isinstance(item, _End):
                    batch.append(item)
                    continue
                if batch:
                    yield batch
                if item.error:
                    raise item.error
                return
            if batch:
                yield batch

    def _work(self) -> None:
        try:
            for item in self._items():
                # Gone through to its end or exception: a chain that is dropped half-way has more to say on stderr.
                if not self._left:
                    self._put(item)
        except BaseException as error:
            self._put(_End(error))
        else:
            self._put(_End(None))

    def _put(self, item: T | _End) -> None:
        self._gathered.append(item)
        if not self._waking:
            self._waking = True
            with contextlib.suppress(RuntimeError):  # the loop may have closed meanwhile
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._waking = False  # before anything is taken: what comes after this line wakes anew
        self._ready.set()
