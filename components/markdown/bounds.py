"""What would cost a page too much as Markdown, and is shown as plain text.

Measured in Chromium with streamlit 1.67, beside the page itself: 100,000 characters of code or of paragraphs full of
marks take about a second; what is nested, and marks within one paragraph, cost by their square.
"""

import re

LONGEST = 100_000  # characters, and so the most that is parsed at once
LONGEST_UNIT = 20_000  # characters of a paragraph, an item or a row
MOST_LINES = 10_000
MOST_MARKS = 1_500  # in a paragraph, an item or a row
MOST_MARKS_IN_ALL = 8_000  # outside of code
MOST_FORMULAS = 2_000
MOST_HIGHLIGHTED = 20_000  # characters of code in colours
SHOWN = 500_000  # characters of plain text that a page shows

_FENCED = re.compile(r"^[ \t>]*(```|~~~)[^\n]*(?:\n(?![ \t>]*\1)[^\n]*)*", re.MULTILINE)
_UNIT = re.compile(r"\n[ \t]*(?=\n|[-+*>|#]|\d+[.)])")
_MARK = re.compile(r"[*_`~\[\]<:!&\\$]")
_FORMULA = re.compile(r"\$|\\[(\[]")
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
    prose = _FENCED.sub("", text)
    if len(prose) > MOST_MARKS_IN_ALL and len(_MARK.findall(prose)) > MOST_MARKS_IN_ALL:
        return True
    return (
        bool(_DEEP.search(prose))
        or len(_FORMULA.findall(prose)) > MOST_FORMULAS
        or any(map(_is_full, _UNIT.split(prose)))
    )


def _is_full(unit: str) -> bool:
    return len(unit) > LONGEST_UNIT or (len(unit) > MOST_MARKS and len(_MARK.findall(unit)) > MOST_MARKS)
