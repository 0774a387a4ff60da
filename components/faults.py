"""A trial on the screen: the switchboard, its attempts on a time axis, its log, and the lines that dealt with it."""

import ast
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

import altair as alt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components import colors, sidebar
from components.answer import error_text
from components.state import TRIAL, Tried, session, show
from components.texts import t
from streamlab.demo_model import is_demo
from streamlab.events import StreamEvent
from streamlab.failures import classify
from streamlab.outcome import outcome_of
from streamlab.runs import Retries, RunLimits, Runs
from streamlab.trials import LEAST_SECONDS, MOST_ATTEMPTS, MOST_SECONDS, WRONG_KEY, Fault, Phase, Policy, Trial, offered

ROOT = Path(__file__).parent.parent
TIMES: dict[str, int | None] = {"first": 1, "first_two": 2, "all": None}  # attempts that meet the fault
RETRIES: tuple[Retries, ...] = get_args(Retries)
SECONDS = ("first_token", "silence", "total")
QUESTION, MET, CHOSEN_RETRIES, ATTEMPTS = (f"faults.{name}" for name in ("question", "times", "retries", "attempts"))

LANE = 46  # pixels
AROUND = 150  # pixels of the chart's height that its legend and its axis take
PHASES = {"waiting": colors.WAITING, "writing": colors.MODEL, "pause": colors.TOOL}
RIGHT = 0.6  # of the axis: a failure beyond it has its code on its left


# The switchboard


@dataclass(frozen=True)
class Chosen:
    """What the switchboard says now."""

    question: str
    fault: Fault
    times: int | None
    policy: Policy


def draw_switchboard(start: Callable[[], None]) -> DeltaGenerator:
    """The controls and the button that starts; gives the place for the one that stops."""
    with st.container(border=True):
        _draw_fault()
        with st.container(horizontal=True, gap="medium"):
            _draw_times()
            _draw_retries()
        st.session_state.setdefault(QUESTION, t("faults.question_default"))
        st.text_area(t("faults.question"), key=QUESTION, height=68, persist_state="session")
        with st.container(horizontal=True):
            st.button(
                t("faults.start"), key="faults.start", type="primary", icon=":material/play_arrow:", on_click=start
            )
            stop_place = st.empty()
            with st.popover(_limits_label(), icon=":material/timer:"):
                _draw_limits()
    return stop_place


def chosen() -> Chosen:
    state = st.session_state
    seconds = {name: state[f"faults.{name}"] for name in SECONDS}
    policy = Policy(state[CHOSEN_RETRIES], state[ATTEMPTS], **seconds)
    return Chosen(state[QUESTION], state[_fault_key()], TIMES[state[MET]], policy)


def _limits_label() -> str:
    """The limits at a glance."""
    return t(
        "faults.limits",
        attempts=_limit("attempts"),
        first_token=_limit("first_token"),
        silence=_limit("silence"),
        total=_limit("total"),
    )


def _limit(name: str) -> str:
    return f"{st.session_state.get(f'faults.{name}', getattr(Policy(), name)):g}"


def _fault_key() -> str:
    """The demo model and others offer different faults, and each keeps what was chosen for it."""
    return f"faults.fault.{'demo' if is_demo(sidebar.options().model) else 'other'}"


def _draw_fault() -> None:
    model = sidebar.options().model
    fault = st.pills(
        t("faults.fault"),
        offered(model),
        default="cut" if is_demo(model) else "none",
        required=True,
        format_func=lambda fault: t(f"faults.fault_{fault}"),
        key=_fault_key(),
        wrap=True,
        persist_state="session",
    )
    st.caption(t(f"faults.about_{fault}"))
    if not is_demo(model):
        st.caption(t("faults.not_demo", wrong_key=WRONG_KEY))


def _draw_times() -> None:
    st.segmented_control(
        t("faults.times"),
        list(TIMES),
        default="first",
        required=True,
        format_func=lambda name: t(f"faults.times_{name}"),
        help=t("faults.times_help"),
        key=MET,
        persist_state="session",
    )


