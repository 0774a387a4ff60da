"""One read-only query over a SQLite file, as a program of its own: `{"database", "sql", …}` in, one line of JSON out.

A program, because SQLite cannot be stopped while it prepares a statement: fourteen nested subqueries that each say
`x + x + x` grow into 3¹⁴ terms. The parent can end a program. It imports the standard library only, to start quickly.
"""

import json
import math
import sqlite3
import sys
import time
from contextlib import closing, suppress
from typing import Any

STEPS = 1_000  # of SQLite's machine, between two looks at the clock
MEMORY = 512 * 1024 * 1024  # bytes of address space
TEXT = 256 * 1024  # bytes of one value, also on the way

# Without those that make BLOBs, read files, load code, tell of the system or draw random numbers.
NAMES = """
abs avg ceil ceiling coalesce count cume_dist date datetime dense_rank exp first_value floor format glob group_concat
ifnull iif instr julianday lag last_value lead length like ln log log10 log2 lower ltrim max min mod nth_value ntile
nullif percent_rank pow power printf rank replace round row_number rtrim sign sqrt strftime string_agg substr substring
sum time total trim trunc typeof unixepoch upper
"""
FUNCTIONS = NAMES.split()


class SqlRefused(Exception):
    """A sentence for the model."""


class Guard:
    """SQLite asks it about all that a statement does. `denied` is what it did not allow."""

    def __init__(self, tables: list[str]) -> None:
        self.denied: str | None = None
        self._tables = [*tables, "sqlite_master"]

    def __call__(self, action: int, first: str | None, second: str | None, *_: object) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        # Without a column, as in count(*), nothing of the table is read, and a WITH table may be meant.
        if action == sqlite3.SQLITE_READ and (first in self._tables or not second):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and str(second).lower() in FUNCTIONS:
            return sqlite3.SQLITE_OK
        self.denied = "Anything but reading these tables is not allowed."
        if action == sqlite3.SQLITE_FUNCTION:
            self.denied = f"The function {second} is not allowed; these are: {', '.join(FUNCTIONS)}."
        return sqlite3.SQLITE_DENY


def main() -> None:
    limit_process()
    request = json.load(sys.stdin)
    try:
        answer = read(**request)
    except SqlRefused as refused:
        answer = {"refused": str(refused)}
    sys.stdout.write(json.dumps(answer))


def limit_process() -> None:
    """Where the system can: an end also when the parent is gone."""
    if sys.platform == "win32":
        return
    import resource

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def read(database: str, sql: str, seconds: float, rows: int, size: int) -> dict[str, Any]:
    """Run a query that only reads. Raises SqlRefused.

    `database` is a `file:` URI; `size` bounds the answer, in characters of its JSON.
    """
    with closing(sqlite3.connect(database, uri=True, isolation_level=None)) as connection:
        tables = harden(connection)
        guard = Guard(tables)
        connection.set_authorizer(guard)
        deadline = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
        allowed = f"Allowed is one SELECT, also with WITH, that reads {' and '.join(tables)}"
        try:
            return fetch(connection.execute(sql), rows, size)
        except MemoryError:
            raise SqlRefused("The query needs too much memory. Aggregate or filter first.") from None
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            if guard.denied:
                raise SqlRefused(f"{guard.denied} {allowed}.") from error
            if str(error) == "interrupted":
                raise SqlRefused(f"The query took longer than {seconds:g} seconds. Read or join fewer rows.") from error
            if "one statement" in str(error):
                raise SqlRefused(f"That is more than one statement. {allowed}.") from error
            raise SqlRefused(f"SQLite could not run it: {str(error)[:300]}. {allowed}.") from error


def harden(connection: sqlite3.Connection) -> list[str]:
    """Narrow what any statement may do; gives the tables' names."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, TEXT)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0)
    return tables


def fetch(cursor: sqlite3.Cursor, most: int, size: int) -> dict[str, Any]:
    if cursor.description is None:
        raise SqlRefused("There is no SELECT in it.")
    columns = [name for name, *_ in cursor.description]
    rows: list[list[Any]] = []
    length = len(json.dumps(columns))
    for row in cursor:
        rows.append([plain(value) for value in row])
        length += len(json.dumps(rows[-1], ensure_ascii=False))
        if len(rows) > most:
            raise SqlRefused(f"The result has more than {most:,} rows. Aggregate, or add LIMIT.")
        if length > size:
            raise SqlRefused(f"The result is larger than {size // 1024} KiB. Select fewer columns, or add LIMIT.")
    return {"columns": columns, "rows": rows, "row_count": len(rows)}


def plain(value: Any) -> Any:
    """Return the value, if JSON has one like it."""
    if isinstance(value, bytes):
        raise SqlRefused("The result holds a BLOB. Select text and numbers only.")
    if isinstance(value, float) and not math.isfinite(value):
        raise SqlRefused("The result holds a number that is too large.")
    return value


if __name__ == "__main__":
    main()
