"""What a comparison comes to, and how sure that is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.prompts.checks import Verdict
from streamlab.prompts.conclusion import Aspect, Finding, findings
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.results import Cell, by_case

GOOD, BAD, OPEN = Verdict(True, "contained"), Verdict(False, "not_contained"), Verdict(None, "too_complex")


def a_set(count: int = 2) -> PromptSet:
    variants = tuple(Variant(name=f"v{n}", template="Hi {a}", model="demo") for n in range(count))
    return PromptSet(variants=variants, columns=("a",), cases=tuple({"a": str(n)} for n in range(12)))


def done(variant: int, case: int, total: float = 1.0, *verdicts: Verdict, repeat: int = 0) -> Cell:
    return replace(Cell(variant, case, repeat, status="completed"), total=total, verdicts=verdicts)


def found(aspect: Aspect, *cells: Cell, count: int = 2) -> Finding | None:
    return next((each for each in findings(a_set(count), cells) if each.aspect == aspect), None)


def test_a_difference_in_every_case_is_sure() -> None:
    """Faster by 8.5 seconds, give or take what the cases differ by."""
    cells = [done(variant, case, 1 + 8.5 * variant + 0.1 * case * variant) for variant in (0, 1) for case in range(12)]
    finding = found("total", *cells)
    assert finding
    assert (finding.best, finding.other, finding.certainty) == (0, 1, "sure")
    difference = finding.difference
    assert difference.low is not None
    assert difference.high is not None
    assert -9.6 <= difference.low < difference.value < difference.high <= -8.5


def test_repeats_are_no_cases() -> None:
    """Thirty answers to three cases are a first impression: what differs may be in the cases."""
    cells = [
        done(variant, case, 1 + variant, repeat=repeat)
        for variant in (0, 1)
        for case in range(3)
        for repeat in range(10)
    ]
    finding = found("total", *cells)
    assert finding
    assert (finding.difference.n, finding.certainty) == (3, "few")


def test_an_answer_passes_when_it_passes_every_check() -> None:
    """Undecided ones, and those that never came, count neither way."""
    cells = [done(0, case, 1, GOOD, GOOD) for case in range(10)] + [done(1, case, 1, GOOD, BAD) for case in range(9)]
    cells += [done(1, 9, 1, GOOD, OPEN), Cell(1, 10, 0, status="failed"), done(0, 10, 1, GOOD, GOOD)]
    finding = found("passed", *cells)
    assert finding
    assert (finding.values, finding.difference.n, finding.certainty) == ((1.0, 0.0), 9, "sure")
    assert (finding.difference.low, finding.difference.high) == (1, 1)


def test_what_may_be_chance_is_said_to_be() -> None:
    """Each of two wins in about as many cases as the other."""
    cells = [done(variant, case, 1, GOOD if (case + variant) % 2 else BAD) for variant in (0, 1) for case in range(11)]
    finding = found("passed", *cells)
    assert finding
    assert finding.certainty == "chance"


@pytest.mark.parametrize("totals", [(2.0, 2.04), (2.0, 2.0)])
def test_what_nobody_notices_is_no_difference(totals: tuple[float, float]) -> None:
    """Whatever the statistics make of it."""
    finding = found("total", *(done(variant, case, totals[variant]) for variant in (0, 1) for case in range(12)))
    assert finding
    assert finding.certainty == "same"


def test_the_best_of_several_stands_beside_the_next_one() -> None:
    """Not beside the worst, from which anyone would be far."""
    cells = [done(variant, case, (5, 1, 3)[variant]) for variant in range(3) for case in range(12)]
    finding = found("total", *cells, count=3)
    assert finding
    assert (finding.best, finding.other, finding.values) == (1, 2, (1, 3))


def test_cases_that_only_one_has_answered_compare_nothing() -> None:
    """Nor is there anything to say of one variant alone, or before any answer."""
    assert findings(a_set(), [done(0, 0), done(1, 1)]) == []
    assert findings(a_set(), [done(0, 0), Cell(1, 0, 0, status="running")]) == []
    assert findings(a_set(), []) == []


statuses = st.sampled_from(["waiting", "running", "completed", "failed", "stopped", "lost"])
cells = st.builds(
    lambda variant, case, repeat, status, total, verdicts: replace(
        Cell(variant, case, repeat, status=status), total=total, verdicts=tuple(verdicts)
    ),
    st.integers(0, 2),
    st.integers(0, 11),
    st.integers(0, 2),
    statuses,
    st.none() | st.floats(0, 100),
    st.lists(st.sampled_from([GOOD, BAD, OPEN]), max_size=2),
)


@given(st.lists(cells, max_size=40, unique_by=lambda cell: (cell.variant, cell.case, cell.repeat)))
def test_whatever_has_come_the_best_is_not_behind(found: list[Cell]) -> None:
    """And its interval holds what is told of it."""
    for finding in findings(a_set(3), found):
        best, other = finding.values
        assert best >= other if finding.aspect == "passed" else best <= other
        low, high = finding.difference.low, finding.difference.high
        assert low is None or high is None or low - 1e-9 <= finding.difference.value <= high + 1e-9


@given(st.lists(cells, max_size=40, unique_by=lambda cell: (cell.variant, cell.case, cell.repeat)))
def test_grouping_by_case_loses_no_answer(found: list[Cell]) -> None:
    """A case has failed, or differs, by the answers that it has."""
    cases = by_case(a_set(3), found)
    together = [cell for case in cases for answers in case.variants for cell in answers]
    assert {id(cell) for cell in together} == {id(cell) for cell in found}
    assert len(together) == len(found)
    assert [case.case for case in cases if case.failed] == sorted({cell.case for cell in found if cell.failed})
