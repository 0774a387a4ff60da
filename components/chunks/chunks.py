"""One question, read in several modes: asked, drawn while the chunks arrive, and opened chunk by chunk."""

from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from components.answer import answer
from components.chunks.lanes import chart, described, meanwhile, mode_name
from components.chunks.views import draw_views
from components.page import access, questions, settings
from components.page.address import READING, show
from components.page.lab import engine
from components.page.session import session
from components.page.slots import draw_notice
from components.page.texts import t
from components.page.widgets import button, choice, control
from streamlab.chunks.capture import Capture, Question
from streamlab.chunks.captures import CaptureSet, TooManyCaptures
from streamlab.chunks.modes import TOPICS, CaptureTopic
from streamlab.chunks.views import joined, joined_text
from streamlab.demo_model import is_demo
from streamlab.models.options import Options

TOPIC, AS_JSON, SIZE, RATE, INSIDE = (f"chunks.{name}" for name in ("topic", "as_json", "size", "rate", "inside"))
SIZES = (None, 1, 2, 3, 5, 10, 20, 50)  # characters of a chunk
RATES = (2, 5, 10, 20, 50, 100, 500)  # chunks a second
DEFAULT_RATE = 20
LATEST = "chunks.latest"  # topic -> the id of its captures that were shown last
TRIED = "chunks.tried"


# Asking


def draw_controls(found: CaptureSet | None) -> None:
    """Draw what is read, how, and the buttons that begin and end it."""
    if found:
        st.session_state[TOPIC] = found.question.topic
    topic: CaptureTopic = st.session_state.setdefault(TOPIC, "parsers")
    choice(
        "chunks.topic",
        st.segmented_control,
        TOPICS,
        on_change=_change_topic,
        label_visibility="collapsed",
        persist_state=None,
    )
    st.markdown(t(f"chunks.about_{topic}"))
    with st.container(border=True):
        draw_notice(st.container())
        access.draw([settings.options().model], st.container())
        left, right = st.columns([3, 2], gap="large")
        with left:
            key = _question_key(topic)
            st.session_state.setdefault(key, t(f"chunks.question_{topic}"))
            control("chunks.question", st.text_area, key=key, height=96)
            settings.draw()
            with st.container(horizontal=True):
                button("chunks.start", "play_arrow", _start, topic, type="primary")
                if found and found.running:
                    button("chunks.stop", "stop_circle", engine().captures.stop, found.id)
        with right:
            if topic == "parsers":
                st.session_state.setdefault(AS_JSON, True)
                control("chunks.as_json", st.toggle)
            _draw_pace()


def _draw_pace() -> None:
    if not is_demo(settings.options().model):
        st.caption(t("chunks.pace_of_its_own"))
        return
    for key, value in ((SIZE, None), (RATE, DEFAULT_RATE), (INSIDE, False)):
        st.session_state.setdefault(key, value)
    inside, own = bool(st.session_state[INSIDE]), t("chunks.size_own")
    control("chunks.size", st.select_slider, SIZES, format_func=lambda size: str(size or own), disabled=inside)
    control("chunks.rate", st.select_slider, RATES)
    control("chunks.inside", st.toggle)


def _question_key(topic: CaptureTopic) -> str:
    return f"chunks.question.{topic}"


def _change_topic() -> None:
    """Go back to what was read last of this topic."""
    show(READING, st.session_state.get(LATEST, {}).get(st.session_state[TOPIC]))


def _start(topic: CaptureTopic) -> None:
    state, options = st.session_state, settings.options()
    as_json = topic == "parsers" and bool(state[AS_JSON])
    if is_demo(options.model):
        options = Options(_paced(options.model, as_json=as_json), options.system, options.temperature)
    question = Question(topic, state[_question_key(topic)], options, as_json)
    try:
        capture_id = questions.started([options.model], lambda: engine().captures.start(question))
    except TooManyCaptures:
        session().notice = t("chunks.too_many")
        return
    if capture_id:
        remember(topic, capture_id)
        show(READING, capture_id)


def remember(topic: CaptureTopic, capture_id: str) -> None:
    st.session_state.setdefault(LATEST, {})[topic] = capture_id


def _paced(model: str, *, as_json: bool) -> str:
    """Add to the demo model's name the size, the pace and the text that were chosen."""
    state = st.session_state
    name, _, query = model.partition("?")
    fields = dict(parse_qsl(query, keep_blank_values=True)) | {"rate": str(state[RATE])}
    if state[INSIDE]:
        text = t("chunks.sample_json") if as_json else t("chunks.sample_text")
        fields |= {"size": "1", "split": "true", "text": text}
    elif state[SIZE]:
        fields["size"] = str(state[SIZE])
    return f"{name}?{urlencode(fields)}"


