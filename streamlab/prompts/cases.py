"""Test cases read from a pasted or uploaded table, in whatever encoding and with whatever delimiter people have it."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

from streamlab.prompts.assertions import parse_cell, to_checks
from streamlab.prompts.checks import Check
from streamlab.prompts.left_out import LeftOut
from streamlab.prompts.rows import BrokenRow, Row, is_remark, split_rows
from streamlab.text.encodings import DecodedText, UnknownEncoding, decode

MAX_ROWS = 1_000
MAX_COLUMNS = 20
MAX_NAME = 60  # characters of a column's name
MAX_CELL = 32_000  # characters
MAX_BYTES = 2 * 1024 * 1024

CasesErrorCode = Literal[
    "no_rows",
    "undecodable",
    "other_file",
    "nul",
    "quotes",
    "ragged",
    "no_header",
    "empty_header",
    "long_header",
    "duplicate_header",
    "too_many_rows",
    "too_many_columns",
    "cell_too_long",
    "too_large",
]
RemarkCode = Literal["remarks", "short_rows", "index_column", "empty_columns", "renamed", "directives"]

# How a file begins that is no table of text, whatever its name says.
_OTHER_FILES = {
    b"PK\x03\x04": "Excel",
    b"\xd0\xcf\x11\xe0": "Excel",
    b"%PDF-": "PDF",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"\x1f\x8b": "gzip",
    b"{\\rtf": "RTF",
}
_HTML = re.compile(r"\s*<(?:!doctype|html|table|\?xml)\b", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[\d.,]+")
_DOS_END = "\x1a\r\n"  # Ctrl-Z, by which DOS ends a text
_EXPECTED = re.compile(r"__expected\d*")


@dataclass(frozen=True, slots=True)
class CasesRemark:
    """What was read otherwise than it stands in the file: in which `rows`, or which `names` it is about."""

    code: RemarkCode
    rows: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a text for each row and column; a spreadsheet's formula is kept as its text.

    How it was read is told beside: by which encoding (None for a text that was pasted) and whether that is certain, by
    which delimiter, and what was read otherwise than it stands there. `checks` are what promptfoo's columns ask for.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    encoding: str | None = field(default=None, compare=False)
    certain: bool = field(default=True, compare=False)
    delimiter: str = field(default=",", compare=False)
    remarks: tuple[CasesRemark, ...] = field(default=(), compare=False)
    checks: tuple[Check, ...] = field(default=(), compare=False)
    left_out: tuple[LeftOut, ...] = field(default=(), compare=False)

    def cases(self) -> tuple[dict[str, str], ...]:
        return tuple(dict(zip(self.columns, row, strict=True)) for row in self.rows)


class BrokenCases(ValueError):
    """An error in a table, as a `code` and the `row` where it is (1-based, the header is row 1; None: the whole).

    For `ragged`, `got` is how many fields the row has and `expected` how many the header has. `name` is that of the
    column, or the kind of file for `other_file`. `encoding` is the one that was tried, if the file has one.
    """

    def __init__(
        self,
        code: CasesErrorCode,
        row: int | None = None,
        got: int | None = None,
        expected: int | None = None,
        name: str = "",
    ) -> None:
        super().__init__(code if row is None else f"row {row}: {code}")
        self.code = code
        self.row = row
        self.got = got
        self.expected = expected
        self.name = name
        self.encoding: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled: what it was made of, and what it knows."""
        return type(self), (self.code,), self.__dict__


