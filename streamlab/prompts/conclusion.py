"""What a comparison comes to: which variant is better at what, by how much, and whether chance could have done it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from streamlab.latency.difference import SURE, Difference, mean_difference, paired_difference
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.results import Cell

Aspect = Literal["passed", "total"]
Certainty = Literal["same", "few", "chance", "sure"]
NOTICED = {"passed": 0.005, "total": 0.1}  # of a share: what is rounded away; of seconds: what people notice

_Cases = Mapping[int, float]  # a variant's value for each case


@dataclass(frozen=True, slots=True)
class Finding:
    """The best variant in one aspect beside the next one, over the `cases` that all were answered in.

    `passed` is the share of answers that pass every check, `total` the seconds until an answer is whole. `values` are
    the best one's and the other one's; `difference` is of the best one's less the other's, case by case.
    """

    aspect: Aspect
    best: int
    other: int
    values: tuple[float, float]
    difference: Difference

    @property
    def certainty(self) -> Certainty:
        """Classify it: no difference to speak of, too few cases to be sure, may be chance, or neither."""
        if abs(self.difference.value) < NOTICED[self.aspect]:
            return "same"
        if self.difference.n < SURE:
            return "few"
        return "sure" if self.difference.distinguishable else "chance"


def findings(prompts: PromptSet, cells: Iterable[Cell]) -> list[Finding]:
    """Find the best variant by checks and by time, where two or more have answers to the same cases.

    Repeats of a case are no cases of their own: its value is the share, or the median, of its repeats.
    """
    known = list(cells)
    columns = [[cell for cell in known if cell.variant == index] for index in range(len(prompts.variants))]
    found = (
        _finding("passed", [_by_case(column, _share, fmean) for column in columns], fmean, mean_difference),
        _finding("total", [_by_case(column, _total, median) for column in columns], median, paired_difference),
    )
    return [finding for finding in found if finding]


def _finding(
    aspect: Aspect,
    columns: Sequence[_Cases],
    middle: Callable[[Sequence[float]], float],
    differ: Callable[[Sequence[float]], Difference | None],
) -> Finding | None:
    known = {variant: cases for variant, cases in enumerate(columns) if cases}
    if len(known) < 2:
        return None
    shared = sorted(set.intersection(*(set(cases) for cases in known.values())))
    values = {variant: [cases[case] for case in shared] for variant, cases in known.items()}
    if not shared:
        return None
    middles = {variant: middle(of) for variant, of in values.items()}
    best, other, *_ = sorted(known, key=lambda variant: middles[variant], reverse=aspect == "passed")
    difference = differ([a - b for a, b in zip(values[best], values[other], strict=True)])
    assert difference
    return Finding(aspect, best, other, (middles[best], middles[other]), difference)


def _by_case(
    cells: Iterable[Cell], value: Callable[[Cell], float | None], middle: Callable[[Sequence[float]], float]
) -> _Cases:
    found: dict[int, list[float]] = {}
    for cell in cells:
        if (known := value(cell)) is not None:
            found.setdefault(cell.case, []).append(known)
    return {case: middle(values) for case, values in found.items()}


def _share(cell: Cell) -> float | None:
    return None if cell.passed is None else float(cell.passed)


def _total(cell: Cell) -> float | None:
    return cell.total if cell.completed else None
