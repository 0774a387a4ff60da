"""One question, read in several ways: asked, drawn while the chunks arrive, and opened chunk by chunk."""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, urlencode

import altair as alt
import streamlit as st

from components.answer import answer
from components.chunks.views import draw_tiles
from components.page import access, colors, questions, sidebar
from components.page.address import READING, show
from components.page.lab import engine
from components.page.session import session
from components.page.slots import draw_notice
from components.page.texts import t
from streamlab.chunks.captures import TOPICS, Question, Reading, ReadingSet, TooManyReadings, Topic
from streamlab.chunks.modes import blocked, pauses
from streamlab.chunks.views import joined, joined_text
from streamlab.demo_model import is_demo
from streamlab.models.options import Options

TOPIC, AS_JSON, SIZE, RATE, INSIDE = (f"chunks.{name}" for name in ("topic", "as_json", "size", "rate", "inside"))
SIZES = (None, 1, 2, 3, 5, 10, 20, 50)  # characters of a chunk
RATES = (2, 5, 10, 20, 50, 100, 500)  # chunks a second
DEFAULT_RATE = 20
LANE = 74  # pixels
AROUND = 150  # pixels of a chart's height that its axis and its legend take
LATEST = "chunks.latest"  # topic -> the id of its readings that were shown last
TRIED = "chunks.tried"


# Asking


def draw_controls(found: ReadingSet | None) -> None:
    """What is read, how, and the buttons that begin and end it."""
    if found:
        st.session_state[TOPIC] = found.question.topic
    topic: Topic = st.session_state.setdefault(TOPIC, "parsers")
    st.segmented_control(
        t("chunks.topic"),
        list(TOPICS),
        key=TOPIC,
        required=True,
        format_func=lambda name: t(f"chunks.topic_{name}"),
        on_change=_change_topic,
        label_visibility="collapsed",
    )
    st.markdown(t(f"chunks.about_{topic}"))
    with st.container(border=True):
        draw_notice(st.container())
        access.draw([sidebar.options().model], st.container())
        left, right = st.columns([3, 2], gap="large")
        with left:
            key = _question_key(topic)
            st.session_state.setdefault(key, t(f"chunks.question_{topic}"))
            st.text_area(t("chunks.question"), key=key, height=96, persist_state="session")
            _draw_buttons(topic, found)
        with right:
            if topic == "parsers":
                _kept_default(AS_JSON, True)
                st.toggle(t("chunks.as_json"), key=AS_JSON, help=t("chunks.as_json_help"), persist_state="session")
            _draw_pace()


def _draw_buttons(topic: Topic, found: ReadingSet | None) -> None:
    with st.container(horizontal=True):
        st.button(
            t("chunks.start"), key="chunks.start", type="primary", icon=":material/play_arrow:", on_click=_start,
            args=(topic,),
        )  # fmt: skip
        if found and found.running:
            st.button(
                t("chunks.stop"),
                key="chunks.stop",
                icon=":material/stop_circle:",
                help=t("chunks.stop_help"),
                on_click=engine().readings.stop,
                args=(found.id,),
            )


def _draw_pace() -> None:
    if not is_demo(sidebar.options().model):
        st.caption(t("chunks.pace_of_its_own"))
        return
    _kept_default(SIZE, None)
    _kept_default(RATE, DEFAULT_RATE)
    _kept_default(INSIDE, False)
    inside = bool(st.session_state[INSIDE])
    st.select_slider(
        t("chunks.size"),
        SIZES,
        key=SIZE,
        format_func=lambda size: t("chunks.size_own") if size is None else str(size),
        help=t("chunks.size_help"),
        disabled=inside,
        persist_state="session",
    )
    st.select_slider(t("chunks.rate"), RATES, key=RATE, help=t("chunks.rate_help"), persist_state="session")
    st.toggle(t("chunks.inside"), key=INSIDE, help=t("chunks.inside_help"), persist_state="session")


def _kept_default(key: str, value: object) -> None:
    st.session_state.setdefault(key, value)


def _question_key(topic: Topic) -> str:
    return f"chunks.question.{topic}"


def _change_topic() -> None:
    """Back to what was read last of this topic."""
    show(READING, st.session_state.get(LATEST, {}).get(st.session_state[TOPIC]))


