"""All answers of a comparison: a row for each case, and beneath its row the case that is opened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer.answer import error_text
from components.answer.markdown import draw_excerpt
from components.page.slots import fresh_container, in_rows
from components.page.texts import plain, t
from components.prompts.answers import StopButtons, draw_answers
from components.prompts.conclusion import variant_names
from components.prompts.difference import draw_difference
from streamlab.hub.listing import shortened
from streamlab.prompts.checks import Check
from streamlab.prompts.comparison import Comparison
from streamlab.prompts.results import CaseAnswers, Cell, by_case

PAGE = 25  # cases that are drawn at a time
EXCERPT = 180  # characters of an answer
SINGLE_MARKS = 5  # repeats that have a mark each; of more the marks are counted
NAME = 40  # characters of what a check looks for
FILTERS = ("all", "failed", "differ", "rated")
MARKS = {"waiting": ":gray[·]", "running": ":gray[…]", "stopped": ":gray[■]"}


@dataclass
class Grid:
    """What is on the page. A cell has two elements, which are drawn anew when its answers have changed."""

    found: Comparison
    stops: StopButtons = field(default_factory=dict)
    _places: dict[tuple[int, int], tuple[DeltaGenerator, DeltaGenerator]] = field(default_factory=dict)
    _drawn: dict[tuple[int, int], tuple[Cell, ...]] = field(default_factory=dict)

    def draw(self) -> None:
        """Draw the rows that the filter and the page choose."""
        rows = self._chosen(by_case(self.found.prompts, self.found.cells()))
        for row in rows:
            with st.container(border=True):
                self._draw_row(row)
        if not rows:
            st.caption(t("prompts.none_shown"))

    def update(self, now: Comparison) -> None:
        """Draw the answers that have changed."""
        for row in by_case(now.prompts, now.cells()):
            for variant, cells in enumerate(row.variants):
                self._draw_cell(row.case, variant, cells)

    def _chosen(self, rows: list[CaseAnswers]) -> list[CaseAnswers]:
        known, filters = self.found.id, st.empty()  # also where none comes, while answers arrive
        if not self.found.live:
            rows = _filtered(rows, _choose_filter(rows, known, filters))
        pages = -(-len(rows) // PAGE)
        first = (st.pagination(pages, key=f"prompts.page.{known}") - 1) * PAGE if pages > 1 else 0
        return rows[first : first + PAGE]

    def _draw_row(self, row: CaseAnswers) -> None:
        key, case = f"prompts.opened.{self.found.id}", row.case
        is_open = st.session_state.get(key) == case
        st.button(
            case_label(self.found, case),
            f"prompts.case.{self.found.id}.{case}",
            help=t("prompts.close_case" if is_open else "prompts.open_case"),
            type="tertiary",
            icon=":material/expand_less:" if is_open else ":material/expand_more:",
            on_click=st.session_state.__setitem__,
            args=(key, None if is_open else case),
        )
        for (variant, cells), place in in_rows(list(enumerate(row.variants)), border=False):
            with place:
                self._places[case, variant] = st.empty(), st.empty()
            self._draw_cell(case, variant, cells)
        opened = st.empty()  # also where none is: what stood there goes at once
        if is_open:
            with opened.container():
                self.stops |= draw_case(self.found, case)

    def _draw_cell(self, case: int, variant: int, cells: tuple[Cell, ...]) -> None:
        places = self._places.get((case, variant))
        if not places or self._drawn.get((case, variant)) == cells:
            return
        self._drawn[case, variant] = cells
        head, body = places
        name = plain(variant_names(self.found.prompts)[variant])
        head.markdown(
            "  \n".join([f"**{name}** {_marks(cells)}{_time(cells)}", *_faults(self.found.prompts.checks, cells)])
        )
        texts = [cell.text for cell in cells if cell.failed and cell.text] or [cell.text for cell in cells if cell.text]
        draw_excerpt(texts[0] if texts else "", body, EXCERPT)


def draw_case(found: Comparison, case: int) -> StopButtons:
    """Draw the answers to one case in full, of the repeat that is chosen, and how any two of them differ."""
    repeat, repeats = 0, found.prompts.repeats
    if repeats > 1:
        key = f"prompts.repeat.{found.id}.{case}"
        chosen = st.segmented_control(t("prompts.repeat"), range(1, repeats + 1), default=1, required=True, key=key)
        repeat = (chosen or 1) - 1
    with fresh_container("prompts.case", (found.id, case, repeat)):
        stops = draw_answers(found, case, repeat)
    if not found.live:
        draw_difference(found, case)
    return stops


def case_label(found: Comparison, case: int) -> str:
    values = ", ".join(f"{name}: {value}" for name, value in found.prompts.inputs()[case].items())
    return plain(f"{case + 1}. {shortened(values)}" if values else t("prompts.only_case"))


def _choose_filter(rows: Sequence[CaseAnswers], known: str, place: DeltaGenerator) -> str:
    def label(name: str) -> str:
        return t(f"prompts.filter_{name}", number=len(_filtered(rows, name)))

    look: dict[str, Any] = {"format_func": label, "label_visibility": "collapsed", "key": f"prompts.filter.{known}"}
    chosen: str = place.segmented_control(t("prompts.filter"), FILTERS, default="all", required=True, **look)
    return chosen


def _filtered(rows: Sequence[CaseAnswers], name: str) -> list[CaseAnswers]:
    return [row for row in rows if name == "all" or getattr(row, name)]


def _marks(cells: Sequence[Cell]) -> str:
    """Return a mark for each repeat, and a check mark only where every check was passed."""
    if len(cells) <= SINGLE_MARKS:
        return "".join(map(_mark, cells))
    passed, known = sum(cell.passed is True for cell in cells), sum(cell.passed is not None for cell in cells)
    return f":{'green' if passed == known else 'red'}[✓ {passed}/{known}]" if known else ""


def _mark(cell: Cell) -> str:
    if cell.failed:
        return ":red[✕]"
    if not cell.completed:
        return MARKS.get(cell.status, "")
    return ":green[✓]" if cell.passed else ":gray[?]" if cell.verdicts else ""


def _time(cells: Sequence[Cell]) -> str:
    totals = [cell.total for cell in cells if cell.completed and cell.total is not None]
    return f" :gray[{t('latency.seconds', value=f'{median(totals):.1f}')}]" if totals else ""


def _faults(checks: Sequence[Check], cells: Sequence[Cell]) -> Iterator[str]:
    """Say what failed, and where there are repeats, in how many of them."""

    def line(fault: str, times: int) -> str:
        often = f" ({times}/{len(cells)})" if len(cells) > 1 else ""
        return f":red[✕ {fault}{often}]"

    errors = [error_text(cell.code) for cell in cells if cell.status in ("failed", "lost")]
    yield from (line(error, errors.count(error)) for error in dict.fromkeys(errors))
    for number, check in enumerate(checks):
        failed = sum(cell.verdicts[number].passed is False for cell in cells if cell.verdicts)
        if failed:
            yield line(check_name(check), failed)


def check_name(check: Check) -> str:
    """Name a check by what it requires."""
    value = str(getattr(check, "value", ""))
    return t(f"prompts.requires_{check.type}", value=plain(value[:NAME] + (" …" if len(value) > NAME else "")))
