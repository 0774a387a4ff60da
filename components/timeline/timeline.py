"""A finished run beneath its lanes: its results, events, sequence and totals."""

from collections.abc import Sequence
from dataclasses import asdict

import streamlit as st

from components.answer.tools import draw_use
from components.page.texts import plain, t
from components.timeline.lanes import Choice, ShownRun
from components.timeline.selection import choose_event, chosen_seq
from components.timeline.sequence import draw_sequence
from streamlab.events.event import StreamEvent, first_seq
from streamlab.events.outcome import Outcome, ToolUse
from streamlab.timeline.rows import row
from streamlab.timeline.totals import totals

STEP_COLUMNS = ("step", "seconds", "tokens", "calls")
PAGE = 100  # events of the table that are sent at a time


def draw_details(run: ShownRun, choice: Choice | None, outcome: Outcome) -> None:
    """Draw the tabs of a finished run."""
    names = ("results", "events", "sequence", "totals")
    results, table, sequence, figures = st.tabs([t(f"timeline.tab_{name}") for name in names])
    with results:
        _draw_results(outcome.tools)
    with table:
        _draw_events(run, chosen_seq(run, choice))
    with sequence:
        draw_sequence(run, chosen_seq(run, choice), lambda seq: choose_event(run, seq))
    with figures:
        _draw_totals(run.events)


def _draw_results(uses: Sequence[ToolUse]) -> None:
    if not uses:
        st.caption(t("timeline.no_tools"))
    for number, use in enumerate(uses):
        with st.container(border=True, key=f"timeline.use.{number}"):
            st.markdown(f"**{plain(use.tool)}** · {use.seconds:.2f} s")
            draw_use(use)


def _draw_events(run: ShownRun, chosen: int | None) -> None:
    """Draw the table of the events, at the page of the one that is chosen, which is marked."""
    events = run.events
    types = list(dict.fromkeys(event.type for event in events))
    filter_ = st.pills(t("timeline.filter"), types, selection_mode="multi", key=f"timeline.filter.{run.id}")
    shown = [index for index, event in enumerate(events) if not filter_ or event.type in filter_]
    seqs = [(first_seq(events[index]), events[index].seq) for index in shown]
    at = next((place for place, (first, last) in enumerate(seqs) if first <= (chosen or 0) <= last), None)
    part = shown[_page(run.id, len(shown), at, chosen) * PAGE :][:PAGE]
    titles = {name: t(f"timeline.column_{name}") for name in ("seq", "type", "tool", "preview", "at", "since")}
    key = f"timeline.table.{run.id}.{part[0] if part else 0}.{'-'.join(filter_)}"
    marked = [part.index(shown[at])] if at is not None and shown[at] in part else []
    st.session_state[key] = {"selection": {"rows": marked, "columns": [], "cells": []}}
    st.caption(t("timeline.choose_row"))

    def choose() -> None:
        for index in st.session_state[key]["selection"]["rows"][:1]:
            choose_event(run, events[part[index]].seq)

    st.dataframe(
        [asdict(each) | {"tool": each.tool or ""} for each in (row(events, index) for index in part)],
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(title, format="%.3f")
            if name in ("at", "since")
            else st.column_config.Column(title)
            for name, title in titles.items()
        },
        key=key,
        on_select=choose,
        selection_mode="single-row",
    )


def _page(run_id: str, count: int, at: int | None, chosen: int | None) -> int:
    """Draw the pages of the table if there are several, and return the number of the one that is shown, from 0 on.

    At first it is that of the chosen event.
    """
    pages = max(1, -(-count // PAGE))
    if pages == 1:
        return 0
    default = 1 if at is None else at // PAGE + 1
    return int(st.pagination(pages, default=default, key=f"timeline.page.{run_id}.{pages}.{chosen}")) - 1


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