# Drawing


def draw(found: CaptureSet) -> None:
    with st.container(key="chunks.shown"):
        if found.question.topic == "parsers":
            _draw_parsers(found)
        else:
            _draw_calls(found)


def _draw_parsers(found: CaptureSet) -> None:
    for column, capture in zip(st.columns(len(found.captures), gap="medium"), found.captures, strict=True):
        with column:
            st.markdown(f"**{t(f'chunks.way_{capture.mode}')}**")
            st.caption(_counted(capture))
            _draw_capture(found, capture)


def _draw_calls(found: CaptureSet) -> None:
    st.vega_lite_chart(spec=chart(found.captures), key="chunks.chart", alt=described(found.captures))
    st.markdown("\n".join(f"- {meanwhile(capture)}" for capture in found.captures))
    for capture in found.captures:
        if capture.mode != "events":
            _draw_ending(capture, named=True)
    events = found.captures[-1]
    st.markdown(f"**{t('chunks.raw_events')}**")
    st.caption(_counted(events))
    _draw_capture(found, events)


def _draw_capture(found: CaptureSet, capture: Capture) -> None:
    _draw_ending(capture)
    if not capture.views:
        if capture.state == "running":
            st.caption(f":shimmer[{t('chunks.waiting')} …]")
        return
    key, state = f"chunks.chosen.{found.id}.{capture.mode}", st.session_state
    follow, chosen = key not in state, int(state.get(key, len(capture.views)))  # the last, unless one was chosen
    choose = partial(state.__setitem__, key)
    tiles = f"chunks.tiles.{found.id}.{capture.mode}"
    draw_views(tiles, mode_name(capture), capture.views, chosen, choose, follow=follow)
    if capture.more:
        st.caption(t("chunks.more", kept=f"{len(capture.views):,}", more=f"{capture.more:,}"))
    _draw_steps(capture, chosen, choose)
    _draw_chosen(capture, chosen)
    if not follow and capture.views[chosen - 1].carries_usage and not state.get(TRIED):
        state[TRIED] = True  # the page's task is done; the title, which says so, is not drawn again here
        st.rerun()


def _draw_steps(capture: Capture, chosen: int, choose: Callable[[int], None]) -> None:
    count = len(capture.views)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        for name, icon, to in (("back", "chevron_left", chosen - 1), ("forward", "chevron_right", chosen + 1)):
            key = f"chunks.{name}.{capture.mode}"
            button(f"chunks.{name}", icon, choose, to, key=key, type="tertiary", disabled=not 1 <= to <= count)
        st.caption(t("chunks.position", number=chosen, count=count, at=f"{capture.views[chosen - 1].at:.3f}"))


def _draw_chosen(capture: Capture, chosen: int) -> None:
    """Draw the answer as it was with this chunk, and everything in the chunk."""
    opened, until = capture.views[chosen - 1], capture.views[:chosen]
    st.caption(t(f"chunks.joined_{opened.kind}", number=chosen))
    match opened.kind:
        case "message":
            _draw_value(joined_text(until))
            with st.expander(t("chunks.joined_all"), type="compact"):
                st.json(joined(until))
        case "text" | "event":
            _draw_value(joined(until))
    st.caption(t("chunks.everything", number=chosen))
    _draw_value(opened.detail)


def _draw_value(value: object) -> None:
    """Draw objects as such, and a text as it came, with its spaces and line ends."""
    if isinstance(value, dict | list):
        st.json(value)
    elif value == "":
        st.caption(t("chunks.no_text"))
    else:
        st.code(str(value), language=None, wrap_lines=True)


def _draw_ending(capture: Capture, *, named: bool = False) -> None:
    """Say how it ended, where that needs words."""
    name = f"{t(f'chunks.way_{capture.mode}')}: " if named else ""
    match capture.state:
        case "failed":
            lines = [
                f"**{name}{answer.error_text(capture.code)}**",
                answer.next_step(capture.code, capture.detail),
            ]
            if capture.views:
                lines.append(t("chunks.kept"))
            st.error(" ".join(lines), icon=":material/error:")
        case "stopped":
            st.info(name + t("chunks.stopped"), icon=":material/stop_circle:")
        case "completed" if capture.code:
            st.info(name + t(f"chunks.remark_{capture.code}"), icon=":material/info:")


def _counted(capture: Capture) -> str:
    return t("chunks.counted", count=len(capture.views) + capture.more, seconds=f"{capture.seconds:.2f}")
