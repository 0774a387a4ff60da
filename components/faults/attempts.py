"""A trial's attempts on a time axis, and its log as a table."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, assert_never

import altair as alt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer.answer import error_text
from components.page import colors
from components.page.charts import lane_axis, marks, meanings
from components.page.texts import t
from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    is_piece,
)
from streamlab.faults.trials import Phase

LANE_HEIGHT = 46  # pixels
AXES_HEIGHT = 150  # pixels of the chart's height that its legend and its axis take
PHASES = {"waiting": colors.WAITING, "writing": colors.MODEL, "pause": colors.TOOL}
FLIP_AT = 0.6  # of the axis: a failure beyond it has its code on its left


def draw_phases(place: DeltaGenerator, name: str, phases: Sequence[Phase]) -> None:
    """Draw one lane for each attempt: a pause is a thin bar, a failure a cross with its code."""
    if not phases:
        place.caption(f":shimmer[{t('chat.thinking')} …]")
        return
    # Another number of lanes is another chart: one that is there keeps its size.
    key = f"faults.chart.{name}.{phases[-1].attempt}"
    place.vega_lite_chart(spec=_chart(phases).to_dict(), key=key, alt=_alt_text(phases))


def _chart(phases: Sequence[Phase]) -> alt.LayerChart | alt.FacetChart:
    end = max(phase.end for phase in phases)
    lanes = [_lane(number) for number in range(1, phases[-1].attempt + 1)]
    scale = alt.Scale(domain=[0, end * 1.02], nice=False)
    begin, over = (alt.X(f"{name}:Q", title=t("faults.axis"), scale=scale) for name in ("start", "end"))
    y = lane_axis(lanes, 120)
    bar = {
        "color": meanings({t(f"faults.phase_{kind}"): hue for kind, hue in PHASES.items()}, columns=1),
        "tooltip": [
            alt.Tooltip("what:N", title=t("faults.tip_what")),
            alt.Tooltip("duration:N", title=t("faults.tip_duration")),
        ],
    }
    # Streamlit themes only a chart's axes for light or dark.
    words = st.get_option(f"theme.{st.context.theme.type or 'light'}.textColor")
    code: dict[str, Any] = {"dy": -18, "fontWeight": "bold", "color": str(words)}
    cross: dict[str, Any] = {"shape": "cross", "angle": 45, "size": 170, "filled": True, "opacity": 1}

    def base(keep: Callable[[Phase], object]) -> alt.Chart:
        return marks(_row(phase) for phase in phases if keep(phase)).encode(y=y)

    def ends(keep: Callable[[Phase], object]) -> alt.Chart:
        return base(lambda phase: (phase.code or phase.stopped) and keep(phase)).encode(x=over)

    left, right = ends(lambda phase: phase.end <= end * FLIP_AT), ends(lambda phase: phase.end > end * FLIP_AT)
    stretches, pauses = base(lambda phase: phase.kind != "pause"), base(lambda phase: phase.kind == "pause")
    layers = [
        stretches.mark_bar(cornerRadius=3, height=LANE_HEIGHT * 0.4).encode(x=begin, x2="end:Q", **bar),
        pauses.mark_bar(height=5).encode(x=begin, x2="end:Q", **bar),
        ends(lambda phase: True).mark_point(color=colors.FAILED, **cross),
        left.mark_text(align="left", dx=-4, **code).encode(text="code:N"),
        right.mark_text(align="right", dx=4, **code).encode(text="code:N"),
    ]
    marked = [layer for layer in layers if layer.data.values]  # a group of no marks has no name for who hears the page
    return alt.layer(*marked).properties(height=LANE_HEIGHT * len(lanes) + AXES_HEIGHT, width="container")


def _row(phase: Phase) -> dict[str, object]:
    return {
        "lane": _lane(phase.attempt),
        "start": phase.start,
        "end": phase.end,
        "what": t(f"faults.phase_{phase.kind}"),
        "duration": f"{phase.end - phase.start:.2f} s",
        "code": _ending(phase),
    }


def _ending(phase: Phase) -> str:
    return phase.code or t("faults.end_stopped")


def _lane(attempt: int) -> str:
    return t("faults.attempt", number=attempt)


def _alt_text(phases: Sequence[Phase]) -> str:
    """Describe the chart in words, for screen readers."""
    return "; ".join(
        f"{_lane(phase.attempt)}: {t(f'faults.phase_{phase.kind}')} {phase.start:.2f}–{phase.end:.2f} s"
        + (f", {_ending(phase)}" if phase.code or phase.stopped else "")
        for phase in phases
    )


def draw_log(place: DeltaGenerator, events: Sequence[StreamEvent]) -> None:
    """Draw the log's events in words; consecutive text is one row."""
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
    """Yield the first event of each row, and what the row means."""
    attempt, shown = 1, False
    for _, group in groupby(events, lambda event: event.type if is_piece(event) else event.seq):
        row = list(group)
        yield row[0], _meaning(row, attempt, shown=shown)
        match row[0]:
            case TextDelta():
                shown = True
            case Retry():
                attempt, shown = attempt + 1, False


def _meaning(row: Sequence[StreamEvent], attempt: int, *, shown: bool) -> str:
    """Describe a row. `shown`: the attempt had already produced text."""
    event = row[0]
    match event:
        case TextDelta():
            characters = _characters(row)
            return t("faults.row_text", characters=characters, pieces=len(row), end=f"{row[-1].at:.2f}")
        case Thinking(state="begun"):
            return t("faults.row_begun")
        case Thinking():
            return t("faults.row_thinking", characters=_characters(row))
        case Retry():
            key = "faults.row_retry_void" if shown else "faults.row_retry"
            seconds, reason = f"{event.wait or 0:.1f}", error_text(event.code)
            return t(key, number=attempt, next=attempt + 1, reason=reason, seconds=seconds)
        case Error():
            return t("faults.row_error", reason=error_text(event.code))
        case FinalAnswer():
            return t("faults.row_final_answer", characters=f"{len(event.content):,}")
        case Done():
            return t(f"faults.row_done_{event.status}")
        case ToolCall() | ToolResult():
            return ""
        case _:
            assert_never(event)


def _characters(row: Sequence[StreamEvent]) -> str:
    return f"{sum(len(each.content) for each in row if is_piece(each)):,}"
