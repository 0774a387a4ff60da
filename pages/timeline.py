"""What an agent does between a question and its answer, on a time axis."""

import secrets
import time
from collections.abc import Iterator

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components import answer, sidebar, timeline
from components.state import Recording, engine, following, session
from components.texts import t
from streamlab.agents import Task, UnknownTask
from streamlab.chats import QUESTION_CHARACTERS, InvalidQuestion
from streamlab.events import StepText, StreamEvent
from streamlab.failures import CODES
from streamlab.hub import HubFull, Item
from streamlab.recording import BrokenRecording, Replay, read_recording, write_recording
from streamlab.runs import TooManyRuns

RUN_PARAMETER = "run"
SUGGESTIONS = ("parallel", "two_tools", "three_steps", "table", "failing")
SPEEDS: dict[str, float | None] = {"1×": 1, "2×": 2, "8×": 8}
FRAME = 0.1  # seconds between two drawings of a replay
CHART = 0.4  # seconds between two drawings of the live chart

lab = engine()
recordings = session().recordings


def ask(question: str) -> None:
    try:
        task = lab.portal.call(lab.agents.ask, question, sidebar.options())
    except InvalidQuestion as error:
        session().notice = t(f"notice.{error.code}", length=f"{error.length:,}", limit=f"{QUESTION_CHARACTERS:,}")
    except (TooManyRuns, HubFull):
        session().notice = t("notice.too_many")
    else:
        open_run(task.run_id)


def open_run(run_id: str | None) -> None:
    session().run_id = run_id
    if run_id:
        st.query_params[RUN_PARAMETER] = run_id
    else:
        st.query_params.pop(RUN_PARAMETER, None)


def submit() -> None:
    question = st.session_state["timeline.input"]
    ask(question)
    if session().notice:
        st.session_state["timeline.input"] = question


def upload() -> None:
    """A recording becomes one more run of this session; a broken one changes nothing."""
    file = st.session_state["timeline.upload"]
    if file is None:
        return
    try:
        events = read_recording(file.getvalue())
    except BrokenRecording as error:
        session().notice = t("timeline.broken", line=error.line, reason=t(f"timeline.broken_{error.code}"))
        return
    run_id = f"file-{secrets.token_urlsafe(8)}"
    recordings[run_id] = Recording(file.name, events)
    open_run(run_id)


def find_task(run_id: str) -> Task | None:
    try:
        return lab.portal.call(lab.agents.get, run_id)
    except UnknownTask:
        return None


def draw_start(*, unknown: bool) -> None:
    st.markdown(t("timeline.what"))
    if unknown:
        st.warning(t("timeline.unknown"), icon=":material/link_off:")
    st.caption(t("chat.suggest"))
    with st.container(horizontal=True):
        for name in SUGGESTIONS:
            text = t(f"timeline.suggestion_{name}")
            st.button(text, key=f"timeline.suggestion.{name}", on_click=ask, args=(text,), wrap=True)


