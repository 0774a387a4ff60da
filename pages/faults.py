"""What goes wrong between a program and a model, and what its user sees of it."""

import time

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer import answer
from components.faults import attempts, faults
from components.faults.faults import SavedTrial
from components.faults.handlers import draw_handlers
from components.page import access, lesson, questions, sidebar
from components.page.address import TRIAL, named
from components.page.excerpts import SourceObject
from components.page.lab import engine, following
from components.page.slots import draw_notice, fresh_container
from components.page.texts import t
from components.page.widgets import button
from components.timeline import replay
from streamlab.events.event import StreamEvent
from streamlab.events.outcome import outcome_of
from streamlab.faults.trials import Trial, Trials, phases
from streamlab.hub import UnknownRun
from streamlab.models.catalog import CLASSIFIERS
from streamlab.runs.chain import ChainAttempt
from streamlab.runs.run import RunLimits, Runs

lab = engine()


def update_history(run_id: str | None) -> None:
    """Keep the trial that the address names, and the events of every trial that has ended."""
    if run_id not in faults.HISTORY.items and (trial := lab.trials.find(run_id)):
        faults.HISTORY.keep(trial.run_id, SavedTrial(trial))
    for saved in list(faults.HISTORY.items.values()):
        if saved.events is None:
            keep_ended(saved.trial)


def keep_ended(trial: Trial) -> None:
    try:
        log = lab.portal.call(lab.hub.log, trial.run_id)
    except UnknownRun:  # it ended while this session looked elsewhere, and its time is over
        del faults.HISTORY.items[trial.run_id]
        return
    if log.done:
        faults.HISTORY.keep(trial.run_id, SavedTrial(trial, lab.portal.call(log.since, 0)))


def recovered(saved: SavedTrial) -> bool:
    """Tell whether the answer was cut off, and arrived whole by another attempt."""
    if saved.trial.fault != "cut" or not saved.events:
        return False
    outcome = outcome_of(saved.events)
    return outcome.status == "completed" and outcome.retries > 0


def draw_columns(trial: Trial) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Draw the headings, and return the columns for what the user sees and for what happens meanwhile."""
    st.markdown(f"**{faults.describe(trial)}**")
    left, right = st.columns(2, gap="large")
    left.caption(t("faults.user_sees"))
    right.caption(t("faults.happened"))
    with left:
        questions.draw_question(trial.question)
    return left, right


def draw_live(trial: Trial) -> None:
    """Follow the run to its end."""
    button("faults.stop", "stop_circle", lab.portal.call, lab.runs.stop, trial.run_id, place=stop_place)
    left, right = draw_columns(trial)
    chart, table = right.empty(), right.empty()
    log = lab.portal.call(lab.hub.log, trial.run_id)

    def draw() -> None:
        events = lab.portal.call(log.since, 0)
        attempts.draw_phases(chart, "live", phases(events, time.monotonic() - log.began))
        attempts.draw_log(table, events)

    with left.chat_message("assistant", avatar=":material/smart_toy:"), following(trial.run_id) as batches:
        answer.follow(replay.observe(batches, [], draw))
    stop_place.empty()
    st.rerun()


def draw_ended(trial: Trial, events: list[StreamEvent]) -> None:
    left, right = draw_columns(trial)
    outcome = outcome_of(events)
    with left.chat_message("assistant", avatar=":material/smart_toy:"):
        answer.draw_outcome(outcome)
        answer.draw_ending(outcome, trial.options.model)
    attempts.draw_phases(right.empty(), "ended", phases(events))
    attempts.draw_log(right, events)
    with st.expander(t("faults.lines"), icon=":material/code:"):
        draw_handlers(events, trial.policy)


run_id = named(TRIAL)
update_history(run_id)
code: list[SourceObject] = [
    Trials.start,
    ChainAttempt,
    Runs._attempts,
    Runs._attempt,
    RunLimits,
    *CLASSIFIERS,
]
lesson.draw_title("faults", code, tried=any(map(recovered, faults.HISTORY.items.values())))
draw_notice(st.container())
access.draw([sidebar.options().model], st.container())
stop_place = faults.draw_form()
saved = faults.HISTORY.find(run_id)
place = fresh_container("faults", (run_id, bool(saved and saved.events)))
faults.draw_difference(run_id)
with place:
    if saved and saved.events:
        draw_ended(saved.trial, saved.events)
    elif saved:
        draw_live(saved.trial)
    elif run_id:
        st.warning(t("faults.unknown"), icon=":material/link_off:")
