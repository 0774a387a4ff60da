"""Questions about sales: the SQL, and what its results say."""

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from streamlab.demo_model.tool_use.calls import Call
from streamlab.demo_model.tool_use.questions import find_keys, pattern, read_patterns
from streamlab.demo_model.tool_use.toolbox import Toolbox

YEAR = "2025"  # of the sales, where a question names none
WORDS = {"three": 3, "five": 5, "ten": 10}


class Period(NamedTuple):
    """From the first to the last day, and what people call it."""

    first: str
    last: str
    label: str


@dataclass(frozen=True, slots=True)
class Query:
    """One measure, in all or by group. Its result is read from the tool's outcome, once that is there."""

    tools: Toolbox
    measure: str
    group: str | None = None
    period: Period | None = None
    limit: int | None = None
    worst: bool = False

    @property
    def call(self) -> Call:
        group: dict[str, str] = read_patterns()["groups"].get(self.group or "", {})
        select = f"{read_patterns()['measures'][self.measure]['sql']} AS {self.measure}"
        where = f" WHERE ordered_on BETWEEN '{self.period.first}' AND '{self.period.last}'" if self.period else ""
        order = ""
        if self.group:
            column = self.tools.word("columns", self.group, group["sql"])
            select = f"{column}{f' AS {self.group}' * (column != self.group)}, {select}"
            by_time = self.group in ("month", "quarter") and not self.limit
            by = self.group if by_time else self.measure + " DESC" * (not self.worst)
            order = f" GROUP BY {self.group} ORDER BY {by}" + (f" LIMIT {self.limit}" if self.limit else "")
        return self.tools.call("sales", f"SELECT {select} FROM {group.get('from', 'orders')}{where}{order}")

    @property
    def whole(self) -> "Query":
        """What a share is a share of: all groups, or else all periods."""
        return Query(self.tools, self.measure, period=self.period if self.group else None)

    @property
    def rows(self) -> list[list[Any]] | None:
        """The result, None when there is none that can be read."""
        rows = self.tools.result(self.call, "rows")
        return rows if isinstance(rows, list) and all(isinstance(row, list) and row for row in rows) else None

    @property
    def top(self) -> list[Any] | None:
        """The row with the highest value, or with the lowest where that was asked for; the only one of a total."""
        rows = [row for row in self.rows or [] if isinstance(row[-1], int | float)]
        return (min if self.worst else max)(rows, key=lambda row: row[-1], default=None)

    @property
    def name(self) -> str:
        """What the top row stands for."""
        return self.tools.word("values", self.top[0]) if self.group and self.top else (self.period or [""])[-1]

    def tell(self) -> str:
        """Say the total, or which group is first or last above a table; else why there is nothing to say."""
        if self.rows is None:
            return self.tools.tell(self.call)
        measure = self.tools.word("labels", self.measure)
        place = self.tools.say("place", label=self.period.label) if self.period else ""
        if not self.top:
            return self.tools.say("no_rows", measure=measure.lower(), place=place)
        key = "total" if not self.group else "last" if self.worst else "first"
        group, value = self.tools.word("labels", self.group).lower(), self.tools.amount(self.top[-1], self.measure)
        said = self.tools.say(key, measure=measure, group=group, place=place, top=self.name, value=value)
        return f"{said}\n\n{self.tools.table((self.group, self.measure), self.rows)}" if self.group else said


def read_queries(question: str, tools: Toolbox) -> list[Query]:
    """Read a question about sales as one query for each period that it names."""
    if "sales" not in find_keys("scenarios", question):
        return []
    asked = find_keys("sales", question)
    group = next(iter(find_keys("groups", question)), None)
    limit = 5 if group == "product" and "best" in asked else None
    if group and (match := pattern("sales", "limit").search(question)):
        count = (match[1] or match[2]).lower()
        limit = WORDS.get(count) or int(count)
    query = Query(tools, find_keys("measures", question)[0], group, None, limit, bool(group) and "worst" in asked)
    return [replace(query, period=period) for period in read_periods(question, tools)] or [query]


def read_periods(question: str, tools: Toolbox) -> list[Period]:
    """List the periods of a question; two with a "to" between them are one. Years count when nothing finer is named."""
    days = list(read_patterns()["periods"])
    units = "|".join(f"({pattern('periods', key).pattern})" for key in days)
    dated = rf"(?:(?<!\d)20\d\d\s*年?の?\s*)?(?:{units})(?:,?\s*(?:of\s)?\s*20\d\d(?!\d))?"
    matches = list(re.finditer(dated, question, re.I))
    years = re.findall(r"20\d\d", " ".join(match[0] for match in matches)) or [YEAR]
    matches = [match for match in matches if match.lastindex != len(days)] or matches
    periods: list[Period] = []
    for index, match in enumerate(matches):
        key = days[(match.lastindex or 1) - 1]
        year = (re.findall(r"20\d\d", match[0]) or years)[0]
        first, last = (f"{year}-{day}" for day in key.split())
        period = Period(first, last, tools.word("periods", key).format(year=year))
        if index and pattern("sales", "through").fullmatch(question, matches[index - 1].end(), match.start()):
            begun = periods.pop()
            period = Period(begun.first, last, tools.say("span", first=begun.label, last=period.label))
        periods.append(period)
    return list(dict.fromkeys(periods))


def tell_share(query: Query) -> tuple[list[Call], str]:
    """Say what share of the whole the top row has. The calculation is known once both results are there."""
    tools, whole = query.tools, query.whole
    if not query.top or not whole.top or not whole.top[-1]:
        return [whole.call], whole.tell()
    call = tools.call("sum", f"{query.top[-1]} / {whole.top[-1]} * 100")
    share = tools.result(call, "value")
    if not isinstance(share, int | float):
        return [whole.call, call], tools.tell(call)
    total = tools.amount(whole.top[-1], query.measure)
    return [whole.call, call], tools.say("share", part=query.name, share=f"{share:.1f}", total=total)


def compare(queries: list[Query]) -> str:
    """Say how far the second of two totals is from the first, or which is best, above a table of all."""
    tools, measure = queries[0].tools, queries[0].measure
    rows = [[query.name, query.top[-1]] for query in queries if query.top]
    said = [_difference(rows, measure, tools)] if len(rows) > 1 else []
    said += [query.tell() for query in queries if not query.top]
    return "\n\n".join([*dict.fromkeys(said), *([tools.table(("period", measure), rows)] if rows else [])])


def _difference(rows: list[list[Any]], measure: str, tools: Toolbox) -> str:
    label = tools.word("labels", measure)
    if len(rows) > 2 or not rows[0][1]:
        place, value = max(rows, key=lambda row: row[-1])
        return tools.say("best", measure=label, place=place, value=tools.amount(value, measure))
    (first, before), (second, after) = rows
    key = "equal" if after == before else "more" if after > before else "less"
    by, percent = tools.amount(abs(after - before), measure), f"{abs(after - before) / before * 100:.1f}"
    return tools.say(key, measure=label, first=first, second=second, by=by, percent=percent)
