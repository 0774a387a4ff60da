"""What came of a set: a cell for each answer, what wins on what, and tables to take away."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median
from typing import Literal

from streamlab.events import Status
from streamlab.prompts.checks import Verdict
from streamlab.prompts.prompt_set import PromptSet

TIME_DIGITS = 2  # of seconds: what differs by less is the same to whoever waits

Thumb = Literal["up", "down"]
CellStatus = Status | Literal["waiting", "running"]
Criterion = Literal[
    "ttft", "total", "output_tokens", "cost", "passed", "failed", "thumbs", "answers", "total_range", "good"
]


@dataclass(frozen=True, slots=True)
class Cell:
    """One answer: of a variant, to a case, in a repeat, all three counted from 0.

    Times are seconds since the run began, `cost` is US$. None is unknown, or not there yet. `estimated` says that the
    tokens are, and with them the cost. `verdicts` are in the order of the set's checks, empty while it is not judged.
    """

    variant: int
    case: int
    repeat: int
    text: str = ""
    status: CellStatus = "waiting"
    code: str | None = None
    ttft: float | None = None
    total: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool = False
    cost: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    thumb: Thumb | None = None

    @property
    def good(self) -> bool:
        return self.status == "completed"


@dataclass(frozen=True, slots=True)
class Row:
    """One criterion: each variant's value, None where unknown, and of how many answers it is (or verdicts, for checks).

    `winners` are the variants with the best value, several when they are equal, and none when all known values are
    equal or fewer than two are known. `uneven` says that the values are of different numbers of answers. The median or
    share of fewer answers can win all the same; their sum, which is the cost, cannot.
    """

    criterion: Criterion
    values: tuple[float | None, ...]
    counts: tuple[int, ...]
    winners: tuple[int, ...]
    uneven: bool


@dataclass(frozen=True, slots=True)
class _Measure:
    """`value` takes the cells of one variant that `counts` lets through; `lower` is None where neither is better.

    Values that are the same to so many `digits` are equal. A cell is worth so many `units`.
    """

    criterion: Criterion
    lower: bool | None
    counts: Callable[[Cell], bool]
    value: Callable[[Sequence[Cell]], float | None]
    summed: bool = False
    digits: int = 9
    units: Callable[[Cell], int] = lambda cell: 1


def summary(prompts: PromptSet, cells: Iterable[Cell]) -> list[Row]:
    """What wins on what, over the answers so far.

    Times, tokens, cost and the spread are those of completed answers. The cost is unknown as soon as that of one answer
    is: half a sum would look cheap. Shares of checks are of those that could be decided. `answers` and `total_range`
    are means over the cases that have at least two completed repeats: how many different answers there are, and by how
    many seconds the slowest is behind the fastest.
    """
    found = list(cells)
    columns = [[cell for cell in found if cell.variant == place] for place in range(len(prompts.variants))]
    return [_row(measure, columns) for measure in _MEASURES]


def _row(measure: _Measure, columns: Sequence[Sequence[Cell]]) -> Row:
    counted = [[cell for cell in column if measure.counts(cell)] for column in columns]
    values = tuple(measure.value(cells) if cells else None for cells in counted)
    counts = tuple(sum(map(measure.units, cells)) for cells in counted)
    known = {count for count, value in zip(counts, values, strict=True) if value is not None}
    uneven = len(known) > 1
    compared = [None if value is None else round(value, measure.digits) for value in values]
    winners = () if uneven and measure.summed else _winners(compared, measure.lower)
    return Row(measure.criterion, values, counts, winners, uneven)


def _winners(values: Sequence[float | None], lower: bool | None) -> tuple[int, ...]:
    known = [value for value in values if value is not None]
    if lower is None or len(set(known)) < 2:
        return ()
    best = min(known) if lower else max(known)
    return tuple(place for place, value in enumerate(values) if value == best)


def _is_decided(cell: Cell) -> bool:
    return bool(_decided(cell))


def _decided(cell: Cell) -> list[bool]:
    return [verdict.passed for verdict in cell.verdicts if verdict.passed is not None]


def _share(cells: Sequence[Cell], passed: bool) -> float:
    decided = [verdict for cell in cells for verdict in _decided(cell)]
    return decided.count(passed) / len(decided)


def _costs(cells: Sequence[Cell]) -> float | None:
    known = [cell.cost for cell in cells if cell.cost is not None]
    return sum(known) if len(known) == len(cells) else None


def _repeats(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The completed answers of each case that has several."""
    cases: dict[int, list[Cell]] = {}
    for cell in cells:
        cases.setdefault(cell.case, []).append(cell)
    return [answers for answers in cases.values() if len(answers) > 1]


def _answers(cells: Sequence[Cell]) -> float | None:
    repeats = _repeats(cells)
    return sum(len({cell.text.strip() for cell in answers}) for answers in repeats) / len(repeats) if repeats else None


def _total_range(cells: Sequence[Cell]) -> float | None:
    ranges = [max(totals) - min(totals) for case in _repeats(cells) if (totals := _known(case, "total"))]
    return sum(ranges) / len(ranges) if ranges else None


def _known(cells: Sequence[Cell], name: Literal["ttft", "total", "output_tokens"]) -> list[float]:
    values: list[float | None] = [getattr(cell, name) for cell in cells]
    return [value for value in values if value is not None]


def _median(name: Literal["ttft", "total", "output_tokens"]) -> _Measure:
    return _Measure(
        name,
        True,
        lambda cell: cell.good and getattr(cell, name) is not None,
        lambda cells: median(_known(cells, name)),
        digits=TIME_DIGITS,
    )


def _good(cell: Cell) -> bool:
    return cell.good


def _over(cell: Cell) -> bool:
    return cell.status not in ("waiting", "running")


