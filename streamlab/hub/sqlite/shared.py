"""Documents and memberships in the file of one process."""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from streamlab.hub.shared import DocumentType, Membership, MembershipFull, Shared, SteadyClock, Versioned, mark_of
from streamlab.hub.sqlite.cleaning import release
from streamlab.hub.sqlite.ledger import SqliteLedger
from streamlab.hub.sqlite.listing import SqliteListing
from streamlab.hub.sqlite.worker import Worker

logger = logging.getLogger(__name__)

T = TypeVar("T")

NOTED = 0.01  # of the time that a document is kept: a use so soon after the last one is not written down


class _Written(NamedTuple):
    """A document as it is to be written. `until` by the store's clock; `mark`: only if it is there so, "" for not."""

    kind: str
    key: str
    used: float
    until: float
    stays: bool
    body: bytes
    holds: frozenset[str]
    mark: str | None = None


class SqliteDocuments(Generic[T]):
    """Each is one row, whose mark is its digest."""

    def __init__(self, kind: DocumentType[T], worker: Worker, clock: SteadyClock, kept: float) -> None:
        self._kind = kind
        self._worker = worker
        self._clock = clock
        self._seconds = kept if kind.lasting else min(kind.seconds, kept)

    async def get(self, key: str) -> Versioned[T] | None:
        now = self._clock()
        found = await self._worker.call(_read, self._kind.name, key, now)
        if found is None:
            return None
        body, until = found
        try:
            document = self._kind.decode(body)
        except ValueError:
            logger.exception("a document is of no version that is known here: %s", self._kind.name)
            return None
        if until < now + self._seconds * (1 - NOTED):
            self._worker.later(_use, self._kind.name, key, now, now + self._seconds)
        return Versioned(document, mark_of(body))

    async def put(self, key: str, document: T) -> None:
        await self._worker.call(_write, self._written(key, document, self._seconds))

    async def add(self, key: str, document: T, seconds: float | None = None) -> Versioned[T] | None:
        return await self._swap(key, "", document, self._seconds if seconds is None else seconds)

    async def replace(self, key: str, known: Versioned[T], document: T) -> Versioned[T] | None:
        return await self._swap(key, known.mark, document, self._seconds)

    async def remove(self, key: str) -> None:
        await self._worker.call(_remove, self._kind.name, key)

    async def _swap(self, key: str, mark: str, document: T, seconds: float) -> Versioned[T] | None:
        written = self._written(key, document, seconds)._replace(mark=mark)
        done = await self._worker.call(_write, written)
        return Versioned(document, mark_of(written.body)) if done else None

    def _written(self, key: str, document: T, seconds: float) -> _Written:
        kind, now = self._kind, self._clock()
        stays, holds = kind.stays(document), frozenset(kind.holds(document))
        return _Written(kind.name, key, now, now + seconds, stays, kind.encode(document), holds)


class SqliteShared(Shared):
    """Through the store's thread. `kept`: seconds that lasting documents stay after their last use; others at most."""

    def __init__(self, worker: Worker, clock: SteadyClock, kept: float) -> None:
        super().__init__()
        self.listing = SqliteListing(worker)
        self._worker = worker
        self._clock = clock
        self._kept = kept

    def now(self) -> float:
        return self._clock()

    def documents(self, kind: DocumentType[T]) -> SqliteDocuments[T]:
        return SqliteDocuments(kind, self._worker, self._clock, self._kept)

    def ledger(self, kind: DocumentType[Any]) -> SqliteLedger:
        return SqliteLedger(kind.name, self._worker)

    async def enter(self, memberships: Sequence[Membership], *names: str) -> MembershipFull | None:
        return await self._worker.call(_enter, memberships, names, self._clock())

    async def leave(self, memberships: Sequence[Membership], name: str) -> None:
        rows = [(membership.name, name) for membership in memberships]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM memberships WHERE name = ? AND member = ?", rows)

        await self._worker.call(work)

    async def names(self, membership: Membership) -> Iterable[str]:
        return await self._worker.call(_names, membership.name, self._clock())


def _read(connection: sqlite3.Connection, kind: str, key: str, now: float) -> tuple[bytes, float] | None:
    select = "SELECT body, until FROM documents WHERE kind = ? AND key = ? AND until > ?"
    found: tuple[bytes, float] | None = connection.execute(select, (kind, key, now)).fetchone()
    return found


def _use(connection: sqlite3.Connection, kind: str, key: str, now: float, until: float) -> None:
    update = "UPDATE documents SET used = ?, until = ? WHERE kind = ? AND key = ?"
    connection.execute(update, (now, until, kind, key))


def _write(connection: sqlite3.Connection, written: _Written) -> bool:
    if written.mark is not None:
        found = _read(connection, written.kind, written.key, written.used)
        if (mark_of(found[0]) if found else "") != written.mark:
            return False
    connection.execute(
        "INSERT INTO documents (kind, key, used, until, stays, body) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET used = excluded.used, until = excluded.until, stays = excluded.stays,"
        " body = excluded.body",
        written[:6],
    )
    known = _held(connection, written.kind, written.key)
    connection.executemany(
        "INSERT INTO holds (run_id, kind, key) VALUES (?, ?, ?)",
        [(run_id, written.kind, written.key) for run_id in written.holds - known],
    )
    connection.executemany(
        "DELETE FROM holds WHERE run_id = ? AND kind = ? AND key = ?",
        [(run_id, written.kind, written.key) for run_id in known - written.holds],
    )
    return True


def _remove(connection: sqlite3.Connection, kind: str, key: str) -> None:
    """Delete a document for good, and the logs that nothing else holds."""
    held = _held(connection, kind, key)
    connection.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))
    release(connection, list(held))


def _held(connection: sqlite3.Connection, kind: str, key: str) -> frozenset[str]:
    select = "SELECT run_id FROM holds WHERE kind = ? AND key = ?"
    return frozenset(run_id for (run_id,) in connection.execute(select, (kind, key)))


def _enter(
    connection: sqlite3.Connection, memberships: Sequence[Membership], names: Sequence[str], now: float
) -> MembershipFull | None:
    select = "SELECT member, until FROM memberships WHERE name = ? AND until > ?"
    for membership in memberships:
        if membership.limit is None:
            continue
        present = dict(connection.execute(select, (membership.name, now)).fetchall())
        if len(present) >= membership.limit and names[0] not in present:
            return MembershipFull(membership, min(present.values()) - now)
    for membership in memberships:
        connection.executemany(
            "INSERT OR REPLACE INTO memberships (name, member, until) VALUES (?, ?, ?)",
            [(membership.name, name, now + membership.seconds) for name in names],
        )
    return None


def _names(connection: sqlite3.Connection, name: str, now: float) -> list[str]:
    select = "SELECT member FROM memberships WHERE name = ? AND until > ?"
    return [member for (member,) in connection.execute(select, (name, now))]
