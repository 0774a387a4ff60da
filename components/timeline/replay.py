"""A run's events as they go by: live, or replayed from its recording."""

import time
from collections.abc import Callable, Iterator, Sequence

import streamlit as st

from components.page.button_names import name_buttons
from components.page.lab import POLL_INTERVAL
from components.page.texts import t
from components.page.widgets import button
from streamlab.events.event import PIECES, Event, StreamEvent
from streamlab.events.recording import Replay
from streamlab.hub import Item

SPEEDS = {"1×": 1.0, "2×": 2.0, "8×": 8.0}
CONTROLS = ".st-key-timeline-controls"
FRAME_FACTOR = 0.25  # a replay is one page's own, and is to keep the recorded pace
NEWS_SECONDS = 0.2  # between two times that the lanes of a live run are told


def observe(batches: Iterator[list[Item]], tell: Callable[[], None]) -> Iterator[list[Item]]:
    """Yield the batches, and call `tell` when something has begun or ended in the run."""
    told, news, last = 0.0, True, None
    for batch in batches:
        for event in batch:
            if isinstance(event, Event):
                news |= (what := _what(event)) != last or what is None
                last = what
        if news and time.monotonic() - told >= NEWS_SECONDS:
            tell()
            told, news = time.monotonic(), False
        yield batch


def _what(event: StreamEvent) -> tuple[str, int] | None:
    """Return what text or thinking goes on with, which is no news; None for any other event."""
    return (event.type, event.step) if isinstance(event, PIECES) else None


def replay_batches(events: Sequence[StreamEvent], speed: float, began: float) -> Iterator[list[Item]]:
    """Yield the events in batches, each when it is due after `began`; an empty batch where that takes long."""
    replay = Replay(events, speed)
    while (wait := replay.wait(time.monotonic() - began)) is not None:
        time.sleep(min(wait, POLL_INTERVAL))
        yield [*replay.due(time.monotonic() - began)]


def current_position(run_id: str, events: Sequence[StreamEvent]) -> int:
    """Return how many of the events are shown: all, unless the user stepped back."""
    return int(st.session_state.get(_key(run_id), len(events)))


def seek(run_id: str, events: Sequence[StreamEvent], seconds: float) -> None:
    """Show the run as far as it was so many seconds after its beginning."""
    st.session_state[_key(run_id)] = max(1, sum(event.at <= seconds for event in events))


def draw_controls(run_id: str, events: Sequence[StreamEvent]) -> float | None:
    """Draw the means to play and to step through the events; return the speed when a play button was clicked."""
    count, speed = len(events), None
    names = {"back": t("timeline.back"), "forward": t("timeline.forward"), "at_once": t("timeline.at_once")}
    st.session_state.setdefault(_key(run_id), count)
    position = current_position(run_id, events)
    with st.container(horizontal=True, wrap=False, width="content", gap="xxsmall"):
        for label, value in SPEEDS.items():
            icon = ":material/play_arrow:" if value == 1 else None  # on a phone there is room for one
            if st.button(label, key=f"timeline.play.{label}", icon=icon, help=t("timeline.play")):
                speed = value
        steps = {"back": ("skip_previous", position - 1), "forward": ("skip_next", position + 1)}
        for name, (icon, to) in (steps | {"at_once": ("last_page", count)}).items():
            go, off = (st.session_state.__setitem__, _key(run_id), to), not 1 <= to <= count or to == position
            button(f"timeline.{name}", icon, *go, disabled=off, label="", help=names[name])
    if count > 1:
        with st.container(width=220):
            label, meaning = t("timeline.position"), t("timeline.position_help")
            # Its own value, too: see `control` in components/page/widgets.py.
            st.slider(label, 1, count, position, key=_key(run_id), label_visibility="collapsed", help=meaning)
    name_buttons({f"timeline.{name}": text for name, text in names.items()}, place=CONTROLS)
    return speed


def _key(run_id: str) -> str:
    return f"timeline.position.{run_id}"
