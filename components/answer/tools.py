"""A tool's call and its result on the page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.mutable_status_container import StatusContainer  # only a type; not exported by streamlit

from components.answer.markdown import draw_markdown
from components.page import colors
from components.page.texts import plain, t
from streamlab.events.event import ToolCall, ToolResult
from streamlab.events.outcome import ToolUse

LONGEST_INPUT = 2_000  # characters of the input that are shown


def draw_uses(uses: Sequence[ToolUse]) -> None:
    """Draw the calls of a finished run, each an expander."""
    for use in uses:
        icon = ":material/check:" if use.status == "completed" else ":material/error:"
        with st.expander(f"{plain(use.tool)} · {use.seconds:.2f} s", icon=icon, type="compact"):
            draw_use(use)


def draw_use(use: ToolUse) -> None:
    _draw_call(use.input)
    _draw_result(use.result, failed=use.status != "completed")


@dataclass
class LiveTools:
    """The calls of a live run: each is shown from its start, and gets its result when that comes."""

    place: DeltaGenerator
    _box: DeltaGenerator | None = None
    _open: dict[str, StatusContainer] = field(default_factory=dict)

    def observe(self, event: ToolCall | ToolResult) -> None:
        if isinstance(event, ToolCall) or event.call_id not in self._open:
            self._open[event.call_id] = self._begin(event)
        if isinstance(event, ToolResult):
            status, failed = self._open.pop(event.call_id), event.status != "completed"
            with status.container():
                _draw_result(event.result, failed=failed)
            status.update(state="error" if failed else "complete")

    def clear(self) -> None:
        self.place.empty()
        self._box = None
        self._open.clear()

    def _begin(self, event: ToolCall | ToolResult) -> StatusContainer:
        self._box = self._box or self.place.container()
        status = self._box.status(plain(event.tool or "–"), type="compact")
        with status.container():  # to enter the status itself would mark it complete when it is left
            _draw_call(event.input if isinstance(event, ToolCall) else None)
        return status


def shorten(value: Any, length: int) -> str:
    """Write a value on one line of at most so many characters, plus an ellipsis."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= length else f"{text[:length]} …"


def _draw_call(arguments: Any) -> None:
    st.code(shorten(arguments, LONGEST_INPUT), language="json", wrap_lines=True)


def _draw_result(result: Any, *, failed: bool) -> None:
    """Draw rows as a table, search hits as a list, a number as a metric, anything else as JSON or text."""
    match result:
        case _ if failed:
            st.error(
                plain(shorten(result, LONGEST_INPUT)) if result else t("timeline.no_result"), icon=":material/error:"
            )
        case {"columns": [_, *_] as columns, "rows": [*rows]}:
            _draw_table([str(name) for name in columns], [row for row in rows if isinstance(row, list)])
        case {"hits": [*hits]}:
            _draw_hits(hits)
        case {"value": int() | float() as value, "expression": str(expression)}:
            st.metric(plain(expression), f"{value:,}" if isinstance(value, int) else f"{value:,.10g}")
        case dict() | list():
            st.json(result, expanded=1)
        case other:
            st.text(str(other))


def _draw_hits(hits: list[Any]) -> None:
    if not hits:
        st.caption(t("timeline.no_hits"))
    for hit in hits:
        match hit:
            case {"title": title, "passage": passage}:
                st.markdown(f"**{plain(str(title))}** · {plain(str(hit.get('source', '–')))}")
                draw_markdown(str(passage))
            case _:
                st.json(hit)


def _draw_table(columns: list[str], rows: list[list[Any]]) -> None:
    data = [dict(zip(columns, row, strict=False)) for row in rows]
    st.dataframe(data, hide_index=True)
    label, value = columns[0], columns[-1]
    numeric = all(type(row.get(value)) in (int, float) for row in data)
    if label != value and numeric and 2 <= len(columns) <= 3 and 2 <= len(data) <= 50:
        st.bar_chart(data, x=label, y=value, height=200, color=colors.MODEL)
