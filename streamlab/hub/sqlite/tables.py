"""The tables of the embedded store's file: those of a new one, and those that an older one does not have yet."""

import sqlite3
from importlib.resources import files

from streamlab.hub import listing_table

VERSION = 1

_LISTED_LEAVE = """
CREATE TRIGGER document_left_list AFTER DELETE ON documents BEGIN
    DELETE FROM listed WHERE kind = old.kind AND key = old.key;
END;
"""


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables that are not there yet, and see whether the file can be written."""
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not version:
        for statement in _statements(_script("schema")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    # A file may have been written before these were added.
    for table, script in {"listed": listing_table.SCHEMA + _LISTED_LEAVE, "ledgers": _script("ledger")}.items():
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).fetchone():
            for statement in _statements(script):
                connection.execute(statement)
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('clock', 0)")
    connection.execute("UPDATE meta SET value = value WHERE name = 'clock'")
    connection.execute("COMMIT")
    if not version:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _script(name: str) -> str:
    return (files("streamlab.hub.sqlite") / f"{name}.sql").read_text(encoding="utf-8")


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would end the transaction."""
    found, rest = [], ""
    for line in script.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    return found
