"""What would cost a page too much as Markdown, and is shown as plain text.

Measured in Chromium with streamlit 1.67, beside the page itself: each part costs what `_COSTS` says; what is nested,
marks within one paragraph, and rows of one table beyond these bounds, cost by their square.
"""

import re

LONGEST = 100_000  # characters, and so the most that is parsed at once
LONGEST_UNIT = 20_000  # characters of a paragraph, an item or a row
MOST_LINES = 10_000
MOST_MARKS = 1_500  # in a paragraph, an item or a row
MOST_COST = 1_800  # milliseconds
MOST_HIGHLIGHTED = 20_000  # characters of code in colours
SHOWN = 500_000  # characters of plain text that a page shows

_CONTAINERS = r"(?:[ \t>]|[-+*][ \t]|\d{1,9}[.)][ \t])*+"
# Within a quote, code ends with the quote at the latest.
_FENCED = re.compile(
    rf"^(?=(?P<quote>[ \t]*>)?){_CONTAINERS}(?P<fence>`{{3,}}(?![^\n]*`)|~{{3,}})[^\n]*"
    r"(?:\n(?(quote)(?=[ \t]*>))(?![ \t>]*(?P=fence)[`~]*[ \t]*$)[^\n]*)*"
    r"(?:\n[ \t>]*(?P=fence)[`~]*[ \t]*$)?",
    re.MULTILINE,
)
_UNIT = re.compile(r"\n[ \t]*(?=\n|[-+*>|#]|\d+[.)])")
_MARK = re.compile(r"[*_`~\[\]<>:!&\\$]")
# The line beneath a table's head, and all that may be its rows: each has as many cells as that line.
_TABLE = re.compile(
    r"^(?=[^\n]*-)(?=[^\n]*[|:])(?P<head>[-:| \t>]+)$(?P<rows>(?:\n[ \t>]*+[^\s>][^\n]*)*)", re.MULTILINE
)
_COSTS = [  # milliseconds of each
    (_MARK, 0.2),
    (re.compile(r"\n[ \t>]*\n"), 0.6),  # paragraphs
    (re.compile(r"\n[ \t]*\n[ \t]*>"), 1.2),  # quotes
    (re.compile(r"^[ \t>]*(?:[-+*]|\d{1,9}[.)])[ \t]", re.MULTILINE), 1.2),  # items
    (re.compile(rf"^{_CONTAINERS}#{{1,6}}[ \t]|(?<=\S\n)[ \t>]*+(?:=+|-+)[ \t]*$", re.MULTILINE), 4.5),  # headings
    # Formulas, but for what is between two sums of money.
    (
        re.compile(r"\$\$[^$]+\$\$|\\[(\[]|\\begin\{|\$(?=\S)(?!\d[\d,.]*(?![\w\\^{}])[^$\\^_={}]*\$)[^$]*\$"),
        7.0,
    ),
]
_COST_OF_A_CELL = 0.8
_COST_OF_CODE = 8.0
# 40 containers that begin on one line, or a list that is indented as deep as so many.
_DEEP = re.compile(
    r"^(?:(?:[ \t]*+(?:>|(?:[-+*]|\d{1,9}[.)])(?=[ \t]))){40}"
    r"|(?: {100}|\t{40})[ \t]*+(?:>|[-+*][ \t]|\d{1,9}[.)][ \t]))",
    re.MULTILINE,
)


def is_too_much(text: str) -> bool:
    """Tell whether a page should show this as plain text; linear in its length."""
    if len(text) > LONGEST or text.count("\n") > MOST_LINES:
        return True
    prose, codes = _FENCED.subn("", text)
    return (
        bool(_DEEP.search(prose))
        or any(map(_is_full, _UNIT.split(prose)))
        or _cost(prose) + codes * _COST_OF_CODE > MOST_COST
    )


def _cost(prose: str) -> float:
    cells = sum(
        (found["rows"].count("\n") + 1) * (found["head"].strip("| \t>").count("|") + 1)
        for found in _TABLE.finditer(prose)
    )
    return cells * _COST_OF_A_CELL + sum(cost * len(part.findall(prose)) for part, cost in _COSTS)


def _is_full(unit: str) -> bool:
    return len(unit) > LONGEST_UNIT or (len(unit) > MOST_MARKS and len(_MARK.findall(unit)) > MOST_MARKS)