def _start(topic: Topic) -> None:
    state, options = st.session_state, sidebar.options()
    as_json = topic == "parsers" and bool(state[AS_JSON])
    if is_demo(options.model):
        options = Options(_paced(options.model, as_json=as_json), options.system, options.temperature)
    question = Question(topic, state[_question_key(topic)], options, as_json)
    try:
        reading_id = questions.started([options.model], lambda: engine().readings.start(question))
    except TooManyReadings:
        session().notice = t("chunks.too_many")
        return
    if reading_id:
        remember(topic, reading_id)
        show(READING, reading_id)


def remember(topic: Topic, reading_id: str) -> None:
    st.session_state.setdefault(LATEST, {})[topic] = reading_id


def _paced(model: str, *, as_json: bool) -> str:
    """The demo model's name with the size, the pace and the text that were chosen."""
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


def draw(found: ReadingSet) -> None:
    with st.container(key="chunks.shown"):
        if found.question.topic == "parsers":
            _draw_parsers(found)
        else:
            _draw_calls(found)


def _draw_parsers(found: ReadingSet) -> None:
    for column, reading in zip(st.columns(len(found.readings), gap="medium"), found.readings, strict=True):
        with column:
            st.markdown(f"**{t(f'chunks.way_{reading.way}')}**")
            st.caption(_counted(reading))
            _draw_reading(found, reading)


def _draw_calls(found: ReadingSet) -> None:
    st.vega_lite_chart(spec=_chart(found.readings), key="chunks.chart", alt=_described(found.readings))
    st.markdown("\n".join(f"- {_meanwhile(reading)}" for reading in found.readings))
    for reading in found.readings:
        if reading.way != "events":
            _draw_ending(reading, named=True)
    events = found.readings[-1]
    st.markdown(f"**{t('chunks.raw_events')}**")
    st.caption(_counted(events))
    _draw_reading(found, events)


def _draw_reading(found: ReadingSet, reading: Reading) -> None:
    _draw_ending(reading)
    if not reading.tiles:
        if reading.state == "running":
            st.caption(f":shimmer[{t('chunks.waiting')} …]")
        return
    chosen = _chosen(found.id, reading)

    def choose(number: int) -> None:
        st.session_state[_chosen_key(found.id, reading)] = number

    key = f"chunks.tiles.{found.id}.{reading.way}"
    follow = _chosen_key(found.id, reading) not in st.session_state
    draw_tiles(key, _name(reading), reading.tiles, chosen, choose, follow=follow)
    if reading.more:
        st.caption(t("chunks.more", kept=f"{len(reading.tiles):,}", more=f"{reading.more:,}"))
    _draw_steps(reading, chosen, choose)
    _draw_chosen(reading, chosen)
    if not follow and reading.tiles[chosen - 1].carries_usage:
        _tell_of_usage()


def _chosen_key(reading_id: str, reading: Reading) -> str:
    return f"chunks.chosen.{reading_id}.{reading.way}"


def _chosen(reading_id: str, reading: Reading) -> int:
    """The number of the tile that is open: the last, unless one was chosen."""
    return int(st.session_state.get(_chosen_key(reading_id, reading), len(reading.tiles)))


def _tell_of_usage() -> None:
    """The page's task is done; the title, which says so, stands outside of what is drawn again here."""
    if not st.session_state.get(TRIED):
        st.session_state[TRIED] = True
        st.rerun()


def _draw_steps(reading: Reading, chosen: int, choose: Callable[[int], None]) -> None:
    count = len(reading.tiles)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        for name, icon, to in (
            ("back", ":material/chevron_left:", chosen - 1),
            ("forward", ":material/chevron_right:", chosen + 1),
        ):
            st.button(
                t(f"chunks.{name}"),
                key=f"chunks.{name}.{reading.way}",
                icon=icon,
                type="tertiary",
                disabled=not 1 <= to <= count,
                on_click=choose,
                args=(to,),
            )
        st.caption(t("chunks.position", number=chosen, count=count, at=f"{reading.tiles[chosen - 1].at:.3f}"))


def _draw_chosen(reading: Reading, chosen: int) -> None:
    """The answer as it was with this chunk, and everything in the chunk."""
    opened, until = reading.tiles[chosen - 1], reading.tiles[:chosen]
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
    """Objects as such, and a text as it came, with its spaces and line ends."""
    if isinstance(value, dict | list):
        st.json(value)
    elif value == "":
        st.caption(t("chunks.no_text"))
    else:
        st.code(str(value), language=None, wrap_lines=True)


