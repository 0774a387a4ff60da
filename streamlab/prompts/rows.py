"""The rows of a delimited text, as people have them: with a line that names the delimiter, remarks, stray spaces."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

DELIMITERS = ("\t", ";", "|", ",")  # where two fit alike the former: a comma may be a decimal sign or part of a name
NO_DELIMITER = "\x1f"  # "unit separator": of a table with one column, whose texts may hold all of the others

_LOOKED_AT = 50  # rows
_RULE = re.compile(r"[|+]?(?:\s*:?[-=]+:?\s*[|+])+(?:\s*:?[-=]+:?)?")  # |---|:-:| and such
_CELL_END = re.compile(r"(?<!\\)\|")
_SEP = re.compile(r'"?sep=([^\r\n])"?[ \t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that holds text, and its number as a spreadsheet counts: a quoted line break begins no row."""

    number: int
    fields: list[str]

    @property
    def width(self) -> int:
        """Count the fields up to the last one that holds text."""
        return next((place for place in range(len(self.fields), 0, -1) if self.fields[place - 1].strip()), 0)


class BrokenRow(ValueError):
    """A row that cannot be read: a field is `too_long`, or its quotation marks do not match."""

    def __init__(self, number: int, *, too_long: bool) -> None:
        super().__init__(f"row {number}")
        self.number = number
        self.too_long = too_long


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a text, read by one delimiter. `first` is the number of the text's first row."""

    text: str
    delimiter: str
    first: int = 1

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows that hold text. Raise BrokenRow."""
        number = self.first - 1
        spaced = _has_spaced_quotes(self.text, self.delimiter)
        lines = io.StringIO(self.text, newline="")
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True, skipinitialspace=spaced)
        try:
            for number, fields in enumerate(reader, start=self.first):
                if any(field.strip() for field in fields):
                    yield Row(number, fields)
        except csv.Error as error:
            # The module's own limit of a field is above ours, and shared by the whole process.
            raise BrokenRow(number + 1, too_long="field limit" in str(error)) from None


@dataclass(frozen=True, slots=True)
class RuledRows:
    """The rows of a table as Markdown has it, or a terminal: under the header stands a rule, `|---|---|`.

    The cells stand between strokes, with spaces around them; `\\|` is a stroke within a cell. `header` is the place of
    the header's line.
    """

    lines: list[str]
    header: int
    delimiter: str = "|"

    def __iter__(self) -> Iterator[Row]:
        for place, line in enumerate(self.lines):
            if place == self.header + 1 or not line.strip() or _is_frame(line):
                continue
            yield Row(place + 1, [line] if place < self.header else _cells(line))


def split_rows(text: str, delimiter: str | None = None) -> Rows | RuledRows:
    """Split by this delimiter, else by the one that the text names (`sep=;`, as Excel writes it) or seems to have."""
    if delimiter in (None, "|") and (ruled := _ruled(text)):
        return ruled
    if named := _SEP.match(text):
        return Rows(text[named.end() :], delimiter or named[1], first=2)
    return Rows(text, delimiter or _guess_delimiter(text))


def is_remark(row: Row, following: Row | None) -> bool:
    """Tell whether a row is a remark, `# exported by …`, beside one that is none. A column may be called `#`, too."""
    if not row.fields[0].lstrip().startswith("#") or not following:
        return False
    if row.width == 1 or row.width != following.width:
        return row.width == 1 or row.fields[0].lstrip().startswith("# ")
    prose, table = (any(field.startswith(" ") for field in each.fields[1:]) for each in (row, following))
    return prose and not table


def _ruled(text: str) -> RuledRows | None:
    """Find the rule under the first line that is no remark and no frame; it has as many parts as the header."""
    lines = re.split(r"\r\n|\r|\n", text)
    texts = (place for place, line in enumerate(lines) if line.strip() and not _is_frame(line))
    header = next((place for place in texts if not lines[place].lstrip().startswith("#")), len(lines))
    if header + 1 >= len(lines) or "|" not in lines[header] or not _RULE.fullmatch(lines[header + 1].strip()):
        return None
    rule = _cells(lines[header + 1].replace("+", "|"))
    return RuledRows(lines, header) if len(rule) == len(_cells(lines[header])) else None


def _is_frame(line: str) -> bool:
    """Tell whether a line is the frame that a terminal draws around a table: `+----+----+`."""
    return line.lstrip().startswith("+") and bool(_RULE.fullmatch(line.strip()))


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    cells = [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(inner)]
    return cells[:-1] if len(cells) > 1 and not cells[-1] else cells


def _guess_delimiter(text: str) -> str:
    """Return the delimiter by which most of the first rows are as wide as the header, and the header is widest."""
    tables = {delimiter: _first_rows(text, delimiter) for delimiter in DELIMITERS}
    split = {delimiter: rows for delimiter, rows in tables.items() if rows and len(rows[0].fields) > 1}
    if split:
        return max(split, key=lambda each: (_share_as_wide(split[each]), len(split[each][0].fields)))
    # A title above a table has one column as well; then each row below has several.
    widths = {delimiter: {row.width for row in rows[1:]} for delimiter, rows in tables.items() if len(rows) > 2}
    return next((each for each, found in widths.items() if len(found) == 1 and min(found) > 1), NO_DELIMITER)


def _share_as_wide(rows: list[Row]) -> float:
    """Return the share of rows as wide as the header; it does not matter whether a delimiter ends them."""
    header = rows[0]
    return sum(len(row.fields) == len(header.fields) or row.width == header.width for row in rows) / len(rows)


def _first_rows(text: str, delimiter: str) -> list[Row]:
    rows: list[Row] = []
    with suppress(BrokenRow):
        rows.extend(islice(Rows(text, delimiter), _LOOKED_AT))
    while rows and is_remark(rows[0], rows[1] if len(rows) > 1 else None):
        del rows[0]
    return rows


def _has_spaced_quotes(text: str, delimiter: str) -> bool:
    """Tell whether a space stands between a delimiter and a quoted field, as people type it."""
    end = re.escape(delimiter)
    if not re.search(rf'(?:^|{end}) +"', text, re.MULTILINE):
        return False
    # One field after the other, for the same characters may stand within a quoted one.
    field = re.compile(rf'"[^"]*(?:""[^"]*)*"[^{end}\r\n]*|( +")?[^{end}\r\n]*')
    place = 0
    while place < len(text):
        match = field.match(text, place)
        assert match  # of nothing, at least
        if match[1]:
            return True
        place = match.end() + 1
    return False
