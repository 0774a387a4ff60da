"""Charts of a measurement, for the page and for its report."""

from collections.abc import Callable, Iterator, Sequence

import altair as alt

from components.page import colors
from components.page.charts import lane_axis, marks, meanings
from components.page.texts import t
from streamlab.latency.figures import Figures
from streamlab.latency.observation import Observation, counted

LANE_HEIGHT = 44  # pixels
AXIS_HEIGHT = 60  # pixels
LEGEND_HEIGHT = 40
MAX_MARKS = 600  # that are drawn for one lane

Chart = alt.LayerChart | alt.FacetChart
Label = Callable[[str, str], str]  # model and way -> the name of their lane


def phases(figures: Sequence[Figures], label: Label) -> Chart:
    """Draw what a reader goes through with each way: waiting, reading, and when the answer is complete."""
    waiting, reading, complete = (t(f"latency.phase_{name}") for name in ("waiting", "reading", "complete"))
    bars, ends = [], []
    for found in figures:
        if not (found.ttft and found.e2e and found.noticed and found.reading is not None):
            continue
        lane, done = label(found.model, found.way), found.noticed.median + found.reading
        first, end = found.ttft.median, found.e2e.median
        bars.append({"lane": lane, "what": waiting, "start": 0, "end": first})
        bars.append({"lane": lane, "what": reading, "start": first, "end": done})
        ends.append({"lane": lane, "what": complete, "start": end, "end": end})
    lanes = [label(found.model, found.way) for found in figures]
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


def gaps(observations: Sequence[Observation], figures: Sequence[Figures], label: Label) -> Chart:
    """Draw every gap between two chunks as a stroke: an even stream stands close, a bursty one lies apart."""
    values = {
        label(found.model, found.way): [gap * 1000 for seen in _counted(observations, found) for gap in seen.gaps]
        for found in figures
    }
    return _strip({lane: list(_thin(every)) for lane, every in values.items() if every}, "ms", opacity=0.35)


def times(observations: Sequence[Observation], figures: Sequence[Figures], label: Label, metric: str) -> Chart:
    """Draw each call's `ttft` or `e2e` as a stroke, and the median as a diamond."""
    values = {
        label(found.model, found.way): [getattr(seen, metric) for seen in _counted(observations, found)]
        for found in figures
    }
    return _strip(values, t("latency.axis_seconds"), opacity=0.6)


def _counted(observations: Sequence[Observation], figures: Figures) -> list[Observation]:
    """Return the calls from which the figures are made."""
    return [seen for seen in counted(observations, figures.model, figures.way) if seen.usable]


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
