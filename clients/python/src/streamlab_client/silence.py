"""The limit on silence of gRPC's streams: its pings reach only the next proxy, which answers whatever is behind it.

A call that has been silent for too long is cancelled and raises ConnectionLost. Only the time that is spent waiting
counts, so that a slow reader of the stream loses no connection.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from time import monotonic
from typing import Any, Self, TypeVar

import grpc

from streamlab_client.errors import silent_too_long

T = TypeVar("T")

THREAD = "streamlab_client silence"  # the name of the thread that watches a call


class AsyncWatchedCall:
    """A call whose metadata and messages, signs of life among them, are each waited for no longer than `limit` seconds.

    The wait is cancelled within its task, which gRPC takes for the call's end: were the call itself cancelled, its
    CancelledError could not be told from one of the task.
    """

    def __init__(self, call: Any, limit: float) -> None:
        self._call = call
        self._limit = limit
        self._messages: AsyncIterator[Any] = aiter(call)

    async def initial_metadata(self) -> Any:
        return await self._limited(self._call.initial_metadata())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await self._limited(anext(self._messages))

    def cancel(self) -> None:
        """End the call, if it has not ended."""
        self._call.cancel()

    async def _limited(self, wait: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._limit):
                return await wait
        except TimeoutError as error:
            raise silent_too_long() from error


class WatchedCall:
    """The same for threads. gRPC lets one wait without end only, so another thread looks after the call until it has
    ended, however it ends; that thread wakes about once in a limit, however many messages come.
    """

    def __init__(self, call: Any, limit: float) -> None:
        self._call = call
        self._limit = limit
        self._waiting_since: float | None = None
        self._silent = False
        self._ended = threading.Event()
        if call.add_callback(self._ended.set):  # if it has not ended already
            threading.Thread(target=self._watch, name=THREAD, daemon=True).start()

    def initial_metadata(self) -> Any:
        return self._limited(self._call.initial_metadata)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._limited(self._call.__next__)

    def cancel(self) -> None:
        """End the call, if it has not ended."""
        self._call.cancel()

    def _limited(self, wait: Callable[[], T]) -> T:
        self._waiting_since = monotonic()
        try:
            return wait()
        except grpc.RpcError as error:
            if self._silent:
                raise silent_too_long() from error
            raise
        finally:
            self._waiting_since = None

    def _watch(self) -> None:
        left = self._limit
        while not self._ended.wait(left):
            since = self._waiting_since
            left = self._limit if since is None else since + self._limit - monotonic()
            if left <= 0:
                self._silent = True
                self._call.cancel()
                return
