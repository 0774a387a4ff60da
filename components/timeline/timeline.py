"""A run of the agent: its spans on a time axis, its events, results and totals."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import altair as alt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer.tools import draw_use, shorten
from components.page import colors
from components.page.texts import plain, t
from streamlab.events.event import StreamEvent, encode
from streamlab.events.outcome import Outcome, ToolUse
from streamlab.timeline.diagram import mermaid
from streamlab.timeline.rows import row
from streamlab.timeline.spans import MODEL, Span
from streamlab.timeline.totals import totals

KINDS = {
    "waiting": colors.WAITING,
    "thinking": colors.THINKING,
    "writing": colors.MODEL,
    "tool": colors.TOOL,
    "failed": colors.FAILED,
}
NARROWEST = 120  # a call takes at least this fraction of the axis: 1/120
LANE_HEIGHT = 38  # pixels
AXES_HEIGHT = 115  # pixels of a chart's height that its legend and its axis take
STEP_COLUMNS = ("step", "seconds", "tokens", "calls")
ALT_TEXT_SPANS = 40  # spans in a chart's alternative text
TOOLTIP_CHARACTERS = 200  # characters of a value on hover
PAGE = 100  # events of the table that are sent at a time
MERMAID_LABELS = ("user", "model", "answer", "thinking", "retry", "error", "stopped")


@dataclass(frozen=True)
class Axis:
    """A chart's axes: its lanes, and seconds from 0 to `end`."""

    lanes: tuple[str, ...]
    end: float


def draw_chart(place: DeltaGenerator, name: str, spans: Sequence[Span], axis: Axis | None = None) -> None:
    """Draw the lanes of the model and of every tool. A given `axis` makes charts comparable and keeps them steady."""
    if not spans:
        place.caption(f":shimmer[{t('timeline.waiting_first')} …]")
        return
    axis = axis or axis_of(spans)
    # Another number of lanes is another chart: one that is there keeps its size and its labels.
    key = f"timeline.chart.{name}.{len(axis.lanes)}"
    place.vega_lite_chart(spec=_chart(spans, axis), key=key, alt=_alt_text(spans))


def axis_of(spans: Sequence[Span], at_least: float = 0.1) -> Axis:
    lanes = dict.fromkeys(_lane(span.lane) for span in spans)
    return Axis(tuple(lanes), max([at_least, *(span.end for span in spans)]))


def draw_details(run_id: str, question: str, events: Sequence[StreamEvent], outcome: Outcome) -> None:
    """Draw the tabs below the chart of a finished run."""
    names = ("results", "events", "sequence", "totals")
    results, table, sequence, figures = st.tabs([t(f"timeline.tab_{name}") for name in names])
    with results:
        _draw_results(outcome.tools)
    with table:
        _draw_events(run_id, events)
    with sequence:
        labels = {name: t(f"timeline.mermaid_{name}") for name in MERMAID_LABELS}
        st.mermaid_chart(mermaid(events, {**labels, "question": question}), alt=t("timeline.tab_sequence"))
    with figures:
        _draw_totals(events)


def _chart(spans: Sequence[Span], axis: Axis) -> dict[str, Any]:
    """Build the Vega-Lite spec: fill a cached one with the bars and the axis, which alone change during a run."""
    names = tuple(t(f"timeline.kind_{kind}") for kind in KINDS)
    tips = tuple((name, t(f"timeline.tip_{name}")) for name in ("what", "duration", "input", "result"))
    spec = _spec(axis.lanes, names, tips, t("timeline.axis"))
    for layer in spec["layer"]:
        layer["encoding"]["x"]["scale"]["domain"] = [0, axis.end]
    words = dict(zip(KINDS, names, strict=True))
    bars = [_bar(span, words, axis.end / NARROWEST) for span in spans]
    spec["datasets"] = dict.fromkeys(spec["datasets"], bars)
    return spec


