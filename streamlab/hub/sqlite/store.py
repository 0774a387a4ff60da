"""Logs as the file keeps them. Each function is work for the store's thread, within a transaction.

The lines of a live log are in the journal, a row for each log and transaction. When it is done they become one
compressed piece, beside what the events that left it amount to.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from streamlab.events.event import StreamEvent, ToolResult, decode, encode
from streamlab.hub.log import Snapshot

COMPRESSION = 1  # the fastest: lines are alike, and become a tenth


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the journal, and the last event in it."""

    id: int
    seq: int


@dataclass(frozen=True, slots=True)
class Begin:
    """A new log: its id in the file, who it is, when it began by the store's clock, and what has left it."""

    id: int
    run_id: str
    epoch: str
    began: float
    sum: Snapshot


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A log as it was found. `pieces` are lines, of which some may have left; `done` by the store's clock.

    `rows` are the journal's that the pieces are of; none when the log is sealed.
    """

    id: int
    epoch: str
    began: float
    done: float | None
    sum: Snapshot
    pieces: tuple[bytes, ...]
    rows: tuple[int, ...] = ()

    def events(self) -> list[StreamEvent]:
        """Decode what is kept after the sum, each event once. Raises ValueError where something is no event."""
        found, seq = [], self.sum.seq
        for piece in self.pieces:
            for line in piece.split(b"\n"):
                event = decode(line)
                if event.seq == seq + 1:
                    found.append(event)
                    seq = event.seq
        return found

    def journal(self) -> list[Row]:
        """List the rows of the journal with the last event of each."""
        return [
            Row(id, decode(piece.rpartition(b"\n")[2]).seq) for id, piece in zip(self.rows, self.pieces, strict=True)
        ]


def last_moment(connection: sqlite3.Connection) -> float:
    """Return a moment that the store's clock had not passed when the file was written last."""
    return float(connection.execute("SELECT value FROM meta WHERE name = 'clock'").fetchone()[0])


def note_moment(connection: sqlite3.Connection, moment: float) -> None:
    """Promise that the store's clock does not pass this moment before it notes another."""
    connection.execute("UPDATE meta SET value = ? WHERE name = 'clock'", (moment,))


def try_write(connection: sqlite3.Connection) -> None:
    """Write a number that is another each time: SQLite does not write what is there already."""
    connection.execute(
        "INSERT INTO meta VALUES ('tried', 0) ON CONFLICT (name) DO UPDATE SET value = (value + 1) % 1000000"
    )


def last_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM logs").fetchone()[0])


def live_runs(connection: sqlite3.Connection) -> list[str]:
    """List the runs that have no end."""
    return [run_id for (run_id,) in connection.execute("SELECT run_id FROM logs WHERE done IS NULL AND events IS NULL")]


def begin(connection: sqlite3.Connection, log: Begin) -> None:
    connection.execute("DELETE FROM journal WHERE log = (SELECT id FROM logs WHERE run_id = ?)", (log.run_id,))
    connection.execute(
        "INSERT OR REPLACE INTO logs (id, run_id, epoch, began, sum, held)"
        " VALUES (?1, ?2, ?3, ?4, ?5, (SELECT count(*) FROM holds WHERE run_id = ?2))",
        (log.id, log.run_id, log.epoch, log.began, _written(log.sum)),
    )


def append(connection: sqlite3.Connection, log: int, events: Sequence[StreamEvent], now: float) -> Row:
    """Write the next events. With `done` the log is no longer live."""
    lines = b"\n".join(map(encode, events))
    cursor = connection.execute("INSERT INTO journal (log, lines) VALUES (?, ?)", (log, lines))
    if events[-1].type == "done":
        connection.execute("UPDATE logs SET done = ? WHERE id = ?", (now, log))
    return Row(int(cursor.lastrowid or 0), events[-1].seq)


def trim(connection: sqlite3.Connection, log: int, sum_: Snapshot, rows: Sequence[Row]) -> None:
    """Let the rows go of which nothing is kept, and keep what they amount to."""
    connection.execute("UPDATE logs SET sum = ? WHERE id = ?", (_written(sum_), log))
    connection.executemany("DELETE FROM journal WHERE id = ?", [(row.id,) for row in rows])


def seal(connection: sqlite3.Connection, log: int, rows: Iterable[int]) -> None:
    """Make one piece of a log that is done and has these rows in the journal."""
    ids = [(id,) for id in rows]
    select = "SELECT lines FROM journal WHERE id = ?"
    pieces = [lines for id in ids for (lines,) in connection.execute(select, id)]
    packed = zlib.compress(b"\n".join(pieces), COMPRESSION)
    update = "UPDATE logs SET events = ?, size = ? WHERE id = ? AND events IS NULL"
    if connection.execute(update, (packed, len(packed), log)).rowcount:
        connection.executemany("DELETE FROM journal WHERE id = ?", ids)


def seal_left(connection: sqlite3.Connection) -> None:
    """Seal the logs that are done and could not be sealed when they were."""
    for (log,) in connection.execute("SELECT id FROM logs WHERE done IS NOT NULL AND events IS NULL").fetchall():
        seal(connection, log, [id for id, _ in _rows(connection, log)])


def read(connection: sqlite3.Connection, run_id: str) -> StoredLog | None:
    """Find a log; None when there is none. Raises ValueError where it is damaged."""
    select = "SELECT id, epoch, began, done, sum, events FROM logs WHERE run_id = ?"
    found = connection.execute(select, (run_id,)).fetchone()
    if found is None:
        return None
    id, epoch, began, done, sum_, packed = found
    if packed is not None:
        return StoredLog(id, epoch, began, done, _read(sum_), (_unpacked(packed),))
    rows = _rows(connection, id)
    pieces, numbers = tuple(lines for _, lines in rows), tuple(number for number, _ in rows)
    return StoredLog(id, epoch, began, done, _read(sum_), pieces, numbers)


def _rows(connection: sqlite3.Connection, log: int) -> list[tuple[int, bytes]]:
    """Find the rows of a log in the journal, which holds little besides live logs."""
    return connection.execute("SELECT id, lines FROM journal WHERE log = ? ORDER BY id", (log,)).fetchall()


def _unpacked(packed: bytes) -> bytes:
    """Read the lines of a sealed log. Raises ValueError where they are damaged, which SQLite does not see."""
    try:
        return zlib.decompress(packed)
    except zlib.error as error:
        raise ValueError("no log") from error


def _written(sum_: Snapshot) -> bytes | None:
    if not sum_.seq:
        return None
    tools = [encode(tool).decode() for tool in sum_.tools]
    data = {"seq": sum_.seq, "step": sum_.step, "text": sum_.text, "tools": tools}
    return json.dumps(data).encode()


def _read(written: bytes | None) -> Snapshot:
    """Read a sum. Raises ValueError when it is none."""
    if written is None:
        return Snapshot(0, 1, "", ())
    data: dict[str, Any] = json.loads(written)
    tools = [decode(line) for line in data["tools"]]
    return Snapshot(data["seq"], data["step"], data["text"], tuple(t for t in tools if isinstance(t, ToolResult)))
