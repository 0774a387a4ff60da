"""Prompts side by side: which variant answers best, by figures, checks and eyes."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page import access, lesson, questions
from components.page.address import COMPARISON, named, show
from components.page.browser import browser
from components.page.changes import draw_changes
from components.page.lab import engine, sleep
from components.page.presented import may_stop
from components.page.session import session
from components.page.slots import draw_notice, fresh_container
from components.page.texts import t
from components.page.widgets import button
from components.prompts import answers as case_answers
from components.prompts import comparison, conclusion, saved
from components.prompts import editor as prompt_editor
from components.prompts import files as prompt_files
from components.prompts.answers import StopButtons
from components.prompts.difference import draw_difference
from components.prompts.grid import Grid
from streamlab.prompts.checks import run_check
from streamlab.prompts.comparison import Comparison, count_answers
from streamlab.prompts.comparisons import MAX_ANSWERS, Comparisons, TooManyAnswers
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.template import fill

POLL_SECONDS = 0.5  # between two drawings of what changes while answers arrive

lab = engine()


def run(prompts: PromptSet | None) -> None:
    prompt_editor.insist(prompts is None)
    if prompts is None:
        return
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


def tells_apart(found: Comparison) -> bool:
    """Tell whether all answers have come, and a check passed some and failed others."""
    if found.live or not found.prompts.checks:
        return False
    passed = {verdict.passed for cell in found.cells() for verdict in cell.verdicts}
    return {True, False} <= passed


def draw_run(prompts: PromptSet | None, found: Comparison | None) -> None:
    """Draw the button that runs the set, with what that comes to; of a set that cannot be run it says why."""
    with st.container(horizontal=True, vertical_alignment="center"):
        label = t("prompts.run_answers", answers=f"{count_answers(prompts):,}") if prompts else t("prompts.run")
        button("prompts.run", "play_arrow", run, prompts, type="primary", label=label)
        if prompts and not (found and found.prompts == prompts):
            st.caption(prompt_editor.describe(prompts))


def draw_comparison(found: Comparison) -> None:
    """Draw what it comes to, and the answers: of several cases as a grid. What is watched stands below that."""
    if not found.live:
        conclusion.draw_sentences(found)
        conclusion.draw_figures(found)
    if found.expected == len(found.prompts.variants):
        stops, update = case_answers.draw_answers(found, 0, 0), None
        if not found.live:
            draw_difference(found, 0)
    else:
        if found.live:
            st.session_state.setdefault(f"prompts.opened.{found.id}", 0)
        grid = Grid(found)
        grid.draw()
        stops, update = grid.stops, grid.update
    if not found.live:
        if found.left:
            draw_go_on(found, st.container(), "prompts.go_on_below")
        return
    with run_place.container(horizontal=True, vertical_alignment="center"):
        watch(found, stops, update)
    st.rerun()


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


def watch(found: Comparison, stops: StopButtons, update: Callable[[Comparison], None] | None) -> None:
    """Tell how far it is, and bring the grid up to date, until all has ended; answers in full follow by themselves."""
    if may_stop(found.id):
        button("prompts.stop", "stop_circle", lab.portal.call, lab.comparisons.stop, found.id)
    place = st.empty()
    now: Comparison | None = found
    while now and now.live:
        place.progress(now.done / now.expected, text=t("prompts.progress", done=now.done, expected=now.expected))
        for cell_key in [key for key in stops if key in now.answers and now.answers[key].ended]:
            stops.pop(cell_key).empty()
        if update:
            update(now)
        sleep(POLL_SECONDS)
        now = comparison.find(found.id, now)


comparison_id = named(COMPARISON)
found = comparison.HISTORY.find(comparison_id)
tried = any(map(tells_apart, comparison.HISTORY.own))
lesson.draw_title("prompts", (fill, Comparisons.start, run_check), tried=tried)
saved.open_first(found)
prompt_files.open_shared()
draw_notice(st.container())
gone_place, point_place = st.empty(), st.empty()  # also where nothing comes: what stood there goes at once
files_place, access_place, run_place = st.container(), st.container(), st.empty()
with st.expander(prompt_editor.describe(found.prompts) if found else t("prompts.editor"), expanded=not found):
    prompts = prompt_editor.draw()
    saved.keep(comparison_id)
    st.caption(saved.describe())
if not found:
    point_place.markdown(t("prompts.point"))
if comparison_id and not found:
    with gone_place.container():
        comparison.HISTORY.draw_missing(comparison_id)
if found and not found.live and found.state != "completed":
    with gone_place.container():
        draw_end(found)
access.draw(models_of(prompts) if prompts else [], access_place)
if not found or not found.live:
    with run_place.container():
        draw_run(prompts, found)
with files_place:
    prompt_files.draw(prompts, found)
if found:
    draw_changes(COMPARISON, found.id, found.version)
    with fresh_container("prompts.comparison", (found.id, found.live)):
        draw_comparison(found)