def _draw_ending(reading: Reading, *, named: bool = False) -> None:
    """How it ended, where that needs words."""
    name = f"{t(f'chunks.way_{reading.way}')}: " if named else ""
    match reading.state:
        case "failed":
            lines = [
                f"**{name}{answer.error_text(reading.code)}**",
                t(f"error.{reading.code}_next", detail=reading.detail or ""),
            ]
            if reading.tiles:
                lines.append(t("chunks.kept"))
            st.error(" ".join(lines), icon=":material/error:")
        case "stopped":
            st.info(name + t("chunks.stopped"), icon=":material/stop_circle:")
        case "completed" if reading.code:
            st.info(name + t(f"chunks.remark_{reading.code}"), icon=":material/info:")


def _name(reading: Reading) -> str:
    """Where Markdown is not read."""
    return t(f"chunks.way_{reading.way}").replace("`", "")


def _counted(reading: Reading) -> str:
    return t("chunks.counted", count=len(reading.tiles) + reading.more, seconds=f"{reading.seconds:.2f}")


# What else could run


def _meanwhile(reading: Reading) -> str:
    """What the second task did while this way was waiting for its answer."""
    longest = max(end - start for start, end in pauses(reading.beats, reading.seconds))
    return t(
        "chunks.meanwhile" if reading.beats else "chunks.meanwhile_never",
        way=t(f"chunks.way_{reading.way}"),
        seconds=f"{reading.seconds:.2f}",
        beats=len(reading.beats),
        longest=f"{longest:.2f}",
    )


def _described(readings: Sequence[Reading]) -> str:
    """The chart for who cannot see it."""
    return " ".join(_meanwhile(reading).replace("`", "").replace("*", "") for reading in readings)


def _chart(readings: Sequence[Reading]) -> dict[str, object]:
    """A lane for each way: its chunks above, and beneath the second task, beating or blocked."""
    chunk, beat, stuck = (t(f"chunks.mark_{name}") for name in ("chunk", "beat", "blocked"))
    lanes = [_name(reading) for reading in readings]
    rows: list[dict[str, object]] = []
    bars: list[dict[str, object]] = []
    for lane, reading in zip(lanes, readings, strict=True):
        rows += [{"lane": lane, "row": chunk, "what": chunk, "start": tile.at} for tile in reading.tiles]
        rows += [{"lane": lane, "row": beat, "what": beat, "start": at} for at in reading.beats]
        bars += [
            {"lane": lane, "row": beat, "what": stuck, "start": start, "end": end}
            for start, end in blocked(reading.beats, reading.seconds)
        ]
    end = max([0.1, *(reading.seconds for reading in readings)])
    x = alt.X("start:Q", title=t("chunks.axis"), scale=alt.Scale(domain=[0, end], nice=False))
    y = alt.Y("lane:N", title=None, sort=lanes, scale=alt.Scale(domain=lanes), axis=alt.Axis(labelLimit=220))
    offset = alt.YOffset("row:N", scale=alt.Scale(domain=[chunk, beat]))
    palette = alt.Scale(domain=[chunk, beat, stuck], range=[colors.MODEL, colors.THINKING, colors.FAILED])
    color = alt.Color(
        "what:N",
        title=None,
        scale=palette,
        legend=alt.Legend(orient="top", symbolType="square", columns=1, labelLimit=300),
    )
    marks = (
        _data(rows).mark_tick(thickness=2, size=LANE * 0.3, opacity=0.8).encode(x=x, y=y, yOffset=offset, color=color)
    )
    waits = _data(bars).mark_bar(height=LANE * 0.26, opacity=0.75, cornerRadius=2)
    named = [bar for bar in bars if float(str(bar["end"])) - float(str(bar["start"])) > end / 4]  # others have no room
    words = _data(named).mark_text(align="left", dx=6, color="white", fontWeight="bold").encode(text="what:N")
    layers = [
        waits.encode(x=x, x2="end:Q", y=y, yOffset=offset, color=color),
        words.encode(x=x, y=y, yOffset=offset),
        marks,
    ]
    made: dict[str, object] = (
        alt.layer(*layers).properties(height=LANE * len(lanes) + AROUND, width="container").to_dict()
    )
    return made


def _data(rows: list[dict[str, object]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=rows))
