"""What came of a set: a cell for each answer, and what wins on what."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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

CRITERIA: tuple[Criterion, ...] = tuple(measure.criterion for measure in _MEASURES)
