"""A run's events as they go by: live, or replayed from its recording."""

import time
from collections.abc import Callable, Iterator, Sequence

import streamlit as st

from components.page.lab import POLL_INTERVAL
from components.page.texts import t
from components.page.widgets import button
from streamlab.events.event import PIECES, Event, StreamEvent
from streamlab.events.recording import Replay
from streamlab.hub import Item

SPEEDS = {"1×": 1.0, "2×": 2.0, "8×": 8.0}
FRAME_FACTOR = 0.25  # a replay is one page's own, and is to keep the recorded pace
CHART_SECONDS = 0.3  # between two drawings of a chart, when something has begun or ended
GROWTH_SECONDS = 1.0  # the same, when bars have grown only: each drawing holds up the words for 50 ms in the browser


def observe(batches: Iterator[list[Item]], events: list[StreamEvent], draw: Callable[[], None]) -> Iterator[list[Item]]:
    """Yield the batches; add their events to `events`, and call `draw` now and then."""
    drawn, news = 0.0, True
    for batch in batches:
        new = [item for item in batch if isinstance(item, Event)]
        events += new
        news |= any(not isinstance(event, PIECES) for event in new)
        if time.monotonic() - drawn >= (CHART_SECONDS if news else GROWTH_SECONDS):
            draw()
            drawn, news = time.monotonic(), False
        yield batch


def replay_batches(events: Sequence[StreamEvent], speed: float, began: float) -> Iterator[list[Item]]:
    """Yield the events in batches, each when it is due after `began`; an empty batch where that takes long."""
    replay = Replay(events, speed)
    while (wait := replay.wait(time.monotonic() - began)) is not None:
        time.sleep(min(wait, POLL_INTERVAL))
        yield [*replay.due(time.monotonic() - began)]


def current_position(run_id: str, events: Sequence[StreamEvent]) -> int:
    """Return how many of the events are shown: all, unless the user stepped back."""
    return int(st.session_state.get(_key(run_id), len(events)))


def draw_controls(run_id: str, events: Sequence[StreamEvent]) -> float | None:
    """Draw the means to play and to step through the events; return the speed when a play button was clicked."""
    count, speed = len(events), None
    st.session_state.setdefault(_key(run_id), count)
    position = current_position(run_id, events)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, value in SPEEDS.items():
            if st.button(label, key=f"timeline.play.{label}", icon=":material/play_arrow:", help=t("timeline.play")):
                speed = value
        for name, icon, to in (
            ("back", "skip_previous", position - 1),
            ("forward", "skip_next", position + 1),
            ("at_once", "last_page", count),
        ):
            go = st.session_state.__setitem__, _key(run_id), to
            button(f"timeline.{name}", icon, *go, disabled=not 1 <= to <= count or to == position)
    if count > 1:
        st.slider(t("timeline.position"), 1, count, key=_key(run_id), help=t("timeline.position_help"))
    return speed


def _key(run_id: str) -> str:
    return f"timeline.position.{run_id}"