def _draw_retries() -> None:
    """Without any at first: what a fault does is to be seen before what helps."""
    st.segmented_control(
        t("faults.retries"),
        RETRIES,
        default="never",
        required=True,
        format_func=lambda name: t(f"faults.retries_{name}"),
        help=t("faults.retries_help"),
        key=CHOSEN_RETRIES,
        persist_state="session",
    )


def _draw_limits() -> None:
    usual = Policy()
    st.number_input(t("faults.limit_attempts"), 1, MOST_ATTEMPTS, usual.attempts, key=ATTEMPTS, persist_state="session")
    for name in SECONDS:
        st.number_input(
            t(f"faults.limit_{name}"),
            LEAST_SECONDS,
            MOST_SECONDS,
            float(getattr(usual, name)),
            0.5,
            "%.2f",
            help=t(f"faults.limit_{name}_help"),
            key=f"faults.{name}",
            persist_state="session",
        )


# What happened


def describe(trial: Trial) -> str:
    """A trial in one line."""
    return " · ".join((t(f"faults.fault_{trial.fault}"), _times(trial), t(f"faults.retries_{trial.policy.retries}")))


def _times(trial: Trial) -> str:
    name = next(name for name, times in TIMES.items() if times == trial.times)
    return t(f"faults.times_{name}")


def draw_phases(place: DeltaGenerator, name: str, made: Sequence[Phase]) -> None:
    """One lane for each attempt. A pause is a thin bar, a failure a cross with its code."""
    if not made:
        place.caption(f":shimmer[{t('chat.thinking')} …]")
        return
    # Another number of lanes is another chart: one that is there keeps its size.
    key = f"faults.chart.{name}.{made[-1].attempt}"
    place.vega_lite_chart(spec=_chart(made).to_dict(), key=key, alt=_described(made))


def _chart(made: Sequence[Phase]) -> alt.LayerChart | alt.FacetChart:
    end = max(phase.end for phase in made)
    lanes = [_lane(number) for number in range(1, made[-1].attempt + 1)]
    names = {kind: t(f"faults.phase_{kind}") for kind in PHASES}
    encoding = {
        "x": alt.X("start:Q", title=t("faults.axis"), scale=alt.Scale(domain=[0, end * 1.02], nice=False)),
        "y": alt.Y("lane:N", title=None, sort=lanes, scale=alt.Scale(domain=lanes), axis=alt.Axis(labelLimit=120)),
    }
    bar = {
        "x2": "end:Q",
        "color": alt.Color(
            "what:N",
            title=None,
            scale=alt.Scale(domain=list(names.values()), range=list(PHASES.values())),
            legend=alt.Legend(orient="top", symbolType="square", labelLimit=300, columns=1),
        ),
        "tooltip": [
            alt.Tooltip("what:N", title=t("faults.tip_what")),
            alt.Tooltip("duration:N", title=t("faults.tip_duration")),
        ],
        **encoding,
    }
    stretches = [phase for phase in made if phase.kind != "pause"]
    pauses = [phase for phase in made if phase.kind == "pause"]
    ends = [phase for phase in made if phase.code or phase.stopped]
    left = [phase for phase in ends if phase.end <= end * RIGHT]
    right = [phase for phase in ends if phase.end > end * RIGHT]
    code: dict[str, Any] = {"dy": -18, "fontWeight": "bold", "color": _text_color()}
    cross: dict[str, Any] = {
        "shape": "cross",
        "angle": 45,
        "size": 170,
        "filled": True,
        "color": colors.FAILED,
        "opacity": 1,
    }
    layers = [
        (stretches, _bars(stretches, names).mark_bar(cornerRadius=3, height=LANE * 0.4).encode(**bar)),
        (pauses, _bars(pauses, names).mark_bar(height=5).encode(**bar)),
        (ends, _ends(ends).mark_point(**cross).encode(**encoding)),
        (left, _ends(left).mark_text(align="left", dx=-4, **code).encode(text="code:N", **encoding)),
        (right, _ends(right).mark_text(align="right", dx=4, **code).encode(text="code:N", **encoding)),
    ]
    marked = [layer for data, layer in layers if data]  # a group of no marks has no name for who hears the page
    return alt.layer(*marked).properties(height=LANE * len(lanes) + AROUND, width="container")


