"""What goes wrong between a program and a model, and what its user sees of it."""

import time

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer import answer
from components.faults import attempts, faults
from components.faults.faults import SavedTrial
from components.faults.handlers import draw_handlers
from components.page import access, lesson, questions, settings
from components.page.address import TRIAL, named
from components.page.excerpts import SourceObject
from components.page.lab import await_log, engine, following
from components.page.presented import may_stop
from components.page.slots import draw_notice, fresh_container
from components.page.texts import t
from components.page.widgets import button
from components.timeline import replay
from streamlab.events.event import StreamEvent
from streamlab.events.outcome import outcome_of
from streamlab.faults.trials import Trial, Trials, phases
from streamlab.models.catalog import CLASSIFIERS
from streamlab.runs.chain import ChainAttempt
from streamlab.runs.run import RunLimits, Runs

lab = engine()


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


def draw_live(run_id: str, trial: Trial) -> None:
    """Follow the run to its end."""
    if may_stop(run_id):
        button("faults.stop", "stop_circle", lab.portal.call, lab.runs.stop, run_id, place=stop_place)
    left, right = draw_columns(trial)
    chart, table = right.empty(), right.empty()
    log = await_log(run_id)

    def draw() -> None:
        events = lab.portal.call(log.since, 0)
        attempts.draw_phases(chart, "live", phases(events, time.monotonic() - log.began))
        attempts.draw_log(table, events)

    with left.chat_message("assistant", avatar=":material/smart_toy:"), following(run_id) as batches:
        answer.follow(replay.observe(batches, draw))
    stop_place.empty()
    st.rerun()


def draw_ended(trial: Trial, events: list[StreamEvent]) -> None:
    left, right = draw_columns(trial)
    outcome = outcome_of(events)
    with left.chat_message("assistant", avatar=":material/smart_toy:"):
        answer.draw_outcome(outcome)
        answer.draw_ending(outcome, trial.options.model)
        if outcome.status == "lost":
            button("faults.again", "refresh", faults.start_trial, trial, type="primary")
    attempts.draw_phases(right.empty(), "ended", phases(events))
    attempts.draw_log(right, events)
    with st.expander(t("faults.lines"), icon=":material/code:"):
        draw_handlers(events, trial.policy)


run_id = named(TRIAL)
saved = faults.HISTORY.find(run_id)
code: list[SourceObject] = [
    Trials.start,
    ChainAttempt,
    Runs._attempts,
    Runs._attempt,
    RunLimits,
    *CLASSIFIERS,
]
lesson.draw_title("faults", code, tried=any(map(recovered, faults.HISTORY.own)))
draw_notice(st.container())
access.draw([settings.options().model], st.container())
stop_place = faults.draw_form()
faults.HISTORY.draw(run_id)
place = fresh_container("faults", (run_id, bool(saved and saved.events)))
faults.draw_difference(run_id)
with place:
    if run_id and saved:
        if saved.events is None:
            draw_live(run_id, saved.trial)
        else:
            draw_ended(saved.trial, saved.events)
    elif run_id:
        faults.HISTORY.draw_missing(run_id)
