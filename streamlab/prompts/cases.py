"""Test cases read from a pasted or uploaded table: CSV, TSV or CSV with semicolons."""

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
MAX_NAME = 60  # characters of a column's name
MAX_CELL = 32_000  # characters
MAX_BYTES = 2 * 1024 * 1024

CasesErrorCode = Literal[
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
_NOT_SHIFT_JIS = re.compile("[\x80\xa0\uf8f0-\uf8f3]")  # what Python makes of bytes that have no character


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a text for each row and column; a spreadsheet's formula is kept as its text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def cases(self) -> tuple[dict[str, str], ...]:
        return tuple(dict(zip(self.columns, row, strict=True)) for row in self.rows)


class BrokenCases(ValueError):
    """An error in a table, as a `code` and the `row` where it is (1-based, the header is row 1; None: the whole).

    For `ragged`, `got` is how many fields the row has and `expected` how many the header has.
    """

    def __init__(
        self, code: CasesErrorCode, row: int | None = None, got: int | None = None, expected: int | None = None
    ) -> None:
        super().__init__(code if row is None else f"row {row}: {code}")
        self.code = code
        self.row = row
        self.got = got
        self.expected = expected


def read_cases(data: bytes | str) -> Table:
    """Read a table whose first row names the columns. Raise BrokenCases.

    Bytes are UTF-8 with or without a byte order mark, UTF-16 with one, or Shift_JIS (cp932, as Excel writes it).
    The delimiter is the one of tab, comma and semicolon that makes most columns of the first row. Rows are counted as
    in a spreadsheet: a quoted line break does not begin a new one. Rows without any text are dropped.
    """
    if len(data) > MAX_BYTES:
        raise BrokenCases("too_large")
    text = (data if isinstance(data, str) else _decode(data)).removeprefix("\ufeff")
    if "\0" in text:
        raise BrokenCases("nul", text.count("\n", 0, text.index("\0")) + 1)
    rows = _read_rows(text)
    if not rows:
        raise BrokenCases("no_rows")
    header_row, header = rows[0]
    columns = _check_header(header_row, header)
    for row, fields in rows[1:]:
        _check_row(row, fields, len(columns))
    if len(rows) == 1:
        raise BrokenCases("no_rows")
    return Table(columns, tuple(tuple(fields) for _, fields in rows[1:]))


def _decode(data: bytes) -> str:
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8", "cp932"):  # Shift_JIS is next to never also UTF-8
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if encoding != "cp932" or not _NOT_SHIFT_JIS.search(text):
                return text
    raise BrokenCases("undecodable")


def _read_rows(text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that hold text, with their numbers."""
    rows: list[tuple[int, list[str]]] = []
    row = 0
    try:
        for row, fields in enumerate(_reader(text, _guess_delimiter(text)), start=1):
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


def _guess_delimiter(text: str) -> str:
    """Return the delimiter that makes most columns of the first row; quotes are honoured."""
    text = text.lstrip("\r\n")

    def width(delimiter: str) -> int:
        try:
            return len(next(_reader(text, delimiter), []))
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=width)


def _check_header(row: int, header: list[str]) -> tuple[str, ...]:
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


def _check_row(row: int, fields: list[str], expected: int) -> None:
    if len(fields) != expected:
        raise BrokenCases("ragged", row, len(fields), expected)
    if any(len(field) > MAX_CELL for field in fields):
        raise BrokenCases("cell_too_long", row)