def _text_color() -> str:
    """Streamlit colours the axes of a chart for light or dark, but not the words in it."""
    return str(st.get_option(f"theme.{st.context.theme.type or 'light'}.textColor"))


def _bars(some: Sequence[Phase], names: dict[str, str]) -> alt.Chart:
    return alt.Chart(
        alt.InlineData(
            values=[
                {
                    "lane": _lane(phase.attempt),
                    "start": phase.start,
                    "end": phase.end,
                    "what": names[phase.kind],
                    "duration": f"{phase.end - phase.start:.2f} s",
                }
                for phase in some
            ]
        )
    )


def _ends(some: Sequence[Phase]) -> alt.Chart:
    values = [{"lane": _lane(phase.attempt), "start": phase.end, "code": _ending(phase)} for phase in some]
    return alt.Chart(alt.InlineData(values=values))


def _ending(phase: Phase) -> str:
    return phase.code or t("faults.end_stopped")


def _lane(attempt: int) -> str:
    return t("faults.attempt", number=attempt)


def _described(made: Sequence[Phase]) -> str:
    """The chart for who cannot see it."""
    parts = []
    for phase in made:
        what = t(f"faults.phase_{phase.kind}")
        ending = f", {_ending(phase)}" if phase.code or phase.stopped else ""
        parts.append(f"{_lane(phase.attempt)}: {what} {phase.start:.2f}–{phase.end:.2f} s{ending}")
    return "; ".join(parts)


def draw_log(place: DeltaGenerator, events: Sequence[StreamEvent]) -> None:
    """The log's events in words; text that came in one go is one row."""
    rows = [
        {
            t("faults.column_at"): f"{event.at:.3f}",
            t("faults.column_event"): f"`{event.type}`",
            t("faults.column_meaning"): meaning,
        }
        for event, meaning in _rows(events)
    ]
    if rows:
        place.table(rows, hide_index=True, alt=t("faults.log"))


def _rows(events: Sequence[StreamEvent]) -> Iterator[tuple[StreamEvent, str]]:
    """The first event of each row, and what the row means."""
    attempt, shown = 1, False
    for _, group in groupby(events, _kind):
        row = list(group)
        yield row[0], _meaning(row, attempt, shown=shown)
        match row[0].type:
            case "text_delta":
                shown = True
            case "retry":
                attempt, shown = attempt + 1, False


def _meaning(row: Sequence[StreamEvent], attempt: int, *, shown: bool) -> str:
    """`shown`: the attempt has brought some text before."""
    event = row[0]
    characters = f"{sum(len(each.content or '') for each in row):,}"
    match event.type:
        case "text_delta":
            return t("faults.row_text", characters=characters, pieces=len(row), end=f"{row[-1].at:.2f}")
        case "thinking":
            return t("faults.row_thinking", characters=characters)
        case "retry":
            key = "faults.row_retry_void" if shown else "faults.row_retry"
            seconds, reason = f"{event.wait or 0:.1f}", error_text(event.code)
            return t(key, number=attempt, next=attempt + 1, reason=reason, seconds=seconds)
        case "error":
            return t("faults.row_error", reason=error_text(event.code))
        case "final_answer":
            return t("faults.row_final_answer", characters=characters)
        case "done":
            return t(f"faults.row_done_{event.status}")
        case _:
            return ""


def _kind(event: StreamEvent) -> str | int:
    return event.type if event.type in ("text_delta", "thinking") else event.seq


