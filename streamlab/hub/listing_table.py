"""Lists as tables of SQLite, whose full-text index is made of every three characters, for Japanese parts no words."""

import json
import sqlite3
import sys

from streamlab.hub.listing import MOST, Entry, as_found, searched

SHORTEST = 3  # characters of a word that the index finds
END = "\n\n"  # of a text, so that each of its characters begins three that are in the index
COMMON = 5_000  # places beyond which a shorter word is looked for in the texts themselves: it is soon found in some

_SECURE_DELETE = (3, 42)  # the version from which nothing of a deleted text stays in the index
SCHEMA = """
CREATE TABLE listed (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    title TEXT NOT NULL,
    at REAL NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (owner, kind, key)
);
CREATE INDEX listed_at ON listed (owner, kind, at);
CREATE INDEX listed_document ON listed (kind, key);
CREATE VIRTUAL TABLE listed_text USING fts5(
    text, content = 'listed', content_rowid = 'id', tokenize = 'trigram case_sensitive 1'
);
CREATE TRIGGER listed_new AFTER INSERT ON listed BEGIN
    INSERT INTO listed_text (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER listed_gone AFTER DELETE ON listed BEGIN
    INSERT INTO listed_text (listed_text, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER listed_other AFTER UPDATE OF text ON listed WHEN new.text <> old.text BEGIN
    INSERT INTO listed_text (listed_text, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO listed_text (rowid, text) VALUES (new.id, new.text);
END;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in a database that has none of them."""
    connection.executescript(SCHEMA)
    if sqlite3.sqlite_version_info >= _SECURE_DELETE:
        connection.execute("INSERT INTO listed_text (listed_text, rank) VALUES ('secure-delete', 1)")


def put(connection: sqlite3.Connection, owner: str, kind: str, entry: Entry, text: str) -> None:
    """List an entry, or a listed one as it is now; the owner's oldest leave when there are too many."""
    title = entry.title.encode("utf-8", "replace").decode()
    connection.execute(
        "INSERT INTO listed (owner, kind, key, title, at, text) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET title = excluded.title, at = excluded.at, text = excluded.text",
        (owner, kind, entry.key, title, entry.at, searched(entry, text) + END),
    )
    connection.execute(
        "DELETE FROM listed WHERE id IN"
        " (SELECT id FROM listed WHERE owner = ? AND kind = ? ORDER BY at DESC LIMIT -1 OFFSET ?)",
        (owner, kind, MOST),
    )


def remove(connection: sqlite3.Connection, owner: str, kind: str, key: str) -> None:
    connection.execute("DELETE FROM listed WHERE owner = ? AND kind = ? AND key = ?", (owner, kind, key))


def entries(connection: sqlite3.Connection, owner: str, kind: str, words: str, limit: int) -> list[Entry]:
    """Return the entries that hold all the words, the newest first."""
    wanted = as_found(words).split()
    long = [word for word in wanted if len(word) >= SHORTEST]
    select, values = "SELECT key, title, at FROM listed WHERE owner = ? AND kind = ?", [owner, kind]
    if long:
        select += " AND id IN (SELECT rowid FROM listed_text WHERE listed_text MATCH ?)"
        values.append(" AND ".join('"{}"'.format(word.replace('"', '""')) for word in long))
    for word in wanted:
        if word not in long:
            rare = _rare(connection, word)
            select += " AND instr(text, ?)" if rare is None else " AND id IN (SELECT value FROM json_each(?))"
            values.append(word if rare is None else json.dumps(rare))
    found = connection.execute(f"{select} ORDER BY at DESC LIMIT ?", (*values, limit))
    return [Entry(*row) for row in found]


def _rare(connection: sqlite3.Connection, word: str) -> list[int] | None:
    """Return the entries of any owner in which a short word is, None for a common one.

    The index is asked which of its three characters begin with it. https://www.sqlite.org/fts5.html#fts5vocab
    """
    connection.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.listed_words USING fts5vocab('main', 'listed_text', 'instance')"
    )
    select = "SELECT doc FROM temp.listed_words WHERE term >= ? AND term < ? LIMIT ?"
    found = connection.execute(select, (word, word + chr(sys.maxunicode), COMMON)).fetchall()
    return sorted({id for (id,) in found}) if len(found) < COMMON else None


def forget_oldest(connection: sqlite3.Connection, characters: int) -> None:
    """Let the oldest leave until all texts together have no more than so many characters."""
    connection.execute(
        "DELETE FROM listed WHERE id IN (SELECT id FROM"
        " (SELECT id, sum(length(text)) OVER (ORDER BY at DESC, id DESC) AS so_far FROM listed) WHERE so_far > ?)",
        (characters,),
    )
