"""One question, read in several modes: asked, and drawn while the chunks arrive."""

from functools import partial
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from components.answer import answer
from components.chunks.lanes import chart, described, meanwhile
from components.chunks.opened import Opened, draw_opened, open_chunk, opened_in
from components.chunks.views import draw_views, way
from components.page import access, questions, settings
from components.page.address import READING, show
from components.page.lab import engine
from components.page.presented import may_stop
from components.page.session import session
from components.page.slots import draw_notice
from components.page.texts import t, together
from components.page.widgets import button, choice, control
from streamlab.chunks.capture import Capture, Question
from streamlab.chunks.captures import CaptureSet, TooManyCaptures
from streamlab.chunks.example import example
from streamlab.chunks.modes import TOPICS, CaptureTopic
from streamlab.demo_model import is_demo
from streamlab.models.options import Options

TOPIC, AS_JSON, SIZE, RATE, INSIDE = (f"chunks.{name}" for name in ("topic", "as_json", "size", "rate", "inside"))
SIZES = (None, 1, 2, 3, 5, 10, 20, 50)  # characters of a chunk
RATES = (2, 5, 10, 20, 50, 100, 500)  # chunks a second
DEFAULT_RATE = 20
LATEST = "chunks.latest"  # topic -> the id of its captures that were shown last


# Asking


def draw_controls(found: CaptureSet | None) -> None:
    """Draw what is read, how, and the buttons that begin and end it. It takes the same positions at any time."""
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
    draw_notice(st.container())
    access.draw([settings.options().model], st.container())
    with st.container(border=True, gap="small"):
        key = _question_key(topic)
        st.session_state.setdefault(key, t(f"chunks.question_{topic}"))
        control("chunks.question", st.text_area, key=key, height=68, label_visibility="collapsed")
        settings.draw(lambda: _draw_beside_settings(topic, found))


def _draw_beside_settings(topic: CaptureTopic, found: CaptureSet | None) -> None:
    _draw_how(topic)
    button("chunks.start", "play_arrow", _start, topic, type="primary")
    place = st.empty()  # drawn at the end, too: what is merely not drawn any more may stay when a look comes just then
    if found and found.running and may_stop(found.id):
        button("chunks.stop", "stop_circle", engine().captures.stop, found.id, place=place)


def _draw_how(topic: CaptureTopic) -> None:
    """Draw how the model is to answer, in a popover: in what form, and in chunks of what size and pace."""
    with st.popover(t("chunks.how"), icon=":material/speed:", key="chunks.how"):
        if topic == "parsers":
            st.session_state.setdefault(AS_JSON, True)
            control("chunks.as_json", st.toggle)
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
    """Draw the captures, and beside them the chunk that is opened."""
    opened = opened_in(found)
    with st.container(key="chunks.shown"):
        if found.question.topic == "parsers":
            _draw_parsers(found, opened)
        else:
            _draw_calls(found, opened)


def draw_example() -> None:
    """Draw what three parsers make of a text that is given, until something has been read."""
    st.caption(f":material/play_arrow: {t('chunks.example')}")
    draw(example(t("chunks.sample_example")))


def _draw_parsers(found: CaptureSet, opened: Opened) -> None:
    _draw_endings(found)
    _draw_tiles(found, opened)


def _draw_calls(found: CaptureSet, opened: Opened) -> None:
    st.vega_lite_chart(spec=chart(found.captures), key="chunks.chart", alt=described(found.captures))
    st.markdown("\n".join(f"- {meanwhile(capture)}" for capture in found.captures))
    _draw_endings(found)
    st.markdown(f"**{t('chunks.raw_events')}**")
    _draw_tiles(found, opened)


def _draw_tiles(found: CaptureSet, opened: Opened) -> None:
    """Draw what can be opened, and beside it what is."""
    modes = TOPICS["parsers"] if found.question.topic == "parsers" else ("events",)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        choose = partial(open_chunk, found)
        draw_views(found, modes, (opened.mode, opened.number), choose, follow=not opened.chosen)
        for capture in found.captures:
            if capture.more:
                more = t("chunks.more", kept=f"{len(capture.views):,}", more=f"{capture.more:,}")
                st.caption(f"{way(capture.mode)}: {more}")
    with right:
        draw_opened(found, opened)


def _draw_endings(found: CaptureSet) -> None:
    """Say how they ended, where that needs words; once for those that ended alike."""
    alike: dict[tuple[object, ...], list[Capture]] = {}
    for capture in found.captures:
        kept = capture.state == "failed" and bool(capture.views)
        alike.setdefault((capture.state, capture.code, capture.detail, kept), []).append(capture)
    for captures in alike.values():
        _draw_ending(captures[0], " · ".join(way(each.mode) for each in captures))


def _draw_ending(capture: Capture, names: str) -> None:
    match capture.state:
        case "failed":
            lines = [
                f"**{names}: {answer.error_text(capture.code)}**",
                answer.next_step(capture.code, capture.detail),
            ]
            if capture.views:
                lines.append(t("chunks.kept"))
            st.error(together(*lines), icon=":material/error:")
        case "stopped":
            st.info(f"{names}: {t('chunks.stopped')}", icon=":material/stop_circle:")
        case "completed" if capture.code:
            st.info(f"{names}: {t(f'chunks.remark_{capture.code}')}", icon=":material/info:")
