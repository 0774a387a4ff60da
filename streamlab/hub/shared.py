"""What the processes of a hub know of each other besides the logs: small documents, and memberships."""

import asyncio
import hashlib
import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from pydantic import TypeAdapter

from streamlab.hub.errors import HubUnreachable
from streamlab.hub.ledger import Ledger
from streamlab.hub.listing import Listing

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE = 0.5  # seconds until work that failed is tried again

Work = Callable[[], Awaitable[object]]
"""What is to be done at the store; it may be done twice."""


@dataclass(frozen=True)
class DocumentType(Generic[T]):
    """Documents of one kind: how they are written, and how many seconds they stay after their last use.

    `decode` raises ValueError. In the memory of one process are at most `capacity` of them, counted by their `size`:
    then the longest unused leave, but for those that `stay`. In Redis only time makes them leave.
    The embedded store keeps those that are `lasting` for as long as it is told to keep anything, and with each document
    the logs of the runs that it `holds`.
    """

    name: str
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]
    seconds: float
    capacity: int
    size: Callable[[T], int] = lambda document: 1
    stays: Callable[[T], bool] = lambda document: False
    lasting: bool = False
    holds: Callable[[T], Iterable[str]] = lambda document: ()


def json_form(kind: type[T]) -> tuple[Callable[[T], bytes], Callable[[bytes], T]]:
    """Make what writes and reads a dataclass as JSON. Any text is kept, also one that no encoding can write."""
    read = TypeAdapter(kind).validate_python

    def encode(document: T) -> bytes:
        written = json.dumps(asdict(cast(Any, document)), ensure_ascii=False, separators=(",", ":"))
        return written.encode("utf-8", "surrogatepass")

    def decode(written: bytes) -> T:
        return read(json.loads(written.decode("utf-8", "surrogatepass")))

    return encode, decode


@dataclass(frozen=True, slots=True)
class Versioned(Generic[T]):
    """A document as it was read. By `mark` a change knows whether anybody else changed it since."""

    document: T
    mark: str = ""


def mark_of(written: bytes) -> str:
    """Make the mark of a document that is kept as it was written: its digest."""
    return hashlib.sha1(written, usedforsecurity=False).hexdigest()


class SteadyClock:
    """Tells seconds since the epoch that pass evenly while the process runs, whatever is done to the machine's clock.

    It begins at the machine's time, or at `earliest` if that is later.
    """

    def __init__(self, earliest: float = 0.0) -> None:
        self._offset = max(time.time(), earliest) - time.monotonic()

    def __call__(self) -> float:
        return self._offset + time.monotonic()


class Documents(Protocol[T]):
    """All of one kind, by key. Every method raises HubUnreachable when the store does not answer in time."""

    async def get(self, key: str) -> Versioned[T] | None:
        """Read a document, which is to use it."""

    async def put(self, key: str, document: T) -> None:
        """Write a document, whatever is there."""

    async def add(self, key: str, document: T, seconds: float | None = None) -> Versioned[T] | None:
        """Write a document where nothing is, for `seconds` if the kind's are not meant; None where something is."""

    async def replace(self, key: str, known: Versioned[T], document: T) -> Versioned[T] | None:
        """Replace the document that is known; None where it has changed meanwhile or is gone."""

    async def remove(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Membership:
    """A set of names, each of which lapses `seconds` after it was entered last. It holds at most `limit` of them."""

    name: str
    seconds: float
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class MembershipFull:
    """Names the membership that has as many as it may hold, and in how many seconds the first of them lapses."""

    membership: Membership
    seconds: float


class Shared(ABC):
    """The documents and memberships. What asks the store raises HubUnreachable when it does not answer in time.

    What must not get lost is tried again while the store does not answer.
    """

    listing: Listing
    alone = True  # no other process has a part in it

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def now(self) -> float:
        """Return the seconds since the epoch, by the clock that everything here is kept by."""
        return time.time()

    @abstractmethod
    def documents(self, kind: DocumentType[T]) -> Documents[T]: ...

    @abstractmethod
    def ledger(self, kind: DocumentType[Any]) -> Ledger:
        """Return the ledgers beside the documents of a kind."""

    async def marks(self, kind: DocumentType[Any], keys: Sequence[str]) -> Sequence[str]:
        """Return for each document a mark that is another when another process has changed it; to ask is no use of it.

        Where no other process can, it is always the same.
        """
        return [""] * len(keys)

    @abstractmethod
    async def enter(self, memberships: Sequence[Membership], *names: str) -> MembershipFull | None:
        """Enter the names in all, or in none when one is full. Renew existing members even when full."""

    @abstractmethod
    async def leave(self, memberships: Sequence[Membership], name: str) -> None: ...

    @abstractmethod
    async def names(self, membership: Membership) -> Iterable[str]:
        """List the members; some may have lapsed."""

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Finish `work` even if the caller is cancelled."""
        task = asyncio.get_running_loop().create_task(work, name="shared")
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be there to be told
        return await asyncio.shield(task)

    def later(self, work: Work) -> None:
        """Do `work` without waiting for it; if the store does not answer, as soon as it does."""
        task = asyncio.get_running_loop().create_task(self._do(work), name="background retry")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def now_or_later(self, work: Work) -> None:
        """Do `work` now; if the store does not answer, later."""
        try:
            await work()
        except HubUnreachable:
            self.later(work)

    async def close(self, seconds: float) -> None:
        """Give what is still to be done so many `seconds`."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        self._closed = True  # the driver may swallow a cancellation that comes together with an answer
        for task in list(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _do(self, work: Work) -> None:
        while not self._closed:
            try:
                await work()
            except HubUnreachable:
                await asyncio.sleep(PAUSE)
            except Exception:
                logger.exception("unexpected")
                return
            else:
                return
