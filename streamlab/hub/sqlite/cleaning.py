"""What leaves the file by itself: what is too old, and the oldest when there is too much. Work for the store's thread.

Each function takes little at a time and tells whether there may be more, so that no run waits for it.
"""

import sqlite3
from dataclasses import dataclass

from streamlab.hub.sqlite.store import seal_left

PORTION = 200  # rows that leave in one transaction
RECENT = 3_600.0  # seconds after its last use in which a document does not leave for want of room
SPARE = 256  # empty pages that the file keeps for what comes next
PAGES = 500  # pages of the file that are given back in one transaction


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long anything is kept, in seconds, and how many bytes all of it may take.

    `unheld`: how long a log stays after its end that no document holds.
    """

    seconds: float = 30 * 86_400.0
    size: int = 1024 * 1024 * 1024
    unheld: float = 300.0


def clean(connection: sqlite3.Connection, keeping: Keeping, now: float) -> bool:
    """Let go of a portion of what is too old or too much; tell whether there may be more."""
    seal_left(connection)
    gone = _outdated(connection, keeping, now)
    excess = _size(connection) - keeping.size
    if excess > 0:
        gone += _oldest_logs(connection, excess) or _oldest_documents(connection, now)
    spare = int(connection.execute("PRAGMA freelist_count").fetchone()[0]) - SPARE
    for _ in range(min(spare, PAGES)):
        connection.execute("PRAGMA incremental_vacuum(1)")  # the driver takes one step, and a step gives back one page
    return gone >= PORTION or (excess > 0 and gone > 0) or spare > PAGES


def shorten(connection: sqlite3.Connection, keeping: Keeping, now: float) -> None:
    """Keep nothing longer than is asked for now; it may have been more when it was written."""
    connection.execute("UPDATE documents SET until = ?1 WHERE until > ?1", (now + keeping.seconds,))


def release(connection: sqlite3.Connection, runs: list[str]) -> None:
    """Let go at once of these logs, as far as they are done and no document holds them."""
    connection.executemany(
        "DELETE FROM logs WHERE run_id = ? AND events IS NOT NULL AND held = 0", [(run_id,) for run_id in runs]
    )


def _outdated(connection: sqlite3.Connection, keeping: Keeping, now: float) -> int:
    deletes = (
        ("documents", "until <= ?", now),
        ("memberships", "until <= ?", now),
        ("logs", "done <= ? AND events IS NOT NULL AND held = 0", now - keeping.unheld),
    )
    gone = 0
    for table, condition, moment in deletes:
        key = "(name, member)" if table == "memberships" else "rowid"
        columns = key.strip("()")
        select = f"SELECT {columns} FROM {table} WHERE {condition} LIMIT {PORTION}"
        gone += connection.execute(f"DELETE FROM {table} WHERE {key} IN ({select})", (moment,)).rowcount
    return gone


def _size(connection: sqlite3.Connection) -> int:
    """Return the bytes of the pages that hold something."""
    count, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (count - free) * size


def _oldest_logs(connection: sqlite3.Connection, excess: int) -> int:
    """Let the oldest finished logs go; what their runs came to stays with what was made of it."""
    leaving = []
    select = f"SELECT id, size FROM logs WHERE events IS NOT NULL ORDER BY done LIMIT {PORTION}"
    for id, size in connection.execute(select).fetchall():
        leaving.append((id,))
        excess -= size
        if excess <= 0:
            break
    connection.executemany("DELETE FROM logs WHERE id = ?", leaving)
    return len(leaving)


def _oldest_documents(connection: sqlite3.Connection, now: float) -> int:
    """Let the longest unused documents go, but for what is live or was used a moment ago."""
    select = f"SELECT rowid FROM documents WHERE NOT stays AND used < ? ORDER BY used LIMIT {PORTION}"
    return connection.execute(f"DELETE FROM documents WHERE rowid IN ({select})", (now - RECENT,)).rowcount
