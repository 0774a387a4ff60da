"""What is chosen of a run, wherever on the page that was done: a call, what the model did, or an event."""

from collections.abc import Sequence

import streamlit as st

from components.answer.tools import draw_use
from components.page.texts import plain, t
from components.timeline.lanes import Choice, ShownRun, kind_of, lane_name
from streamlab.events.event import Status, StreamEvent, encode
from streamlab.events.outcome import ToolUse
from streamlab.timeline.spans import Span, span_at

_STATE = "timeline.chosen"
STATUSES: dict[str, Status] = {"completed": "completed", "failed": "failed"}  # of a span; any other had no result


def choose(page_run: str, choice: Choice) -> None:
    """Choose something, for as long as this run is shown."""
    st.session_state[_STATE] = (page_run, choice)


def choose_event(run: ShownRun, seq: int) -> None:
    span = span_at(run.spans, seq)
    choose(run.id, Choice(run.id, span.key if span else None, seq))


def chosen(runs: Sequence[ShownRun]) -> Choice | None:
    """Return what is chosen; at first the longest call, or what the model did last."""
    page_run, choice = st.session_state.get(_STATE, ("", None))
    first = runs[0]
    if page_run == first.id and isinstance(choice, Choice) and any(run.id == choice.run for run in runs):
        return choice
    calls = [span for span in first.spans if span.kind == "tool"]
    span = max(calls, key=lambda call: call.end - call.start) if calls else first.spans[-1] if first.spans else None
    return Choice(first.id, span.key) if span else None


def chosen_seq(run: ShownRun, choice: Choice | None) -> int | None:
    """Return the number of this run's event that is chosen, itself or as the one that a span began with."""
    if not choice or choice.run != run.id:
        return None
    span = _span(run, choice)
    return choice.seq or (span.seqs[0] if span else None)


def draw_chosen(runs: Sequence[ShownRun], choice: Choice | None) -> None:
    """Draw what is chosen: when it was, a call's input and result, and its events as they are."""
    if not choice:
        st.caption(t("timeline.chosen_how"))
        return
    st.markdown(f"**{t('timeline.chosen')}**", help=t("timeline.chosen_how"))
    run = next(run for run in runs if run.id == choice.run)
    span = _span(run, choice)
    if span:
        _draw_span(span)
    seqs = {choice.seq} if choice.seq and not (span and span.kind == "tool") else set(span.seqs) if span else set()
    events = [event for event in run.events if event.seq in seqs]
    for event in events:
        _draw_event(event)


def _span(run: ShownRun, choice: Choice) -> Span | None:
    return next((span for span in run.spans if span.key == choice.key), None)


def _draw_span(span: Span) -> None:
    name, kind = plain(lane_name(span)), t(f"timeline.kind_{kind_of(span)}")
    seconds = t("timeline.from_to", start=f"{span.start:.2f}", end=f"{span.end:.2f}")
    st.markdown(f"**{name}** · {kind} · **{span.end - span.start:.2f} s**")
    st.caption(seconds)
    if span.kind == "tool":
        status = STATUSES.get(span.status, "stopped")
        draw_use(ToolUse(span.tool or "tool", span.input, span.result, status, span.end - span.start))


def _draw_event(event: StreamEvent) -> None:
    label = t("timeline.event_named", number=f"{event.seq:,}", type=event.type)
    with st.expander(label, icon=":material/data_object:", type="compact"):
        st.json(encode(event).decode())
