"""What an agent does between a question and its answer, on a time axis."""

import time
from functools import partial

import streamlit as st

from components.answer import answer
from components.page import lesson, questions, settings
from components.page.address import RUN, SECOND, named, show
from components.page.browser import browser
from components.page.lab import await_log, engine, following
from components.page.presented import may_stop
from components.page.texts import t
from components.page.widgets import button
from components.timeline import recordings, replay, selection, timeline
from components.timeline.lanes import Moment, ShownRun, draw_lanes, tell_lanes
from components.timeline.recordings import Recording
from streamlab.agent.graph import chat_agent
from streamlab.agent.translate import Translator
from streamlab.events.event import StreamEvent
from streamlab.events.outcome import outcome_of
from streamlab.timeline.pieces import text_pieces
from streamlab.timeline.spans import overlapping_calls, returned, spans

SUGGESTIONS = ("parallel", "two_tools", "three_steps", "table", "failing")
ANSWER, CHOSEN = 3, 2  # parts of the width

lab = engine()


def ask(question: str) -> None:
    options, me = settings.options(), browser() or ""
    if run_id := questions.started([options.model], lambda: lab.portal.call(lab.agents.ask, question, options, me)):
        show(RUN, run_id)
        show(SECOND, None)


@st.fragment
def draw_run(run_id: str, recording: Recording) -> None:
    """Draw a run. What is chosen of it draws this alone anew; live and ended, so that its lanes stay where they are."""
    if st.query_params.get(RUN) != run_id:  # asked again from here
        st.rerun()
    if recording.events is None:
        draw_live(run_id, recording.name)
    else:
        draw_recording(run_id, recording, recording.events)


def draw_live(run_id: str, question: str) -> None:
    """Follow the run to its end. The lanes grow in the browser, which is told what begins and what ends."""
    lanes, controls = st.container(), st.container()
    log = await_log(run_id)

    def now() -> float:
        return time.monotonic() - log.began

    def shown() -> ShownRun:
        events = lab.portal.call(log.since, 0)  # who comes late is given pieces that are merged, and late as well
        return ShownRun(run_id, question, events, spans(events, now()))

    with lanes:
        draw_lanes([shown()], Moment("live", now=now()), choose=partial(selection.choose, run_id), seek=lambda _: None)
    feed = controls.empty()
    left, right = st.columns([ANSWER, CHOSEN], gap="large")
    with right.container():
        selection.draw_chosen([shown()], None)
    with left.container(key="timeline.answer"), following(run_id) as batches:
        answer.follow(replay.observe(batches, lambda: tell_lanes(feed, shown(), now())))
    st.rerun()


def draw_recording(run_id: str, recording: Recording, events: list[StreamEvent]) -> None:
    lanes = st.container()
    controls = st.container(horizontal=True, vertical_alignment="center", key="timeline.controls")
    with controls:
        speed, second = replay.draw_controls(run_id, events), recordings.choose_second(run_id)
    runs = [ShownRun(run_id, recording.name, events, spans(events))]
    if second and second[1].events:
        runs.append(ShownRun(second[0], second[1].name, second[1].events, spans(second[1].events)))
    position, choice = replay.current_position(run_id, events), selection.chosen(runs)
    seen = events[:position]
    with lanes:
        draw_lanes(
            runs,
            moment(events, position, speed),
            chosen=choice,
            pieces=[] if speed else text_pieces(seen),
            calls=[span.key for span in returned(runs[0].spans)],
            choose=partial(selection.choose, run_id),
            seek=partial(replay.seek, run_id, events),
        )
    left, right = st.columns([ANSWER, CHOSEN], gap="large")
    body, ending = left.container(key="timeline.answer"), left.empty()
    outcome = outcome_of(events)
    with right.container():
        selection.draw_chosen(runs, choice)
    timeline.draw_details(runs[0], choice, outcome)
    if speed:
        with body:
            play(events, speed, controls)
        st.rerun()
    whole = position == len(events)
    with body:
        answer.draw_outcome(outcome if whole else outcome_of(seen))
    if whole:
        with ending.container():
            answer.draw_ending(outcome)
            if recording.asked and outcome.status in ("failed", "lost"):
                button("timeline.again", "refresh", ask, recording.name, type="primary")


def moment(events: list[StreamEvent], position: int, speed: float | None) -> Moment:
    if speed:
        return Moment("replay", speed=speed)
    return Moment("still", head=None if position == len(events) else events[position - 1].at)


def play(events: list[StreamEvent], speed: float, controls: st.delta_generator.DeltaGenerator) -> None:
    """Replay the run at its pace times `speed`."""
    button("timeline.stop", "stop_circle", key="timeline.stop_replay", place=controls)
    batches = replay.replay_batches(events, speed, time.monotonic())
    answer.follow(batches, frames=replay.FRAME_FACTOR)


run_id = named(RUN)
recorded = recordings.find(run_id)
lesson.draw_title(
    "timeline",
    (chat_agent, Translator.translate),
    tried=any(overlapping_calls(spans(each.events or [])) for each in recordings.HISTORY.own),
)
notice_place = st.container()
# At the top, as the page is read from there: a box at the bottom would draw the view to the end.
with st.container(horizontal=True, vertical_alignment="center"):
    questions.draw_input("timeline.input", t("timeline.input"), ask, notice_place)
    recordings.draw_toolbar(run_id, recorded)
settings.draw()
start_place = st.empty()  # also where nothing comes: the suggestions go as soon as one was chosen
if run_id and recorded:
    with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
        questions.draw_question(recorded.name)
        if recorded.events is None and may_stop(
            run_id
        ):  # outside of the run's part: a click in there waits until this script has ended
            button("chat.stop", "stop_circle", lab.portal.call, lab.runs.stop, run_id, key="timeline.stop")
    draw_run(run_id, recorded)
else:
    with start_place.container():
        st.markdown(t("timeline.what"))
        if run_id:
            recordings.draw_missing(run_id)
        texts = {name: t(f"timeline.suggestion_{name}") for name in SUGGESTIONS}
        questions.draw_suggestions("timeline.suggestion", texts, ask)
