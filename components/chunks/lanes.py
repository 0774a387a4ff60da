"""What else could run while a mode was waiting for its answer, as a chart and in words."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from components.chunks.views import mode_name, way
from components.page import colors
from components.page.charts import lane_axis, marks, meanings
from components.page.texts import t, together
from streamlab.chunks.capture import Capture
from streamlab.chunks.modes import blocked, pauses

LANE = 52  # pixels
AROUND = 150  # pixels of a chart's height that its axis and its legend take


def meanwhile(capture: Capture) -> str:
    """Say what the second task did while this mode was waiting for its answer."""
    longest = max(end - start for start, end in pauses(capture.beats, capture.seconds))
    return t(
        "chunks.meanwhile" if capture.beats else "chunks.meanwhile_never",
        way=way(capture.mode),
        seconds=f"{capture.seconds:.2f}",
        beats=len(capture.beats),
        longest=f"{longest:.2f}",
    )


def described(captures: Sequence[Capture]) -> str:
    """Say what the chart shows, for who cannot see it."""
    return together(*(meanwhile(capture).replace("`", "").replace("*", "") for capture in captures))


def chart(captures: Sequence[Capture]) -> dict[str, object]:
    """Draw a lane for each mode: its chunks above, and beneath the second task, beating or blocked."""
    chunk, beat, stuck = (t(f"chunks.mark_{name}") for name in ("chunk", "beat", "blocked"))
    lanes = [mode_name(capture.mode) for capture in captures]
    rows: list[dict[str, Any]] = []
    bars: list[dict[str, Any]] = []
    for lane, capture in zip(lanes, captures, strict=True):
        rows += [{"lane": lane, "row": chunk, "what": chunk, "start": view.at} for view in capture.views]
        rows += [{"lane": lane, "row": beat, "what": beat, "start": at} for at in capture.beats]
        bars += [
            {"lane": lane, "row": beat, "what": stuck, "start": start, "end": end}
            for start, end in blocked(capture.beats, capture.seconds)
        ]
    end = max([0.1, *(capture.seconds for capture in captures)])
    hues = {chunk: colors.MODEL, beat: colors.THINKING, stuck: colors.FAILED}
    place: dict[str, Any] = {
        "x": alt.X("start:Q", title=t("chunks.axis"), scale=alt.Scale(domain=[0, end], nice=False)),
        "y": lane_axis(lanes, 220),
        "yOffset": alt.YOffset("row:N", scale=alt.Scale(domain=[chunk, beat])),
    }
    color = meanings(hues, columns=1)
    waits = marks(bars).mark_bar(height=LANE * 0.26, opacity=0.75, cornerRadius=2)
    named = [bar for bar in bars if bar["end"] - bar["start"] > end / 4]  # others have no room
    words = marks(named).mark_text(align="left", dx=6, color="white", fontWeight="bold")
    ticks = marks(rows).mark_tick(thickness=2, size=LANE * 0.3, opacity=0.8)
    chart = alt.layer(
        waits.encode(x2="end:Q", color=color, **place),
        words.encode(text="what:N", **place),
        ticks.encode(color=color, **place),
    )
    made: dict[str, object] = chart.properties(height=LANE * len(lanes) + AROUND, width="container").to_dict()
    return made