def draw_list(current: str | None) -> None:
    """The runs of this session, to come back to, and the way to bring one along."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(t("timeline.new"), icon=":material/add:", key="timeline.new", on_click=open_run, args=(None,))
        with st.popover(t("timeline.runs", number=len(recordings)), icon=":material/history:"):
            if not recordings:
                st.caption(t("timeline.runs_empty"))
            for run_id, recording in reversed(recordings.items()):
                shown = run_id == current
                key = f"timeline.open.{run_id}"
                st.button(recording.name, key=key, disabled=shown, wrap=True, on_click=open_run, args=(run_id,))
        with st.popover(t("timeline.upload"), icon=":material/upload:"):
            st.file_uploader(t("timeline.upload_what"), type=["jsonl"], key="timeline.upload", on_change=upload)


def draw_live(task: Task) -> None:
    """Follow the run to its end: the answer on the left, the chart on the right."""
    stop_place.button(
        t("chat.stop"),
        key="timeline.stop",
        icon=":material/stop_circle:",
        on_click=lambda: lab.portal.call(lab.runs.stop, task.run_id),
    )
    left, right = st.columns([2, 3], gap="large")
    place, events = right.empty(), list[StreamEvent]()

    def watched(batches: Iterator[list[Item]]) -> Iterator[list[Item]]:
        due = 0.0
        began = lab.portal.call(lab.hub.log, task.run_id).began
        for batch in batches:
            events.extend(item for item in batch if isinstance(item, StreamEvent))
            if time.monotonic() >= due:
                timeline.draw_chart(place, "live", events, time.monotonic() - began)
                due = time.monotonic() + CHART
            yield batch

    with left, following(task.run_id) as batches:
        answer.follow(watched(batches))
    if events and events[-1].type == "done":
        recordings[task.run_id] = Recording(task.question, events)
    stop_place.empty()
    st.rerun()


def draw_recording(run_id: str, recording: Recording) -> None:
    events = recording.events
    speed = draw_controls(run_id, recording)
    other = draw_comparison(run_id)
    left, right = st.columns([2, 3], gap="large")
    text_place, chart_place = left.empty(), right.empty()
    axis = timeline.axis_of(events, timeline.axis_of(other.events).end if other else 0.0)
    if speed:
        play(events, speed, text_place, chart_place, axis)
    position = st.session_state.get(f"timeline.position.{run_id}", len(events))
    seen = events[:position]
    text_place.markdown(text_of(seen) or t("chat.empty"))
    timeline.draw_chart(chart_place, "first", seen, seen[-1].at if seen else None, axis)
    if other:
        right.caption(other.name)
        timeline.draw_chart(right, "second", other.events, None, timeline.axis_of(other.events, axis.end))
    with left:
        draw_ending(events)
    timeline.draw_details(run_id, recording.name, events)


def draw_controls(run_id: str, recording: Recording) -> float | None:
    """The speed at which to play now, if a button says so."""
    events = recording.events
    speed: float | None = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, value in SPEEDS.items():
            if st.button(label, key=f"timeline.play.{label}", icon=":material/play_arrow:", help=t("timeline.play")):
                speed = value
        st.download_button(
            t("timeline.download"),
            write_recording(events),
            f"run-{run_id[:8]}.jsonl",
            "application/jsonl",
            on_click="ignore",
            icon=":material/download:",
        )
    if len(events) > 1:
        key = f"timeline.position.{run_id}"
        st.session_state.setdefault(key, len(events))
        st.slider(t("timeline.position"), 1, len(events), key=key, help=t("timeline.position_help"))
    return speed


def draw_comparison(run_id: str) -> Recording | None:
    others = {name: found for name, found in recordings.items() if name != run_id}
    if not others:
        return None
    chosen = st.selectbox(
        t("timeline.compare"),
        others,
        index=None,
        format_func=lambda name: others[name].name,
        key=f"timeline.compare.{run_id}",
        placeholder=t("timeline.compare_none"),
    )
    return others.get(chosen or "")


def play(
    events: list[StreamEvent],
    speed: float,
    text_place: DeltaGenerator,
    chart_place: DeltaGenerator,
    axis: timeline.Axis,
) -> None:
    replay, seen, began = Replay(events, speed), list[StreamEvent](), time.monotonic()
    while (wait := replay.wait(time.monotonic() - began)) is not None:
        time.sleep(min(max(wait, FRAME), 1.0))
        elapsed = time.monotonic() - began
        seen += replay.due(elapsed)
        text_place.markdown(text_of(seen) or f":shimmer[{t('chat.thinking')} …]")
        timeline.draw_chart(chart_place, "first", seen, min(elapsed * speed, axis.end), axis)


def text_of(events: list[StreamEvent]) -> str:
    text = StepText()
    for event in events:
        text.observe(event)
    return str(text)


def draw_ending(events: list[StreamEvent]) -> None:
    """How the run ended, where that needs words."""
    done = events[-1]
    if done.status in ("failed", "lost"):
        code = next((event.code for event in events if event.type == "error"), None) or "internal"
        st.error(t(f"error.{code}") if code in CODES else str(code), icon=":material/error:")
    elif done.status == "stopped":
        st.info(t("chat.stopped"), icon=":material/stop_circle:")


st.header(t("timeline.title"))
current = st.query_params.get(RUN_PARAMETER) or session().run_id
if current:
    open_run(current)
stop_place = st.bottom.empty()
if notice := session().notice:
    st.warning(notice, icon=":material/info:")
    session().notice = None
st.chat_input(t("timeline.input"), key="timeline.input", on_submit=submit)
draw_list(current)
start_place = st.empty()  # also where nothing comes: the suggestions go as soon as one was chosen
recorded = recordings.get(current or "")
task = find_task(current) if current and not recorded else None
if recorded:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(recorded.name)
    draw_recording(current or "", recorded)
elif task:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(task.question)
    draw_live(task)
else:
    with start_place.container():
        draw_start(unknown=bool(current))
