"""`search_notes`: full-text search (SQLite FTS5) in the notes on streaming, in both languages."""

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache
from typing import Annotated, NamedTuple, TypedDict

from langchain_core.tools import ToolException, tool
from pydantic import Field

from streamlab.demo_model.answers import JAPANESE
from streamlab.demo_model.notes import FOLDER, Language, note_files, topics

QUERY_CHARACTERS = 500
PASSAGE_CHARACTERS = 600
INDEXED = 3  # characters: a trigram index knows no shorter word

FENCED = re.compile(r"(```.*?^```)", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"#+ (.+)")
# Japanese has no spaces. What is written in one script is mostly one word; hiragana is mostly grammar.
PIECE = re.compile(r"[ァ-ヺー]+|[一-鿿々]+|[^\Wぁ-ゖァ-ヺー一-鿿々]+")
GRAMMAR = """
and are but can could did does for from had has have her his how its may not our shall should that the their them then
there these they this was were what when where which who why will with would you your about into
"""
GRAMMAR_WORDS = frozenset(GRAMMAR.split())


class Hit(TypedDict):
    title: str
    language: Language
    passage: str
    source: str


class Found(TypedDict):
    query: str
    hits: list[Hit]


class Excerpt(NamedTuple):
    title: str
    text: str
    keywords: str
    language: Language
    source: str


class Search(NamedTuple):
    """One SELECT's condition and order, and the parameters that both name."""

    condition: str
    order: str
    parameters: dict[str, str]


@tool
def search_notes(
    query: Annotated[str, Field(description="A few keywords, in English or Japanese: resume token, 再接続")],
    limit: Annotated[int, Field(ge=1, le=20, description="How many passages at most")] = 5,
) -> Found:
    """Search the notes on streaming LLM answers, written in English and Japanese.

    They cover tokens and chunks, time to first token, SSE/WebSocket/gRPC, backpressure, resuming, refresh, retries,
    LangChain, stopping, latency, Japanese text and reading speed. Gives the best passages, those in the query's
    language first. No hits means that the notes do not cover it: try other keywords once, then say so.
    """
    if len(query) > QUERY_CHARACTERS:
        raise ToolException(f"The query is longer than {QUERY_CHARACTERS} characters. Give a few keywords.")
    words = _words(re.findall(r"\w+", unicodedata.normalize("NFKC", query)))
    if not words:
        raise ToolException("The query holds no word to search for. Give a few keywords.")
    language: Language = "ja" if JAPANESE.search(query) else "en"
    with closing(_open()) as connection:
        hits = next(filter(None, (_run(connection, search, language, limit) for search in _searches(words))), [])
    # A lone surrogate, as broken JSON escapes make it, has no UTF-8 form to hand on.
    return Found(query=query.encode("utf-8", "replace").decode(), hits=hits)


def _searches(words: list[str]) -> Iterator[Search]:
    """From narrow to wide: all words; all pieces of them; any long piece; any piece."""
    pieces = _words(piece for word in words for piece in PIECE.findall(word)) or words
    long = [piece for piece in pieces if len(piece) >= INDEXED]
    yield _all(words)
    yield _all(pieces)
    if long:
        yield Search(MATCHES, RANKED, {"match": _match(long, " OR ")})
    yield _any(pieces)


MATCHES = "passages MATCH :match"
RANKED = "bm25(passages, 3, 1, 1)"  # a word in the title weighs more
EVERYTHING = "title || ' ' || text || ' ' || keywords"


def _all(words: list[str]) -> Search:
    long = [word for word in words if len(word) >= INDEXED]
    short = _named(word for word in words if len(word) < INDEXED)
    conditions = [f"holds({EVERYTHING}, :{name})" for name in short]
    if not long:
        return Search(" AND ".join(conditions), f"-({_score(short)})", short)
    return Search(" AND ".join([MATCHES, *conditions]), RANKED, short | {"match": _match(long, " AND ")})


def _any(words: list[str]) -> Search:
    named = _named(words)
    return Search(f"({_score(named)}) > 0", f"-({_score(named)})", named)


def _named(words: Iterable[str]) -> dict[str, str]:
    return {f"word{number}": word for number, word in enumerate(words)}


def _score(words: dict[str, str]) -> str:
    """Count in SQL the words that a passage holds, those in its title twice: for words that the index does not know."""
    return " + ".join(f"holds({EVERYTHING}, :{name}) + holds(title, :{name})" for name in words)


def _match(words: list[str], operator: str) -> str:
    """Write an FTS5 query of plain strings. A word holds no quotation mark, or it would be no `\\w+`."""
    return operator.join(f'"{word}"' for word in words)


def _run(connection: sqlite3.Connection, search: Search, language: Language, limit: int) -> list[Hit]:
    rows = connection.execute(
        "SELECT title, language, text, source FROM passages"
        f" WHERE {search.condition} ORDER BY language != '{language}', {search.order}, rowid LIMIT {int(limit)}",
        search.parameters,
    )
    return [Hit(title=title, language=spoken, passage=text, source=source) for title, spoken, text, source in rows]


def _words(found: Iterable[str]) -> list[str]:
    """Keep each word once, without grammar; short ASCII words ("is", "a") count only where there is nothing else."""
    words = list(dict.fromkeys(word.lower() for word in found))
    telling = [word for word in words if word not in GRAMMAR_WORDS and (len(word) >= INDEXED or not word.isascii())]
    return telling or words


def _open() -> sqlite3.Connection:
    """Open a connection of the caller's own to a copy of the index in memory."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(_index())
    connection.create_function("holds", 2, _holds, deterministic=True)
    return connection


def _holds(text: str, word: str) -> bool:
    """Match a short ASCII word as a whole only: AI is not in "wait"."""
    if word.isascii() and len(word) < INDEXED:
        return re.search(rf"(?<![a-z0-9]){word}(?![a-z0-9])", text.lower()) is not None
    return word in text.lower()


@cache
def _index() -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            "CREATE VIRTUAL TABLE passages USING fts5"
            " (title, text, keywords, language UNINDEXED, source UNINDEXED, tokenize = 'trigram')"
        )
        connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?)", _passages())
        connection.commit()
        return connection.serialize()


def _passages() -> Iterator[Excerpt]:
    """Split the notes into passages. The keywords of a note find its first passage."""
    for name, topic in zip(note_files(), topics(), strict=True):
        for language, note in topic.notes.items():
            source = f"notes/{language}/{name}"
            keywords = (FOLDER / language / name).read_text("utf-8").partition("\n")[0].removeprefix("keywords:")
            for title, text in _split(note.title, f"{note.main}\n\n{note.more}"):
                yield Excerpt(title, text, keywords, language, source)
                keywords = ""


def _split(title: str, body: str) -> Iterator[tuple[str, str]]:
    """Cut a note into passages of whole paragraphs; each heading begins a new one and joins its title."""
    heading, gathered = title, ""
    for block in _blocks(body):
        found = HEADING.fullmatch(block)
        if gathered and (found or len(gathered) + len(block) > PASSAGE_CHARACTERS):
            yield heading, gathered
            gathered = ""
        if found:
            heading = title if found[1] == title else f"{title}: {found[1]}"
        else:
            gathered = f"{gathered}\n\n{block}".strip()
    if gathered:
        yield heading, gathered


def _blocks(body: str) -> Iterator[str]:
    """Split a text at blank lines; code keeps its own."""
    for number, part in enumerate(FENCED.split(body)):
        yield from filter(None, [part] if number % 2 else map(str.strip, part.split("\n\n")))
