"""Ledgers in the file of one process."""

import sqlite3
from collections.abc import Sequence

from streamlab.hub.sqlite.worker import Worker


class SqliteLedger:
    """Through the store's thread. The entries leave with their document, for which the file has a trigger."""

    def __init__(self, kind: str, worker: Worker) -> None:
        self._kind = kind
        self._worker = worker

    async def append(self, key: str, entry: bytes) -> int:
        return await self._worker.call(_append, self._kind, key, entry)

    async def since(self, key: str, number: int) -> Sequence[bytes]:
        return await self._worker.call(_since, self._kind, key, number)

    async def lengths(self, keys: Sequence[str]) -> Sequence[int]:
        return [await self._worker.call(_length, self._kind, key) for key in keys]

    async def remove(self, key: str) -> None:
        """Leave it to the trigger."""


def _length(connection: sqlite3.Connection, kind: str, key: str) -> int:
    select = "SELECT coalesce(max(number), 0) FROM ledgers WHERE kind = ? AND key = ?"
    return int(connection.execute(select, (kind, key)).fetchone()[0])


def _append(connection: sqlite3.Connection, kind: str, key: str, entry: bytes) -> int:
    if not connection.execute("SELECT 1 FROM documents WHERE kind = ? AND key = ?", (kind, key)).fetchone():
        return 0
    number = _length(connection, kind, key) + 1
    connection.execute("INSERT INTO ledgers VALUES (?, ?, ?, ?)", (kind, key, number, entry))
    return number


def _since(connection: sqlite3.Connection, kind: str, key: str, number: int) -> list[bytes]:
    select = "SELECT entry FROM ledgers WHERE kind = ? AND key = ? AND number > ? ORDER BY number"
    return [entry for (entry,) in connection.execute(select, (kind, key, number))]
