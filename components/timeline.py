"""A run of the agent on the screen: its spans on a time axis, its events, results and totals."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import altair as alt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.texts import t
from streamlab.events import StreamEvent
from streamlab.timeline import MODEL, Span, mermaid, rows, spans, totals

KINDS = {"waiting": "#8a94a3", "thinking": "#7a5bd0", "writing": "#2f74d0", "tool": "#d98a00", "failed": "#d23b3b"}
LANE_HEIGHT = 38  # pixels
AROUND = 115  # pixels of a chart's height that its legend and its axis take
STEP_COLUMNS = ("step", "seconds", "tokens", "calls")
PAGE = 100  # events of the table that are sent at a time
MERMAID_LABELS = ("user", "model", "answer", "thinking", "retry", "error", "stopped")


@dataclass(frozen=True)
class Axis:
    """What a chart is drawn on: its lanes, and seconds from 0 to `end`."""

    lanes: tuple[str, ...]
    end: float


def draw_chart(
    place: DeltaGenerator, name: str, events: Sequence[StreamEvent], now: float | None = None, axis: Axis | None = None
) -> None:
    """The lanes of the model and of every tool until `now`; on `axis`, so that charts can be compared."""
    made = spans(events, now)
    if not made:
        place.caption(f":shimmer[{t('timeline.waiting_first')} …]")
        return
    lanes = axis.lanes if axis else _lanes(made)
    end = max(axis.end if axis else 0.0, max(span.end for span in made), 0.1)
    # Another number of lanes is another chart: one that is there keeps its size and its labels.
    key = f"timeline.chart.{name}.{len(lanes)}"
    place.altair_chart(_chart(made, lanes, end), key=key, alt=_described(made))


def axis_of(events: Sequence[StreamEvent], at_least: float = 0.0) -> Axis:
    made = spans(events)
    return Axis(_lanes(made), max([at_least, *(span.end for span in made)]))


def _lanes(made: Sequence[Span]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_lane(span.lane) for span in made))


def draw_details(run_id: str, question: str, events: Sequence[StreamEvent]) -> None:
    """What stands below the chart of a run that has ended."""
    names = ("results", "events", "sequence", "totals")
    results, table, sequence, figures = st.tabs([t(f"timeline.tab_{name}") for name in names])
    with results:
        _draw_results(events)
    with table:
        _draw_events(run_id, events)
    with sequence:
        labels = {name: t(f"timeline.mermaid_{name}") for name in MERMAID_LABELS}
        st.mermaid_chart(mermaid(events, {**labels, "question": question}), alt=t("timeline.tab_sequence"))
    with figures:
        _draw_totals(events)


def _chart(made: Sequence[Span], lanes: Sequence[str], end: float) -> alt.LayerChart | alt.FacetChart:
    names = {kind: t(f"timeline.kind_{kind}") for kind in KINDS}
    data = alt.InlineData(values=[_bar(span, names) for span in made])
    lane = alt.Y("lane:N", scale=alt.Scale(domain=list(lanes)), title=None, axis=alt.Axis(labelLimit=140))
    base = alt.Chart(data).encode(
        x=alt.X("start:Q", title=t("timeline.axis"), scale=alt.Scale(domain=[0, end])), x2="end:Q", y=lane
    )
    bars = base.mark_bar(cornerRadius=3, height=LANE_HEIGHT * 0.6).encode(
        color=alt.Color(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=list(names.values()), range=list(KINDS.values())),
            legend=alt.Legend(orient="top", symbolType="square", columns=3),
        ),
        tooltip=[alt.Tooltip(f"{name}:N", title=t(f"timeline.tip_{name}")) for name in _TIPS],
    )
    marks = base.mark_text(align="left", dx=4, color="white", fontWeight="bold").encode(text="mark:N")
    return alt.layer(bars, marks).properties(height=LANE_HEIGHT * len(lanes) + AROUND, width="container")


_TIPS = ("what", "duration", "input", "result")


def _bar(span: Span, names: dict[str, str]) -> dict[str, Any]:
    kind = names["failed" if span.status == "failed" else span.kind]
    return {
        "lane": _lane(span.lane),
        "start": span.start,
        "end": span.end,
        "kind": kind,
        "mark": {"failed": "✕", "stopped": "■"}.get(span.status, ""),
        "what": f"{_lane(span.lane)}: {kind}",
        "duration": f"{span.end - span.start:.3f} s",
        "input": _short(span.input),
        "result": _short(span.result),
    }


def _lane(name: str) -> str:
    return t("timeline.lane_model") if name == MODEL else name


def _short(value: Any) -> str:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]} …"


def _described(made: Sequence[Span]) -> str:
    """The chart for who cannot see it."""
    parts = [f"{_lane(span.lane)} {t(f'timeline.kind_{span.kind}')} {span.start:.2f}–{span.end:.2f} s" for span in made]
    return "; ".join(parts[:40])


def _draw_results(events: Sequence[StreamEvent]) -> None:
    calls = {event.call_id: event for event in events if event.type == "tool_call"}
    if not calls:
        st.caption(t("timeline.no_tools"))
    for event in events:
        if event.type == "tool_result":
            with st.container(border=True):
                call = calls.get(event.call_id)
                st.markdown(f"**{event.tool}**")
                st.code(_short(call.input if call else None), language="json", wrap_lines=True)
                _draw_result(event)


def _draw_result(event: StreamEvent) -> None:
    """Rows as a table, hits as a list, numbers as numbers, anything else as what it is."""
    match event.result:
        case _ if event.status != "completed":
            st.error(_short(event.result) if event.result else t("timeline.no_result"), icon=":material/error:")
        case {"columns": [*columns], "rows": [*found]}:
            _draw_table([str(name) for name in columns], found)
        case {"hits": [*hits]}:
            for hit in filter(_is_hit, hits):
                st.markdown(f"**{hit['title']}** · {hit.get('source', '–')}")
                st.markdown(hit["passage"])
        case {"value": int() | float() as value, "expression": str(expression)}:
            st.metric(expression, f"{value:,}")
        case dict() | list():
            st.json(event.result, expanded=1)
        case other:
            st.text(str(other))


def _is_hit(hit: Any) -> bool:
    return isinstance(hit, dict) and {"title", "passage"} <= hit.keys()


def _draw_table(columns: list[str], found: list[list[Any]]) -> None:
    data = [dict(zip(columns, row, strict=False)) for row in found if isinstance(row, list)]
    st.dataframe(data, hide_index=True)
    numeric = columns[-1] if data and isinstance(data[0].get(columns[-1]), int | float) else None
    if numeric and 2 <= len(columns) <= 3 and 2 <= len(data) <= 50:
        st.bar_chart(data, x=columns[0], y=numeric, height=200, color=KINDS["writing"])


def _draw_events(run_id: str, events: Sequence[StreamEvent]) -> None:
    types = list(dict.fromkeys(event.type for event in events))
    chosen = st.pills(t("timeline.filter"), types, selection_mode="multi", key=f"timeline.filter.{run_id}")
    shown = [
        (row, event) for row, event in zip(rows(events), events, strict=True) if not chosen or event.type in chosen
    ]
    pages = max(1, -(-len(shown) // PAGE))
    number = st.pagination(pages, key=f"timeline.page.{run_id}.{pages}") if pages > 1 else 1
    part = shown[(number - 1) * PAGE : number * PAGE]
    selected = st.dataframe(
        [asdict(row) for row, _ in part],
        hide_index=True,
        column_config={
            name: st.column_config.Column(t(f"timeline.column_{name}"))
            for name in ("seq", "at", "since", "type", "tool", "preview")
        },
        key=f"timeline.table.{run_id}.{number}.{'-'.join(chosen)}",
        on_select="rerun",
        selection_mode="single-row",
    )
    st.caption(t("timeline.choose_row"))
    for index in selected["selection"]["rows"]:
        if index < len(part):
            event = asdict(part[index][1])
            st.json({name: value for name, value in event.items() if value is not None})


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
    )
    st.caption(t("timeline.tokens_estimated"))