@st.cache_data(max_entries=100, show_spinner=False)
def _spec(
    lanes: tuple[str, ...], names: tuple[str, ...], tips: tuple[tuple[str, str], ...], title: str
) -> dict[str, Any]:
    lane = alt.Y("lane:N", scale=alt.Scale(domain=list(lanes)), title=None, axis=alt.Axis(labelLimit=140))
    base = alt.Chart(alt.InlineData(values=[])).encode(
        x=alt.X("start:Q", title=title, scale=alt.Scale(domain=[0, 1])), x2="end:Q", y=lane
    )
    bars = base.mark_bar(cornerRadius=3, height=LANE_HEIGHT * 0.6).encode(
        color=alt.Color(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=list(names), range=list(KINDS.values())),
            legend=alt.Legend(orient="top", symbolType="square", columns=3),
        ),
        tooltip=[alt.Tooltip(f"{name}:N", title=tip) for name, tip in tips],
    )
    marks = base.mark_text(align="left", dx=4, color="white", fontWeight="bold").encode(text="mark:N")
    chart = alt.layer(bars, marks).properties(height=LANE_HEIGHT * len(lanes) + AXES_HEIGHT, width="container")
    spec: dict[str, Any] = chart.to_dict()
    return spec


def _bar(span: Span, names: dict[str, str], least: float) -> dict[str, Any]:
    """Build a bar's data. A call is drawn at least `least` seconds wide, to be visible."""
    kind = names[_kind(span)]
    return {
        "lane": _lane(span.lane),
        "start": span.start,
        "end": max(span.end, span.start + least) if span.kind == "tool" else span.end,
        "kind": kind,
        "mark": {"failed": "✕", "stopped": "■"}.get(span.status, ""),
        "what": f"{_lane(span.lane)}: {kind}",
        "duration": f"{span.end - span.start:.3f} s",
        "input": shorten(span.input, TOOLTIP_CHARACTERS),
        "result": shorten(span.result, TOOLTIP_CHARACTERS),
    }


def _lane(name: str) -> str:
    return t("timeline.lane_model") if name == MODEL else name


def _alt_text(spans: Sequence[Span]) -> str:
    """Describe the chart in words, for screen readers."""
    return "; ".join(
        f"{_lane(span.lane)} {t(f'timeline.kind_{_kind(span)}')} {span.start:.2f}–{span.end:.2f} s"
        for span in spans[:ALT_TEXT_SPANS]
    )


def _kind(span: Span) -> str:
    return "failed" if span.status == "failed" else span.kind


def _draw_results(uses: Sequence[ToolUse]) -> None:
    if not uses:
        st.caption(t("timeline.no_tools"))
    for use in uses:
        with st.container(border=True):
            st.markdown(f"**{plain(use.tool)}** · {use.seconds:.2f} s")
            draw_use(use)


def _draw_events(run_id: str, events: Sequence[StreamEvent]) -> None:
    types = list(dict.fromkeys(event.type for event in events))
    chosen = st.pills(t("timeline.filter"), types, selection_mode="multi", key=f"timeline.filter.{run_id}")
    shown = [index for index, event in enumerate(events) if not chosen or event.type in chosen]
    pages = max(1, -(-len(shown) // PAGE))
    number = st.pagination(pages, key=f"timeline.page.{run_id}.{pages}") if pages > 1 else 1
    part = shown[(number - 1) * PAGE : number * PAGE]
    rows = [row(events, index) for index in part]
    titles = {name: t(f"timeline.column_{name}") for name in ("seq", "type", "tool", "preview", "at", "since")}
    selected = st.dataframe(
        [asdict(row) | {"tool": row.tool or ""} for row in rows],
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(title, format="%.3f")
            if name in ("at", "since")
            else st.column_config.Column(title)
            for name, title in titles.items()
        },
        key=f"timeline.table.{run_id}.{number}.{'-'.join(chosen)}",
        on_select="rerun",
        selection_mode="single-row",
    )
    st.caption(t("timeline.choose_row"))
    for index in selected["selection"]["rows"]:
        if index < len(part):
            st.json(encode(events[part[index]]).decode())


def _draw_totals(events: Sequence[StreamEvent]) -> None:
    sums = totals(events)
    with st.container(horizontal=True):
        for name in ("total", "ttft", "in_model", "in_tools", "waiting"):
            value = getattr(sums, name)
            help_text = t(f"timeline.{name}_help")
            st.metric(t(f"timeline.{name}"), "–" if value is None else f"{value:.2f} s", help=help_text, border=True)
    with st.container(horizontal=True):
        for name in ("events", "characters", "calls", "failed_calls", "retries"):
            st.metric(t(f"timeline.{name}"), f"{getattr(sums, name):,}", border=True)
    st.dataframe(
        [{t(f"timeline.step_{name}"): getattr(step, name) for name in STEP_COLUMNS} for step in sums.steps],
        hide_index=True,
        column_config={t("timeline.step_seconds"): st.column_config.NumberColumn(format="%.2f")},
    )
    st.caption(t("timeline.tokens_estimated"))
