"""Cases as they are pasted or uploaded: a table of texts out of CSV, TSV or CSV with semicolons."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

MAX_ROWS = 1_000
MAX_COLUMNS = 20
MAX_NAME = 60
MAX_CELL = 32_000
MAX_BYTES = 2 * 1024 * 1024

Flaw = Literal[
    "no_rows",
    "undecodable",
    "nul",
    "quotes",
    "ragged",
    "empty_header",
    "long_header",
    "duplicate_header",
    "too_many_rows",
    "too_many_columns",
    "cell_too_long",
    "too_large",
]

_DELIMITERS = "\t,;"
_NO_SHIFT_JIS = re.compile("[\x80\xa0\uf8f0-\uf8f3]")  # what Python makes of bytes that have no character


@dataclass(frozen=True, slots=True)
class Table:
    """Every row has a text for each column. A formula of a spreadsheet is the text that it was written as."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def cases(self) -> tuple[dict[str, str], ...]:
        return tuple(dict(zip(self.columns, row, strict=True)) for row in self.rows)


class BrokenCases(ValueError):
    """What is wrong, as a `code`, and the `row` it shows in (1-based, the header is row 1); None for the whole.

    `ragged` also says how many fields the row has, `got`, and how many the header has, `expected`.
    """

    def __init__(self, code: Flaw, row: int | None = None, got: int | None = None, expected: int | None = None) -> None:
        super().__init__(code if row is None else f"row {row}: {code}")
        self.code = code
        self.row = row
        self.got = got
        self.expected = expected


def read_cases(data: bytes | str) -> Table:
    """The first row names the columns, the others are the cases. Raises BrokenCases.

    Bytes are UTF-8 with or without a byte order mark, UTF-16 with one, or Shift_JIS (cp932, as Excel writes it).
    The delimiter is the one of tab, comma and semicolon that makes most columns of the first row. Rows are counted as
    a spreadsheet does, a quoted line break begins no new one. Rows without any text are dropped.
    """
    if len(data) > MAX_BYTES:
        raise BrokenCases("too_large")
    text = (data if isinstance(data, str) else _decoded(data)).removeprefix("\ufeff")
    if "\0" in text:
        raise BrokenCases("nul", text.count("\n", 0, text.index("\0")) + 1)
    rows = _rows(text)
    if not rows:
        raise BrokenCases("no_rows")
    header_row, header = rows[0]
    columns = _columns(header_row, header)
    for row, fields in rows[1:]:
        _check(row, fields, len(columns))
    if len(rows) == 1:
        raise BrokenCases("no_rows")
    return Table(columns, tuple(tuple(fields) for _, fields in rows[1:]))


def _decoded(data: bytes) -> str:
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8", "cp932"):  # Shift_JIS is next to never also UTF-8
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if encoding != "cp932" or not _NO_SHIFT_JIS.search(text):
                return text
    raise BrokenCases("undecodable")


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """The rows that hold text, with their numbers."""
    rows: list[tuple[int, list[str]]] = []
    row = 0
    try:
        for row, fields in enumerate(_reader(text, _delimiter(text)), start=1):
            if any(field.strip() for field in fields):
                rows.append((row, fields))
            if len(rows) > MAX_ROWS + 1:
                raise BrokenCases("too_many_rows", row)
    except csv.Error as error:
        # The module's own limit of a field is above ours, and shared by the whole process.
        raise BrokenCases("cell_too_long" if "field limit" in str(error) else "quotes", row + 1) from None
    return rows


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _delimiter(text: str) -> str:
    """Decided on the first row, with its quotes read. A row that cannot be read decides for what comes first."""
    text = text.lstrip("\r\n")

    def width(delimiter: str) -> int:
        try:
            return len(next(_reader(text, delimiter), []))
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=width)


def _columns(row: int, header: list[str]) -> tuple[str, ...]:
    columns = tuple(name.strip() for name in header)
    if len(columns) > MAX_COLUMNS:
        raise BrokenCases("too_many_columns", row)
    if not all(columns):
        raise BrokenCases("empty_header", row)
    if any(len(name) > MAX_NAME for name in columns):
        raise BrokenCases("long_header", row)
    if len(set(columns)) < len(columns):
        raise BrokenCases("duplicate_header", row)
    return columns


def _check(row: int, fields: list[str], expected: int) -> None:
    if len(fields) != expected:
        raise BrokenCases("ragged", row, len(fields), expected)
    if any(len(field) > MAX_CELL for field in fields):
        raise BrokenCases("cell_too_long", row)
