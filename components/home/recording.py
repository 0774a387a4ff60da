"""The recorded race, which the browser replays by itself."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from markdown_it import MarkdownIt

from components.home.clock import CSS, HTML, Lane, Times, read, words
from components.page.texts import t
from streamlab.events.event import StreamEvent, TextDelta
from streamlab.events.outcome import outcome_of
from streamlab.race.recorded import RecordedRace

_component = st.components.v2.component(
    "recorded_race", html=HTML, css=CSS, js=read("element.js", "clock.js", "recording.js")
)


def draw_recording(recorded: RecordedRace) -> None:
    """Draw it, with a button that pauses it."""
    said = {"recording": t("home.recording"), "pause": t("home.pause"), "play": t("home.play")}
    lanes = [_lane("whole", recorded.whole), _lane("streamed", recorded.streamed)]
    data = {"question": t("home.question"), "lanes": lanes, "words": words() | said}
    _component(key="home.recording", data=data)


def _lane(lane: Lane, events: Sequence[StreamEvent]) -> dict[str, Any]:
    """Tell the browser the answer as HTML, and which share of it had come when."""
    outcome = outcome_of(events)
    times = Times.of(outcome)
    deltas = [event for event in events if isinstance(event, TextDelta)]
    come, shares = 0, []
    for delta in deltas:
        come += len(delta.content)
        shares.append(round(come / len(outcome.text), 4))
    return {
        "name": t(f"home.lane_{lane}"),
        "html": MarkdownIt("commonmark", {"html": False}).render(outcome.text),
        # The clock's end is in tenths, and the replay stops there: what came in the last twentieth of a second as well.
        "times": [min(round(delta.at, 2), times.end or delta.at) for delta in deltas],
        "shares": shares,
        "first": times.first,
        "end": times.end,
    }
