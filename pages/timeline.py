"""What an agent does between a question and its answer, on a time axis."""

import time
from collections.abc import Callable

import streamlit as st

from components.answer import answer
from components.page import lesson, questions, settings, sidebar
from components.page.address import RUN, named, show
from components.page.browser import browser
from components.page.lab import await_log, engine, following
from components.page.texts import plain, t
from components.page.widgets import button
from components.timeline import recordings, replay, timeline
from components.timeline.recordings import Recording
from streamlab.agent.graph import chat_agent
from streamlab.agent.translate import Translator
from streamlab.events.event import StreamEvent
from streamlab.events.outcome import outcome_of
from streamlab.timeline.spans import overlapping_calls, spans, until

SUGGESTIONS = ("parallel", "two_tools", "three_steps", "table", "failing")

lab = engine()


def ask(question: str) -> None:
    options, me = sidebar.options(), browser() or ""
    if run_id := questions.started([options.model], lambda: lab.portal.call(lab.agents.ask, question, options, me)):
        show(RUN, run_id)


def draw_live(run_id: str) -> None:
    """Follow the run to its end: the answer on the left, the chart on the right."""
    stop = lab.portal.call, lab.runs.stop, run_id
    button("chat.stop", "stop_circle", *stop, key="timeline.stop", place=stop_place)
    left, right = st.columns([2, 3], gap="large")
    place, events = right.empty(), list[StreamEvent]()
    log = await_log(run_id)

    def draw() -> None:
        timeline.draw_chart(place, "live", spans(events, time.monotonic() - log.began))

    with left.container(), following(run_id) as batches:
        answer.follow(replay.observe(batches, events, draw))
    stop_place.empty()
    st.rerun()


def draw_recording(run_id: str, recording: Recording, events: list[StreamEvent]) -> None:
    speed = replay.draw_controls(run_id, events)
    other = recordings.HISTORY.choose_other(run_id)
    made, others = spans(events), spans(other.events or []) if other else []
    axis = timeline.axis_of(made, max((span.end for span in others), default=0.1))
    left, right = st.columns([2, 3], gap="large")
    if other:
        right.caption(plain(recording.name))
    place = right.empty()
    if other:
        right.caption(plain(other.name))
        timeline.draw_chart(right.empty(), "second", others, timeline.axis_of(others, axis.end))
    body, ending = left.container(), left.empty()
    outcome = outcome_of(events)
    timeline.draw_details(run_id, recording.name, events, outcome)
    if speed:
        with body:
            play(events, speed, lambda now: timeline.draw_chart(place, "first", until(made, now), axis))
        st.rerun()
    position = replay.current_position(run_id, events)
    timeline.draw_chart(place, "first", until(made, events[position - 1].at), axis)
    whole = position == len(events)
    with body:
        answer.draw_outcome(outcome if whole else outcome_of(events[:position]))
    if whole:
        with ending.container():
            answer.draw_ending(outcome)
            if recording.asked and outcome.status in ("failed", "lost"):
                button("timeline.again", "refresh", ask, recording.name, type="primary")


def play(events: list[StreamEvent], speed: float, draw: Callable[[float], None]) -> None:
    """Replay the run at its pace times `speed`."""
    button("timeline.stop", "stop_circle", key="timeline.stop_replay", place=stop_place)
    began = time.monotonic()
    batches = replay.replay_batches(events, speed, began)
    watched = replay.observe(batches, [], lambda: draw((time.monotonic() - began) * speed))
    answer.follow(watched, frames=replay.FRAME_FACTOR)


run_id = named(RUN)
recorded = recordings.find(run_id)
lesson.draw_title(
    "timeline",
    (chat_agent, Translator.translate),
    tried=recorded is not None and overlapping_calls(spans(recorded.events or [])),
)
notice_place = st.container()
with st.container():  # at the top, as the page is read from there: a box at the bottom would draw the view to the end
    questions.draw_input("timeline.input", t("timeline.input"), ask, notice_place)
    settings.draw()
recordings.draw_list(run_id, recorded)
stop_place = st.empty()
start_place = st.empty()  # also where nothing comes: the suggestions go as soon as one was chosen
if run_id and recorded:
    questions.draw_question(recorded.name)
    if recorded.events is None:
        draw_live(run_id)
    else:
        draw_recording(run_id, recorded, recorded.events)
else:
    with start_place.container():
        st.markdown(t("timeline.what"))
        if run_id:
            recordings.draw_missing(run_id)
        texts = {name: t(f"timeline.suggestion_{name}") for name in SUGGESTIONS}
        questions.draw_suggestions("timeline.suggestion", texts, ask)