_MEASURES = (
    _Measure("good", False, _over, lambda cells: sum(map(_good, cells)) / len(cells)),
    _median("ttft"),
    _median("total"),
    _median("output_tokens"),
    _Measure("cost", True, _good, _costs, summed=True),
    _Measure("passed", False, _is_decided, lambda cells: _share(cells, True), units=lambda cell: len(_decided(cell))),
    _Measure("failed", True, _is_decided, lambda cells: _share(cells, False), units=lambda cell: len(_decided(cell))),
    _Measure(
        "thumbs",
        False,
        lambda cell: cell.thumb is not None,
        lambda cells: float(sum(1 if cell.thumb == "up" else -1 for cell in cells)),
    ),
    _Measure("answers", None, _good, _answers),
    _Measure("total_range", True, _good, _total_range, digits=TIME_DIGITS),
)


# Tables to take away

_COLUMNS = (
    "variant",
    "case",
    "repeat",
    "status",
    "code",
    "ttft_seconds",
    "total_seconds",
    "input_tokens",
    "output_tokens",
    "tokens_estimated",
    "cost_usd",
    "thumb",
    "model",
    "temperature",
    "text",
)
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")


def to_csv(prompts: PromptSet, cells: Iterable[Cell]) -> bytes:
    """A row for each cell, with its case's values and a column for each check (`passed`, `failed`, `undecided`).

    UTF-8 with a byte order mark, by which Excel knows the encoding; CRLF, as RFC 4180 has it; cases and repeats are
    counted from 1. A text that a spreadsheet would take for a formula (OWASP's list: `= + - @`, tab, line end, and
    their full-width forms) begins with an apostrophe, and every text is quoted.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    columns = [f"input: {name}" for name in prompts.columns]
    checks = [f"check {number}: {check.type}" for number, check in enumerate(prompts.checks, start=1)]
    writer.writerow(map(harmless, [*_COLUMNS, *columns, *checks]))
    for cell in cells:
        writer.writerow([harmless(value) if isinstance(value, str) else value for value in _fields(prompts, cell)])
    return out.getvalue().encode("utf-8-sig", "replace")


def harmless(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _fields(prompts: PromptSet, cell: Cell) -> list[str | float | None]:
    variant = prompts.variants[cell.variant]
    case = prompts.inputs()[cell.case]
    verdicts = [_outcome(verdict) for verdict in cell.verdicts]
    return [
        variant.name,
        cell.case + 1,
        cell.repeat + 1,
        cell.status,
        cell.code or "",
        _rounded(cell.ttft, 4),
        _rounded(cell.total, 4),
        cell.input_tokens,
        cell.output_tokens,
        "yes" if cell.estimated else "no",
        _rounded(cell.cost, 8),
        cell.thumb or "",
        variant.model,
        variant.temperature,
        cell.text,
        *(case[name] for name in prompts.columns if name in case),
        *verdicts,
        *[""] * (len(prompts.checks) - len(verdicts)),
    ]


def _outcome(verdict: Verdict) -> str:
    return {True: "passed", False: "failed", None: "undecided"}[verdict.passed]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def to_markdown(prompts: PromptSet, cells: Iterable[Cell], words: Mapping[str, str]) -> str:
    """The summary as one table, the answers as another. `words` has a text for each of `MARKDOWN_WORDS`."""
    found = list(cells)
    names = [variant.name for variant in prompts.variants]
    rows = [_summary_line(row, words) for row in summary(prompts, found)]
    answers = [_answer_line(prompts, cell) for cell in found]
    head = [words[word] for word in ("case", "repeat", "variant", "status", "answer")]
    return "\n".join(
        [
            f"## {_inline(words['summary'])}",
            "",
            *_table([words["criterion"], *names], rows),
            "",
            f"## {_inline(words['answers_heading'])}",
            "",
            *_table(head, answers),
            "",
        ]
    )


MARKDOWN_WORDS: tuple[str, ...] = (
    "summary",
    "answers_heading",
    "criterion",
    "case",
    "repeat",
    "variant",
    "status",
    "answer",
    "wins",
    "unknown",
    *(measure.criterion for measure in _MEASURES),
)


def _summary_line(row: Row, words: Mapping[str, str]) -> list[str]:
    cells = []
    for place, (value, count) in enumerate(zip(row.values, row.counts, strict=True)):
        if value is None:
            cells.append(words["unknown"])
            continue
        wins = f" {words['wins']}" if place in row.winners else ""
        cells.append(f"{_figure(row.criterion, value)} (n={count}){wins}")
    return [words[row.criterion], *cells]


def _figure(criterion: Criterion, value: float) -> str:
    match criterion:
        case "ttft" | "total" | "total_range":
            return f"{value:.{TIME_DIGITS}f} s"
        case "good" | "passed" | "failed":
            return f"{value:.0%}"
        case "cost":
            return f"US${value:.6f}"
        case _:
            return f"{value:g}"


def _answer_line(prompts: PromptSet, cell: Cell) -> list[str]:
    status = f"{cell.status} ({cell.code})" if cell.code else cell.status
    return [str(cell.case + 1), str(cell.repeat + 1), prompts.variants[cell.variant].name, status, cell.text]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [
        f"| {' | '.join(_inline(text) if number != 1 else text for text in line)} |"
        for number, line in enumerate(lines)
    ]


_MARKUP = re.compile(r"([\\`*_\[\]|~#!$])")


def _inline(text: str) -> str:
    """The text as it is, in one cell of a table: nothing of it is markup or HTML; line ends become `<br>`."""
    plain = _MARKUP.sub(r"\\\1", escape(text.strip(), quote=False))
    return re.sub(r"\r\n|[\r\n\v\f\x85\u2028\u2029]", "<br>", plain)
