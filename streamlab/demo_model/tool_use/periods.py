"""The quarters, months, halves and years in a question."""

import re
from calendar import monthrange
from dataclasses import dataclass

from streamlab.demo_model.tool_use.words import Words

YEAR = 2025  # of the sales, where a question names none
MONTHS = [
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip
NUMERALS = {"一": 1, "二": 2, "三": 3, "四": 4, "first": 1, "second": 2, "third": 3, "fourth": 4, "上": 1, "下": 2}

PERIOD = re.compile(
    rf"""
    (?:(?<!\d)(?P<before>20\d\d)\s*年?の?\s*)?
    (?: (?<![a-z])q(?P<q>[1-4])(?!\d)
      | 第?(?P<quarter_ja>[1-4一二三四])四半期
      | \b(?P<quarter>first|second|third|fourth)\squarter
      | (?<!\d)(?P<month_ja>1[0-2]|0?[1-9])(?:月(?!別|ごと)|(?=\s*(?:[~〜-]|から)\s*\d\d?月))
      | \b(?P<month>{"|".join(MONTHS)})\b(?!\s(?:i|we)\b)
      | (?<![a-z])h(?P<h>[12])(?!\d)
      | (?P<half_ja>[上下])(?:半期|期)
      | \b(?P<half>first|second)\shalf
    )
    (?:,?\s*(?:of\s)?\s*(?P<after>20\d\d)(?!\d))?
    | (?<![\d,.¥$])(?P<year>20\d\d)(?![\d,.]*\d|-\d)
    """,
    re.I | re.VERBOSE,
)  # fmt: skip
THROUGH = re.compile(r"\s*(?:to|through|until|till|[-–~〜]|から)\s*", re.I)


@dataclass(frozen=True, slots=True)
class Period:
    """From the first to the last day, as ISO dates, and what people call it."""

    first: str
    last: str
    label: str


def read_periods(question: str, words: Words) -> list[Period]:
    """In the order of the question; two with a "to" between them are one. Years count when nothing finer is named."""
    matches = list(PERIOD.finditer(question))
    finer = [match for match in matches if not match["year"]]
    years = [int(year) for match in matches for year in match.group("before", "after", "year") if year]
    default = years[0] if years else YEAR
    periods: list[Period] = []
    end = -1
    for match in finer or matches:
        period = _period(match, default, words)
        if periods and THROUGH.fullmatch(question, end, match.start()):
            period = _span(periods.pop(), period, words)
        periods.append(period)
        end = match.end()
    return list(dict.fromkeys(periods))


def _period(match: re.Match[str], default: int, words: Words) -> Period:
    year = int(match["before"] or match["after"] or match["year"] or default)
    if quarter := match["q"] or match["quarter_ja"] or match["quarter"]:
        return _months(year, "quarter", _number(quarter), 3, words)
    if half := match["h"] or match["half_ja"] or match["half"]:
        return _months(year, f"half_{_number(half)}", _number(half), 6, words)
    if month := match["month_ja"] or match["month"]:
        return _months(year, "month", _number(month), 1, words)
    return _months(year, "year", 1, 12, words)


def _months(year: int, kind: str, number: int, length: int, words: Words) -> Period:
    """The `number`th stretch of `length` months."""
    last = number * length
    _, days = monthrange(year, last)
    label = words.say(kind, year=year, number=number, name=MONTHS[number - 1].title())
    return Period(f"{year}-{last - length + 1:02}-01", f"{year}-{last:02}-{days}", label)


def _span(first: Period, last: Period, words: Words) -> Period:
    return Period(first.first, last.last, words.say("span", first=first.label, last=last.label))


def _number(text: str) -> int:
    word = text.lower()
    return MONTHS.index(word) + 1 if word in MONTHS else NUMERALS.get(word) or int(word)
