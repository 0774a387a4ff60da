"""What the charts of several pages have in common."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt


def marks(rows: Iterable[Mapping[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=list(rows)))


def lane_axis(lanes: Sequence[str], width: int) -> alt.Y:
    """Return an axis with a lane for each name; `width` is the pixels that a name may take."""
    names = list(lanes)
    return alt.Y("lane:N", title=None, sort=names, scale=alt.Scale(domain=names), axis=alt.Axis(labelLimit=width))


def meanings(hues: Mapping[str, str], **legend: Any) -> alt.Color:
    """Return colours by what they mean, with a legend above the chart."""
    scale = alt.Scale(domain=list(hues), range=list(hues.values()))
    key = alt.Legend(orient="top", symbolType="square", labelLimit=300, **legend)
    return alt.Color("what:N", title=None, scale=scale, legend=key)
