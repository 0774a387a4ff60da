"""A comparison's results: a cell for each answer, and a summary by criterion."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean, median
from typing import Literal

from streamlab.events.event import Status
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

    Times are seconds since the run began, `cost` is US$; None is unknown, or not there yet. `estimated` says that the
    token counts, and with them the cost, are estimates. `verdicts` are in the order of the set's checks, empty until
    the answer is checked.
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
    def completed(self) -> bool:
        return self.status == "completed"

    @property
    def passed(self) -> bool | None:
        """Whether it passes every check; None where there is none, where one is undecided, and before they are made."""
        verdicts = [verdict.passed for verdict in self.verdicts] if self.completed else []
        if False in verdicts:
            return False
        return None if None in verdicts or not verdicts else True

    @property
    def failed(self) -> bool:
        """Whether there is no whole answer where one was asked for, or one that does not pass."""
        return self.status in ("failed", "lost") or self.passed is False


@dataclass(frozen=True, slots=True)
class CaseAnswers:
    """The answers to one case: for each variant its repeats."""

    case: int
    variants: tuple[tuple[Cell, ...], ...]

    @property
    def failed(self) -> bool:
        return any(cell.failed for cells in self.variants for cell in cells)

    @property
    def differ(self) -> bool:
        """Whether the variants pass or fail in it to different degrees."""
        return len({sum(cell.failed for cell in cells) for cells in self.variants}) > 1

    @property
    def rated(self) -> bool:
        return any(cell.thumb for cells in self.variants for cell in cells)


def by_case(prompts: PromptSet, cells: Iterable[Cell]) -> list[CaseAnswers]:
    """Group the answers by case, in order."""
    found: dict[int, list[list[Cell]]] = {}
    for cell in cells:
        found.setdefault(cell.case, [[] for _ in prompts.variants])[cell.variant].append(cell)
    return [CaseAnswers(case, tuple(map(tuple, variants))) for case, variants in sorted(found.items())]


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One criterion: each variant's value, None where unknown, and its count of answers (for checks, of verdicts).

    `winners` are the variants with the best value: several when they are equal, none when all known values are equal or
    fewer than two are known. `uneven` says that the counts differ. The median or share of fewer answers can win all the
    same; their sum, which is the cost, cannot.
    """

    criterion: Criterion
    values: tuple[float | None, ...]
    counts: tuple[int, ...]
    winners: tuple[int, ...]
    uneven: bool


@dataclass(frozen=True, slots=True)
class _Aggregation:
    """How a criterion's value is computed from one variant's cells.

    `value` takes the cells that `counts` accepts; `lower` says whether lower is better, None where neither is. Values
    that are equal to so many `digits` tie. A cell counts as so many `units`.
    """

    criterion: Criterion
    lower: bool | None
    counts: Callable[[Cell], object]
    value: Callable[[Sequence[Cell]], float | None]
    summed: bool = False
    digits: int = 9
    units: Callable[[Cell], int] = lambda cell: 1


def summary(prompts: PromptSet, cells: Iterable[Cell]) -> list[SummaryRow]:
    """Summarize the answers so far, criterion by criterion.

    Times, tokens, cost and the spread are those of completed answers. The cost is unknown as soon as that of one answer
    is: half a sum would look cheap. Shares of checks are of those that could be decided. `answers` and `total_range`
    are means over the cases that have at least two completed repeats: how many different answers there are, and by how
    many seconds the slowest is behind the fastest.
    """
    found = list(cells)
    columns = [[cell for cell in found if cell.variant == index] for index in range(len(prompts.variants))]
    return [_row(aggregation, columns) for aggregation in _AGGREGATIONS]


def _row(aggregation: _Aggregation, columns: Sequence[Sequence[Cell]]) -> SummaryRow:
    counted = [[cell for cell in column if aggregation.counts(cell)] for column in columns]
    values = tuple(aggregation.value(cells) if cells else None for cells in counted)
    counts = tuple(sum(map(aggregation.units, cells)) for cells in counted)
    known = {count for count, value in zip(counts, values, strict=True) if value is not None}
    uneven = len(known) > 1
    compared = [None if value is None else round(value, aggregation.digits) for value in values]
    winners = () if uneven and aggregation.summed else _winners(compared, aggregation.lower)
    return SummaryRow(aggregation.criterion, values, counts, winners, uneven)


def _winners(values: Sequence[float | None], lower: bool | None) -> tuple[int, ...]:
    known = [value for value in values if value is not None]
    if lower is None or len(set(known)) < 2:
        return ()
    best = min(known) if lower else max(known)
    return tuple(index for index, value in enumerate(values) if value == best)


def _decided(cell: Cell) -> list[bool]:
    return [verdict.passed for verdict in cell.verdicts if verdict.passed is not None]


def _share(criterion: Criterion, passed: bool) -> _Aggregation:
    def value(cells: Sequence[Cell]) -> float:
        decided = [verdict for cell in cells for verdict in _decided(cell)]
        return decided.count(passed) / len(decided)

    return _Aggregation(criterion, not passed, _decided, value, units=lambda cell: len(_decided(cell)))


def _costs(cells: Sequence[Cell]) -> float | None:
    known = [cell.cost for cell in cells if cell.cost is not None]
    return sum(known) if len(known) == len(cells) else None


def _repeats(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Return the completed answers of each case that has several."""
    cases: dict[int, list[Cell]] = {}
    for cell in cells:
        cases.setdefault(cell.case, []).append(cell)
    return [answers for answers in cases.values() if len(answers) > 1]


def _answers(cells: Sequence[Cell]) -> float | None:
    repeats = _repeats(cells)
    return fmean(len({cell.text.strip() for cell in answers}) for answers in repeats) if repeats else None


def _total_range(cells: Sequence[Cell]) -> float | None:
    ranges = [max(totals) - min(totals) for case in _repeats(cells) if (totals := _known(case, "total"))]
    return fmean(ranges) if ranges else None


def _known(cells: Sequence[Cell], name: Literal["ttft", "total", "output_tokens"]) -> list[float]:
    values: list[float | None] = [getattr(cell, name) for cell in cells]
    return [value for value in values if value is not None]


def _median(name: Literal["ttft", "total", "output_tokens"]) -> _Aggregation:
    return _Aggregation(
        name,
        True,
        lambda cell: cell.completed and getattr(cell, name) is not None,
        lambda cells: median(_known(cells, name)),
        digits=TIME_DIGITS,
    )


_is_completed: Callable[[Cell], bool] = attrgetter("completed")
_AGGREGATIONS = (
    _Aggregation(
        "good",
        False,
        lambda cell: cell.status not in ("waiting", "running"),
        lambda cells: fmean(map(_is_completed, cells)),
    ),
    _median("ttft"),
    _median("total"),
    _median("output_tokens"),
    _Aggregation("cost", True, _is_completed, _costs, summed=True),
    _share("passed", passed=True),
    _share("failed", passed=False),
    _Aggregation(
        "thumbs",
        False,
        lambda cell: cell.thumb is not None,
        lambda cells: float(sum(1 if cell.thumb == "up" else -1 for cell in cells)),
    ),
    _Aggregation("answers", None, _is_completed, _answers),
    _Aggregation("total_range", True, _is_completed, _total_range, digits=TIME_DIGITS),
)

CRITERIA: tuple[Criterion, ...] = tuple(aggregation.criterion for aggregation in _AGGREGATIONS)