# The lines that dealt with it


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a source file, the first of them being number `line`."""

    title: str
    path: str
    line: int
    text: str


def draw_handling(events: Sequence[StreamEvent], policy: Policy) -> None:
    """The lines of this app that have dealt with the failures of a run that has ended."""
    codes = list(dict.fromkeys(event.code for event in events if event.type in ("retry", "error") and event.code))
    st.caption(t("faults.code_what") if codes else t("faults.code_none"))
    late = bool(events) and events[-1].at >= policy.total
    for excerpt in handling(codes, late=late):
        st.markdown(f"{excerpt.title} · `{excerpt.path}:{excerpt.line}`")
        st.code(excerpt.text, language="python", wrap_lines=True)


def handling(codes: Sequence[str], *, late: bool) -> Iterator[Excerpt]:
    """Where failures get their code, and where it is decided what follows. `late`: the whole run ran out of time."""
    for code in codes:
        for first, text in cases(classify, code):
            yield _excerpt(t("faults.code_classify", code=code), classify, first, text)
    if "timeout" in codes:
        yield _whole(t("faults.code_attempt"), Runs._attempt)
        if late:
            yield _whole(t("faults.code_total"), Runs._outcome)
    if codes:
        yield _whole(t("faults.code_retry"), RunLimits.allow_retry)
        yield _whole(t("faults.code_attempts"), Runs._attempts)


def cases(function: Callable[..., Any], code: str) -> Iterator[tuple[int, str]]:
    """The `case`s of a function's `match` that name a code: the line of the file each begins at, and its text."""
    lines, first = inspect.getsourcelines(function)
    for node in ast.walk(ast.parse(dedent("".join(lines)))):
        if isinstance(node, ast.match_case) and code in _strings(node.body):
            start, end = node.pattern.lineno, node.body[-1].end_lineno
            yield first + start - 1, dedent("".join(lines[start - 1 : end]))


def _strings(body: Sequence[ast.stmt]) -> set[object]:
    return {node.value for part in body for node in ast.walk(part) if isinstance(node, ast.Constant)}


def _whole(title: str, function: Callable[..., Any]) -> Excerpt:
    lines, first = inspect.getsourcelines(function)
    return _excerpt(title, function, first, dedent("".join(lines)))


def _excerpt(title: str, function: Callable[..., Any], line: int, text: str) -> Excerpt:
    path = Path(inspect.getsourcefile(function) or "").relative_to(ROOT).as_posix()
    return Excerpt(title, path, line, text)


# The difference


def draw_difference(current: str | None) -> None:
    """The session's trials, the newest first; the one that is chosen is shown."""
    kept = list(reversed(session().trials.values()))
    if not kept:
        return
    st.subheader(t("faults.difference"))
    st.caption(t("faults.difference_what"))
    ids = [tried.trial.run_id for tried in kept]
    shown = ids.index(current) if current in ids else None
    chosen = st.dataframe(
        [_figures(tried) for tried in kept],
        hide_index=True,
        column_config={
            t(f"faults.column_{name}"): st.column_config.NumberColumn(format="%.2f") for name in ("ttft", "total")
        },
        # One that shows another trial is another table: it begins with that row chosen.
        key=f"faults.difference.{current}.{len(ids)}",
        on_select="rerun",
        selection_mode="single-row" if shown is None else "single-row-required",
        selection_default=None if shown is None else {"selection": {"rows": [shown]}},
        placeholder="–",
        alt=t("faults.difference"),
    )
    for row in chosen["selection"]["rows"]:
        if row != shown:
            show(TRIAL, ids[row])
            st.rerun()


def _figures(tried: Tried) -> dict[str, object]:
    trial, events = tried.trial, tried.events
    known: dict[str, object] = dict.fromkeys(("attempts", "ttft", "total"))
    end = t("faults.end_running")
    if events:
        outcome = outcome_of(events)
        known = {
            "attempts": outcome.retries + 1,
            "ttft": outcome.timings.ttft,
            "total": outcome.timings.total,
        }
        end = _end(outcome.status, outcome.code)
    asked = {
        "fault": t(f"faults.fault_{trial.fault}"),
        "times": _times(trial),
        "retries": t(f"faults.retries_{trial.policy.retries}"),
        "end": end,
    }
    return {t(f"faults.column_{name}"): value for name, value in (asked | known).items()}


def _end(status: str, code: str | None) -> str:
    match status:
        case "completed":
            return t("faults.end_completed")
        case "stopped":
            return t("faults.end_stopped")
        case _:
            return t("faults.end_failed", code=code)
