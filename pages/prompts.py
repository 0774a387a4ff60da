"""Prompts side by side: which variant answers best, by figures, checks and eyes."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page import access, lesson, questions
from components.page.address import COMPARISON, named, show
from components.page.browser import browser
from components.page.changes import draw_changes
from components.page.lab import engine, sleep
from components.page.session import session
from components.page.slots import draw_notice, fresh_container
from components.page.texts import t
from components.page.widgets import button
from components.prompts import comparison, saved
from components.prompts import editor as prompt_editor
from components.prompts import files as prompt_files
from streamlab.prompts.checks import run_check
from streamlab.prompts.comparison import Comparison, count_answers
from streamlab.prompts.comparisons import MAX_ANSWERS, Comparisons, TooManyAnswers
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.template import fill

POLL_SECONDS = 0.5  # between two drawings of what changes while answers arrive

lab = engine()


def run(prompts: PromptSet) -> None:
    try:
        asked = prompts, browser() or ""
        comparison_id = questions.started(models_of(prompts), lambda: lab.portal.call(lab.comparisons.start, *asked))
    except TooManyAnswers as error:
        session().notice = t("prompts.too_many", answers=f"{error.answers:,}", limit=f"{MAX_ANSWERS:,}")
        return
    if comparison_id:
        show(COMPARISON, comparison_id)


def go_on(found: Comparison) -> None:
    questions.started(models_of(found.prompts), lambda: lab.portal.call(lab.comparisons.go_on, found.id))


def models_of(prompts: PromptSet) -> list[str]:
    return [variant.model for variant in prompts.variants]


def tells_apart(found: Comparison | None) -> bool:
    """Tell whether all answers have come, and a check passed some and failed others."""
    if not found or found.live or not found.prompts.checks:
        return False
    passed = {verdict.passed for cell in found.cells() for verdict in cell.verdicts}
    return {True, False} <= passed


def draw_run(prompts: PromptSet | None, *, running: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        button("prompts.run", "play_arrow", run, prompts, type="primary", disabled=prompts is None or running)
        if prompts:
            variants, cases, answers = (
                len(prompts.variants),
                f"{len(prompts.inputs()):,}",
                f"{count_answers(prompts):,}",
            )
            st.caption(t("prompts.run_what", variants=variants, cases=cases, repeats=prompts.repeats, answers=answers))


def choose_case(found: Comparison) -> tuple[int, int]:
    """Let the user choose the case, and the repeat, whose answers are shown in full; return both."""
    inputs, repeat = found.prompts.inputs(), 1
    if len(inputs) == 1 and found.prompts.repeats == 1:
        return 0, 0

    def label(case: int) -> str:
        return f"{case + 1}. " + ", ".join(f"{name}: {value[:40]}" for name, value in inputs[case].items())

    left, right = st.columns([4, 1])
    key, cases = f"prompts.shown.{found.id}", range(len(inputs))
    case = left.selectbox(t("prompts.shown_case"), cases, format_func=lambda case: label(case).strip(), key=key)
    if found.prompts.repeats > 1:
        repeat = right.number_input(t("prompts.repeat"), 1, found.prompts.repeats, key=f"prompts.repeat.{found.id}")
    return case, repeat - 1


def draw_comparison(found: Comparison) -> None:
    progress_place = st.container(horizontal=True, vertical_alignment="center")
    if found.left and not found.live:
        draw_go_on(found, progress_place, "prompts.go_on_below")
    several = found.expected > len(found.prompts.variants)
    summary_place, grid_place = st.empty(), st.empty()
    first = choose_page(found) if several else 0
    case, repeat = choose_case(found)
    with fresh_container("prompts.columns", (case, repeat)):
        stops = comparison.draw_columns(found, case, repeat)
    if not several:  # what is watched comes first
        summary_place = st.empty()

    def draw(now: Comparison) -> None:
        for cell_key in [key for key in stops if key in now.answers and now.answers[key].ended]:
            stops.pop(cell_key).empty()
        with summary_place.container():
            comparison.draw_summary(now)
        if several:
            with grid_place.container():
                comparison.draw_grid(now, first)

    draw(found)
    if found.live:
        with progress_place:
            watch(found, draw)
        st.rerun()
    comparison.draw_difference(found, case)


def draw_end(found: Comparison) -> None:
    """Say why it ended before its end, where one looks first, and offer to go on."""
    whole = found.expected - len(found.left)
    told = t(f"prompts.state_{found.state}", done=whole, expected=found.expected)
    st.info(told, icon=":material/info:")
    if found.left:
        draw_go_on(found, st.container(), "prompts.go_on")


def draw_go_on(found: Comparison, place: DeltaGenerator, key: str) -> None:
    """Draw the button that asks for what is missing."""
    label, icon = t("prompts.go_on", number=len(found.left)), ":material/resume:"
    place.button(label, key, t("prompts.go_on_help"), on_click=go_on, args=(found,), icon=icon)


def watch(found: Comparison, draw: Callable[[Comparison], None]) -> None:
    """Redraw what is known until all has ended; the columns follow their answers meanwhile."""
    button("prompts.stop", "stop_circle", lab.portal.call, lab.comparisons.stop, found.id)
    place, done = st.empty(), found.done
    now: Comparison | None = found
    while now and now.live:
        place.progress(now.done / now.expected, text=t("prompts.progress", done=now.done, expected=now.expected))
        if now.done != done:
            done = now.done
            draw(now)
        sleep(POLL_SECONDS)
        now = comparison.find(found.id, now)


def choose_page(found: Comparison) -> int:
    """Draw the grid's page buttons, and return the first case of the chosen page."""
    pages = -(-len(found.prompts.inputs()) // comparison.PAGE)
    return (st.pagination(pages, key=f"prompts.page.{found.id}") - 1) * comparison.PAGE if pages > 1 else 0


comparison_id = named(COMPARISON)
found = comparison.HISTORY.find(comparison_id)
lesson.draw_title("prompts", (fill, Comparisons.start, run_check), tried=tells_apart(found))
saved.open_first(found)
prompt_files.open_shared()
draw_notice(st.container())
gone_place = st.empty()  # also where nothing comes: what stood there goes at once
st.markdown(t("prompts.what"))
files_place = st.container()
with st.container(border=True):
    prompts = prompt_editor.draw()
    saved.keep(comparison_id)
if comparison_id and not found:
    with gone_place.container():
        comparison.HISTORY.draw_missing(comparison_id)
if found and not found.live and found.state != "completed":
    with gone_place.container():
        draw_end(found)
access.draw(models_of(prompts) if prompts else [], st.container())
draw_run(prompts, running=found is not None and found.live)
with files_place:
    prompt_files.draw(prompts, found)
if found:
    draw_changes(COMPARISON, found.id, found.version)
    with fresh_container("prompts.comparison", found.id):
        draw_comparison(found)
