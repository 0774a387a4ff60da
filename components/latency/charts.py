"""Charts of a measurement, for the page and for its report."""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import altair as alt

from components.page import colors
from components.page.charts import lane_axis, marks, meanings
from components.page.texts import t
from streamlab.latency.figures import Figures
from streamlab.latency.observation import Observation, Sided, counted, side_of

LANE_HEIGHT = 44  # pixels
AXIS_HEIGHT = 60  # pixels
LEGEND_HEIGHT = 40
LINES_HEIGHT = 360  # of a chart with lines, its legend of dashes and its axes
LEGEND_LINE = 26
MAX_MARKS = 600  # that are drawn for one lane

HUES = colors.MODEL, colors.TOOL, colors.THINKING, colors.GOOD  # of lines

Chart = alt.LayerChart | alt.FacetChart
Label = Callable[[Sided], str]  # -> the name of its lane


def phases(figures: Sequence[Figures], label: Label) -> Chart:
    """Draw what a reader goes through with each way: waiting, reading, and when the answer is complete."""
    waiting, reading, complete = (t(f"latency.phase_{name}") for name in ("waiting", "reading", "complete"))
    bars, ends = [], []
    for found in figures:
        if not (found.ttft and found.e2e and found.noticed and found.reading is not None):
            continue
        lane, done = label(found), found.noticed.median + found.reading
        first, end = found.ttft.median, found.e2e.median
        bars.append({"lane": lane, "what": waiting, "start": 0, "end": first})
        bars.append({"lane": lane, "what": reading, "start": first, "end": done})
        ends.append({"lane": lane, "what": complete, "start": end, "end": end})
    lanes = list(map(label, figures))
    encoding = {
        "x": alt.X("start:Q", title=t("latency.axis_seconds"), scale=alt.Scale(domainMin=0)),
        "y": lane_axis(lanes, 220),
        "tooltip": [
            alt.Tooltip("what:N", title=t("latency.chart_what")),
            alt.Tooltip("start:Q", title=t("latency.chart_from"), format=".2f"),
            alt.Tooltip("end:Q", title=t("latency.chart_to"), format=".2f"),
        ],
    }
    hues = {waiting: colors.WAITING, reading: colors.MODEL}
    bar = marks(bars).mark_bar(cornerRadius=3, height=LANE_HEIGHT * 0.5)
    mark = marks(ends).mark_point(shape="diamond", size=130, filled=True, color=colors.TOOL, opacity=1)
    layers = (
        bar.encode(x2="end:Q", color=meanings(hues), **encoding),
        mark.encode(**encoding),
    )
    return _set_size(alt.layer(*layers), len(lanes), AXIS_HEIGHT + LEGEND_HEIGHT)


def first_words(figures: Sequence[Figures], label: Label) -> Chart:
    """Draw the first words against the length of the prompt: a line for each model, dashed where it was asked again."""
    new, again = t("latency.prompt_new"), t("latency.prompt_again")
    rows = [
        {
            "what": label(found),
            "cached": again if found.repeated else new,
            "tokens": found.prompt_tokens or found.prompt_length,
            "seconds": found.ttft.median,
        }
        for found in figures
        if found.ttft and found.prompt_length
    ]
    lines = dict.fromkeys(label(found) for found in figures if found.ttft)
    hues = dict(zip(lines, cycle(HUES), strict=False))
    ticks = sorted({found.prompt_length for found in figures if found.prompt_length})
    tokens, seconds = t("latency.axis_prompt"), t("latency.axis_first")
    base = marks(rows).encode(
        x=alt.X(
            "tokens:Q", title=tokens, scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format=",", values=ticks)
        ),
        y=alt.Y("seconds:Q", title=seconds, scale=alt.Scale(domainMin=0)),
        color=meanings(hues, direction="vertical"),
        tooltip=[
            alt.Tooltip("what:N", title=t("latency.chart_what")),
            alt.Tooltip("cached:N", title=t("latency.chart_prompt")),
            alt.Tooltip("tokens:Q", title=tokens, format=",.0f"),
            alt.Tooltip("seconds:Q", title=seconds, format=".2f"),
        ],
    )
    dashes = alt.Scale(domain=[new, again], range=[[1, 0], [6, 4]])
    stroke: dict[str, Any] = {"symbolType": "stroke", "symbolSize": 400, "symbolStrokeColor": colors.WAITING}
    key = alt.Legend(orient="bottom", direction="vertical", labelLimit=300, **stroke)
    line = base.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("cached:N", title=None, scale=dashes, legend=key)
    )
    point = base.mark_point(filled=True, size=60, opacity=1).encode(detail="cached:N")
    return alt.layer(line, point).properties(height=LINES_HEIGHT + LEGEND_LINE * len(lines), width="container")


def gaps(observations: Sequence[Observation], figures: Sequence[Figures], label: Label) -> Chart:
    """Draw every gap between two chunks as a stroke: an even stream stands close, a bursty one lies apart."""
    values = {
        label(found): [gap * 1000 for seen in _counted(observations, found) for gap in seen.gaps] for found in figures
    }
    return _strip({lane: list(_thin(every)) for lane, every in values.items() if every}, "ms", opacity=0.35)


def times(observations: Sequence[Observation], figures: Sequence[Figures], label: Label, metric: str) -> Chart:
    """Draw each call's `ttft` or `e2e` as a stroke, and the median as a diamond."""
    values = {label(found): [getattr(seen, metric) for seen in _counted(observations, found)] for found in figures}
    return _strip(values, t("latency.axis_seconds"), opacity=0.6)


def _counted(observations: Sequence[Observation], figures: Figures) -> list[Observation]:
    """Return the calls from which the figures are made."""
    return [seen for seen in counted(observations, side_of(figures)) if seen.usable]


def _strip(values: dict[str, list[float]], title: str, opacity: float) -> Chart:
    lanes = list(values)
    rows = [{"lane": lane, "value": value} for lane, every in values.items() for value in every]
    base = marks(rows).encode(x=alt.X("value:Q", title=title, scale=alt.Scale(domainMin=0)), y=lane_axis(lanes, 220))
    strokes = base.mark_tick(color=colors.MODEL, opacity=opacity, thickness=1.5, size=LANE_HEIGHT * 0.6)
    middle = base.mark_point(shape="diamond", size=110, filled=True, color=colors.TOOL, opacity=1)
    medians = middle.encode(
        x=alt.X("median(value):Q", title=title), tooltip=alt.Tooltip("median(value):Q", format=".3f")
    )
    return _set_size(alt.layer(strokes, medians), len(lanes))


def _thin(values: list[float]) -> Iterator[float]:
    """Keep the smallest, the largest, and values evenly between them by rank: the distribution stays the same."""
    ordered = sorted(values)
    count = min(MAX_MARKS, len(ordered))
    return (ordered[number * (len(ordered) - 1) // max(1, count - 1)] for number in range(count))


def _set_size(chart: Chart, lanes: int, extra_height: int = AXIS_HEIGHT) -> Chart:
    return chart.properties(height=LANE_HEIGHT * max(1, lanes) + extra_height, width="container")
