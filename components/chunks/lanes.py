"""What else could run while a mode was waiting for its answer, as a chart and in words."""

from collections.abc import Sequence

import altair as alt

from components.page import colors
from components.page.texts import t
from streamlab.chunks.capture import Capture
from streamlab.chunks.modes import blocked, pauses

LANE = 74  # pixels
AROUND = 150  # pixels of a chart's height that its axis and its legend take


def mode_name(capture: Capture) -> str:
    """Name the mode where Markdown is not read."""
    return t(f"chunks.way_{capture.mode}").replace("`", "")


def meanwhile(capture: Capture) -> str:
    """Say what the second task did while this mode was waiting for its answer."""
    longest = max(end - start for start, end in pauses(capture.beats, capture.seconds))
    return t(
        "chunks.meanwhile" if capture.beats else "chunks.meanwhile_never",
        way=t(f"chunks.way_{capture.mode}"),
        seconds=f"{capture.seconds:.2f}",
        beats=len(capture.beats),
        longest=f"{longest:.2f}",
    )


def described(captures: Sequence[Capture]) -> str:
    """Say what the chart shows, for who cannot see it."""
    return " ".join(meanwhile(capture).replace("`", "").replace("*", "") for capture in captures)


def chart(captures: Sequence[Capture]) -> dict[str, object]:
    """Draw a lane for each mode: its chunks above, and beneath the second task, beating or blocked."""
    chunk, beat, stuck = (t(f"chunks.mark_{name}") for name in ("chunk", "beat", "blocked"))
    lanes = [mode_name(capture) for capture in captures]
    rows: list[dict[str, object]] = []
    bars: list[dict[str, object]] = []
    for lane, capture in zip(lanes, captures, strict=True):
        rows += [{"lane": lane, "row": chunk, "what": chunk, "start": view.at} for view in capture.views]
        rows += [{"lane": lane, "row": beat, "what": beat, "start": at} for at in capture.beats]
        bars += [
            {"lane": lane, "row": beat, "what": stuck, "start": start, "end": end}
            for start, end in blocked(capture.beats, capture.seconds)
        ]
    end = max([0.1, *(capture.seconds for capture in captures)])
    x = alt.X("start:Q", title=t("chunks.axis"), scale=alt.Scale(domain=[0, end], nice=False))
    y = alt.Y("lane:N", title=None, sort=lanes, scale=alt.Scale(domain=lanes), axis=alt.Axis(labelLimit=220))
    offset = alt.YOffset("row:N", scale=alt.Scale(domain=[chunk, beat]))
    palette = alt.Scale(domain=[chunk, beat, stuck], range=[colors.MODEL, colors.THINKING, colors.FAILED])
    color = alt.Color(
        "what:N",
        title=None,
        scale=palette,
        legend=alt.Legend(orient="top", symbolType="square", columns=1, labelLimit=300),
    )
    marks = (
        _data(rows).mark_tick(thickness=2, size=LANE * 0.3, opacity=0.8).encode(x=x, y=y, yOffset=offset, color=color)
    )
    waits = _data(bars).mark_bar(height=LANE * 0.26, opacity=0.75, cornerRadius=2)
    named = [bar for bar in bars if float(str(bar["end"])) - float(str(bar["start"])) > end / 4]  # others have no room
    words = _data(named).mark_text(align="left", dx=6, color="white", fontWeight="bold").encode(text="what:N")
    layers = [
        waits.encode(x=x, x2="end:Q", y=y, yOffset=offset, color=color),
        words.encode(x=x, y=y, yOffset=offset),
        marks,
    ]
    made: dict[str, object] = (
        alt.layer(*layers).properties(height=LANE * len(lanes) + AROUND, width="container").to_dict()
    )
    return made


def _data(rows: list[dict[str, object]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=rows))