def read_cases(data: bytes | str, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """Read a table whose first row names the columns. Raise BrokenCases.

    Encoding and delimiter are found where they are not given. Rows are counted as in a spreadsheet: a quoted line break
    does not begin a new one. Rows without any text are dropped, and remarks that begin with `#`. A row that is too
    short ends with empty texts. Names become such as a prompt can have in braces.
    """
    if len(data) > MAX_BYTES:
        raise BrokenCases("too_large")
    decoded = DecodedText(data.rstrip(_DOS_END), "", certain=True) if isinstance(data, str) else _decode(data, encoding)
    try:
        table = _read(decoded.text.removeprefix("\ufeff"), delimiter)
    except BrokenCases as error:
        error.encoding = decoded.encoding or None
        raise
    return replace(table, encoding=decoded.encoding or None, certain=decoded.certain)


def _decode(data: bytes, encoding: str | None) -> DecodedText:
    for beginning, name in _OTHER_FILES.items():
        if data.startswith(beginning):
            raise BrokenCases("other_file", 1, name=name)
    if b"\0" not in data:  # in UTF-16 it is half a character
        data = data.rstrip(_DOS_END.encode())
    try:
        return decode(data, encoding)
    except UnknownEncoding as error:
        if (place := data.find(b"\0")) >= 0:
            raise BrokenCases("nul", data.count(b"\n", 0, place) + 1) from None
        raise BrokenCases("undecodable", data.count(b"\n", 0, error.position) + 1) from None


def _read(text: str, delimiter: str | None) -> Table:
    if "\0" in text:
        raise BrokenCases("nul", text.count("\n", 0, text.index("\0")) + 1)
    if name := _other_format(text):
        raise BrokenCases("other_file", 1, name=name)
    split = split_rows(text, delimiter)
    remarks: list[CasesRemark] = []
    header, rows = _split_remarks(_bounded(split), remarks)
    names, texts = _named_columns(header, _fit(rows, header, remarks), remarks)
    kept = [place for place, name in enumerate(names) if not name.startswith("__")]
    columns = _check_names(header.number, [names[place] for place in kept], remarks)
    table = Table(columns, tuple(tuple(row[place] for place in kept) for row in texts), delimiter=split.delimiter)
    if len(kept) < len(names):
        table = _with_checks(table, names, texts, [row.number for row in rows], remarks)
    if not table.columns:
        raise BrokenCases("no_rows")
    return replace(table, remarks=tuple(remarks))


def _other_format(text: str) -> str | None:
    if _HTML.match(text):
        return "HTML"
    first = text.lstrip()[:1]
    if first not in ("{", "["):
        return None
    for content in (text, text.strip().partition("\n")[0]):  # the latter of JSON Lines
        try:
            json.loads(content)
        except (ValueError, RecursionError):
            continue
        return "JSON"
    return None


def _bounded(rows: Iterable[Row]) -> list[Row]:
    found: list[Row] = []
    try:
        for row in rows:
            if len(found) > MAX_ROWS:
                raise BrokenCases("too_many_rows", row.number)
            if any(len(text) > MAX_CELL for text in row.fields):
                raise BrokenCases("cell_too_long", row.number)
            found.append(row)
    except BrokenRow as error:
        raise BrokenCases("cell_too_long" if error.too_long else "quotes", error.number) from None
    return found


def _split_remarks(rows: Sequence[Row], remarks: list[CasesRemark]) -> tuple[Row, list[Row]]:
    """Return the header and the rows below it, both without the file's remarks."""
    above = 0
    while above < len(rows) and is_remark(rows[above], rows[above + 1] if above + 1 < len(rows) else None):
        above += 1
    below = rows[above + 1 :]
    if not below:
        raise BrokenCases("no_rows")
    header = rows[above]
    within = [row for row in below if row.fields[0].startswith("#") and _is_within(row, header)]
    if numbers := tuple(row.number for row in (*rows[:above], *within)):
        remarks.append(CasesRemark("remarks", rows=numbers))
    kept = [row for row in below if row not in within]
    if not kept:
        raise BrokenCases("no_rows")
    return header, kept


def _is_within(row: Row, header: Row) -> bool:
    """Tell whether a row below the header that begins with # is a remark: prose, which may hold commas."""
    return header.width > len(row.fields) == 1 or (row.width > 1 and is_remark(row, header))


def _fit(rows: Sequence[Row], header: Row, remarks: list[CasesRemark]) -> list[list[str]]:
    """Make each row as wide as the header: a missing field is an empty text, and only empty ones may be too many."""
    width = len(header.fields)
    for row in rows:
        if row.width > width:
            raise BrokenCases("ragged", row.number, len(row.fields), width)
    if short := tuple(row.number for row in rows if len(row.fields) < header.width):
        remarks.append(CasesRemark("short_rows", rows=short))
    return [[*row.fields[:width], *[""] * (width - len(row.fields))] for row in rows]


def _named_columns(
    header: Row, texts: Sequence[list[str]], remarks: list[CasesRemark]
) -> tuple[list[str], list[list[str]]]:
    """Drop the columns without a name that hold nothing, or only count the rows, as pandas writes them."""
    names = [name.strip() for name in header.fields]
    dropped = set()
    for place, name in enumerate(names):
        if name:
            continue
        column = [row[place].strip() for row in texts]
        if not any(column):
            remarks.append(CasesRemark("empty_columns", names=(str(place + 1),)))
        elif any(column == [str(first + number) for number in range(len(column))] for first in (0, 1)):
            remarks.append(CasesRemark("index_column", names=(str(place + 1),)))
        else:
            raise BrokenCases("empty_header", header.number, name=str(place + 1))
        dropped.add(place)
    kept = [place for place in range(len(names)) if place not in dropped]
    return [names[place] for place in kept], [[row[place] for place in kept] for row in texts]


def _check_names(row: int, names: Sequence[str], remarks: list[CasesRemark]) -> tuple[str, ...]:
    """Return the names of the columns, such as can stand in braces."""
    if len(names) > MAX_COLUMNS:
        raise BrokenCases("too_many_columns", row)
    for name in names:
        if len(name) > MAX_NAME:
            raise BrokenCases("long_header", row, name=name[:MAX_NAME])
        if names.count(name) > 1:
            raise BrokenCases("duplicate_header", row, name=name)
    if names and all(map(_NUMBER.fullmatch, names)):
        raise BrokenCases("no_header", row)
    columns: list[str] = []
    for name in names:
        plain = name if name.isidentifier() else _identifier(name)
        taken = {*columns, *names} - {name}
        columns.append(next(each for n in count(1) if (each := plain if n == 1 else f"{plain}_{n}") not in taken))
    if renamed := tuple(f"{old} → {new}" for old, new in zip(names, columns, strict=True) if old != new):
        remarks.append(CasesRemark("renamed", names=renamed))
    return tuple(columns)


def _identifier(name: str) -> str:
    plain = re.sub(r"\W+", "_", name).strip("_")
    return plain if plain.isidentifier() else f"column_{plain}".rstrip("_")


def _with_checks(
    table: Table,
    names: Sequence[str],
    texts: Sequence[Sequence[str]],
    numbers: Sequence[int],
    remarks: list[CasesRemark],
) -> Table:
    """Make checks of promptfoo's `__expected` columns; its other columns are told and left out."""
    expected = [place for place, name in enumerate(names) if _EXPECTED.fullmatch(name)]
    asserted = [
        [parse_cell(row[place], f"{names[place]} ({number})") for place in expected if row[place].strip()]
        for row, number in zip(texts, numbers, strict=True)
    ]
    found = to_checks(table.cases(), asserted, MAX_COLUMNS - len(table.columns))
    if others := tuple(name for place, name in enumerate(names) if name.startswith("__") and place not in expected):
        remarks.append(CasesRemark("directives", names=others))
    added = zip(*found.columns.values(), strict=True) if found.columns else ((),) * len(texts)
    return replace(
        table,
        columns=(*table.columns, *found.columns),
        rows=tuple((*row, *more) for row, more in zip(table.rows, added, strict=True)),
        checks=tuple(found.checks),
        left_out=tuple(found.left_out),
    )
