"""What the gateway has to do for all its clients: figures of this second, and small charts of those before it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

import altair as alt
import streamlit as st
from prometheus_client.samples import Sample

from components.page import colors
from components.page.texts import t
from streamlab.gateway.writer import PROTOCOLS

OWN = ("sse", "websocket", "grpc")  # protocols that are drawn also when nobody speaks them
LOOKS = {
    "sse": (colors.MODEL, [1, 0]),
    "websocket": (colors.TOOL, [6, 3]),
    "grpc": (colors.THINKING, [2, 2]),
    "ai-sdk": (colors.GOOD, [8, 2]),
    "openai-chat": (colors.WAITING, [1, 0]),
    "openai-responses": (colors.WAITING, [4, 4]),
    "ag-ui": (colors.GOOD, [2, 4]),
}
"""The color of each protocol's line and its dashes."""
MOMENTS = "relay.moments"  # what the session has seen of the gateway
WINDOW = 120  # seconds that the charts go back
REASONS = ("ended", "client", "slow", "drained", "expired", "revoked")
CHART_HEIGHT = 220  # pixels, with its axes

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Moment:
    """What the gateway has come to at a time, in seconds of a monotonic clock. Counts are since its start.

    `first_tokens` are how many runs had their first token within at most so many seconds, by that bound.
    """

    at: float
    followers: Mapping[str, int]
    events: int
    reconnects: int
    first_tokens: Mapping[float, int]
    disconnects: Mapping[str, int]


def moment(at: float, samples: Iterable[Sample]) -> Moment:
    """Pick of the gateway's figures what the page shows."""
    sums: dict[tuple[str, str], float] = {}
    for sample in samples:
        labels = sample.labels
        label = labels.get("reason") or labels.get("le") or labels.get("protocol", "")
        name = sample.name.removeprefix("streamlab_")
        for key in {(name, label), (name, "")}:
            sums[key] = sums.get(key, 0) + sample.value

    def by_label(name: str) -> dict[str, int]:
        return {label: int(value) for (of, label), value in sums.items() if of == name and label}

    def total(name: str) -> int:
        return int(sums.get((name, ""), 0))

    return Moment(
        at,
        by_label("followers"),
        total("events_sent_total"),
        total("reconnects_total"),
        {float(bound): count for bound, count in by_label("run_first_token_seconds_bucket").items()},
        by_label("disconnects_total"),
    )


def seen(now: Moment) -> list[Moment]:
    """Return this moment, after those that the session has seen in the last minutes."""
    former: list[Moment] = st.session_state.get(MOMENTS, [])
    moments = [*(each for each in former if now.at - each.at <= WINDOW), now]
    st.session_state[MOMENTS] = moments
    return moments


def draw_figures(moments: Sequence[Moment]) -> None:
    """Draw the newest of these, and how it came to it."""
    now = moments[-1]
    rates = [  # events a second between one moment and the next, at the later one
        (after.at - now.at, (after.events - before.events) / (after.at - before.at))
        for before, after in pairwise(moments)
    ]
    newest, most = rates[-1][1] if rates else 0, max((rate for _, rate in rates), default=0)
    _draw_tiles(now, f"{newest:.0f}" if rates else "–")
    left, right = st.columns(2, gap="large")
    with left:
        _draw_followers(moments)
        bars = _first_tokens(now)
        _draw("first_tokens", t("relay.chart_first"), _bars(bars), t("relay.alt_first", counts=_listed(bars)))
    with right:
        rows = [{"x": at, "y": rate} for at, rate in rates]
        _draw("rate", t("relay.chart_rate"), rows, t("relay.alt_rate", now=f"{newest:.0f}", most=f"{most:.0f}"))
        ends = {t(f"relay.reason_{reason}"): now.disconnects.get(reason, 0) for reason in REASONS}
        alternative = t("relay.alt_disconnects", counts=_listed(ends))
        _draw("disconnects", t("relay.chart_disconnects"), _bars(ends), alternative)


def within(bounds: Mapping[float, int]) -> str:
    """Return the least of these seconds within which half of them were."""
    half = max(bounds.values(), default=0) / 2
    if not half:
        return "–"
    return _bound_text(min(bound for bound, count in bounds.items() if count >= half), bounds)


def _bound_text(bound: float, bounds: Iterable[float]) -> str:
    return f"≤ {bound:g} s" if isfinite(bound) else f"> {max(filter(isfinite, bounds), default=0.0):g} s"


def _draw_tiles(now: Moment, rate: str) -> None:
    values: dict[str, str | int] = {
        "followers": sum(now.followers.values()),
        "rate": rate,
        "first_token": within(now.first_tokens),
        "resumed": now.reconnects,
        "disconnects": sum(now.disconnects.values()),
    }
    with st.container(horizontal=True):
        for name, value in values.items():
            st.metric(t(f"relay.{name}"), value, help=t(f"relay.{name}_help"), border=True)


def _draw_followers(moments: Sequence[Moment]) -> None:
    now = moments[-1]
    names = [*OWN, *(each for each in PROTOCOLS if each not in OWN and any(m.followers.get(each) for m in moments))]
    rows = [
        {"x": moment.at - now.at, "y": moment.followers.get(protocol, 0), "who": name}
        for moment in moments
        for protocol, name in PROTOCOLS.items()
        if protocol in names
    ]
    counts = {PROTOCOLS[protocol]: count for protocol, count in now.followers.items()}
    alternative = t("relay.alt_followers", counts=_listed(counts))
    _draw("followers", t("relay.chart_followers"), rows, alternative, tuple(PROTOCOLS[each] for each in names))


def _first_tokens(now: Moment) -> dict[str, int]:
    """Turn counts of all up to a bound into bars, which have those between two."""
    bars, below = dict[str, int](), 0
    for bound, count in sorted(now.first_tokens.items()):
        bars[_bound_text(bound, now.first_tokens)] = count - below
        below = count
    return bars


def _bars(counts: Mapping[str, int]) -> Rows:
    return [{"x": name, "y": count} for name, count in counts.items()]


def _listed(counts: Mapping[str, int]) -> str:
    """List what is not 0, or say that all of it is."""
    return ", ".join(f"{name}: {count}" for name, count in counts.items() if count) or "0"


def _draw(name: str, title: str, rows: Rows, alternative: str, lines: tuple[str, ...] = ()) -> None:
    """Draw a small chart, with a line for each of these names; only its rows change from one second to the next."""
    st.caption(title)
    spec = _specs(t("relay.axis_ago"), lines)[name]
    spec["datasets"][spec["layer"][0]["data"]["name"]] = rows
    st.vega_lite_chart(spec=spec, key=f"relay.chart.{name}", alt=alternative)


@st.cache_data(max_entries=50, show_spinner=False)
def _specs(ago: str, lines: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Make the charts as Vega-Lite, without their rows. `ago` is the title of the axis of time."""
    chart = alt.Chart(alt.InlineData(values=[]))
    time = alt.X("x:Q", title=ago, scale=alt.Scale(domain=[-WINDOW, 0], clamp=True))
    at_least, whole = alt.Scale(domainMin=0), alt.Axis(tickMinStep=1, format=",d")
    y = alt.Y("y:Q", title=None, scale=at_least, axis=whole)
    looks = [LOOKS[each] for each, name in PROTOCOLS.items() if name in lines]
    hues = alt.Scale(domain=lines, range=[hue for hue, _ in looks])
    dashes = alt.Scale(domain=lines, range=[dash for _, dash in looks])
    charts = {
        "followers": chart.mark_line(interpolate="step-after").encode(
            x=time,
            y=y,
            color=alt.Color("who:N", title=None, scale=hues, legend=alt.Legend(orient="top", columns=3)),
            strokeDash=alt.StrokeDash("who:N", title=None, scale=dashes),
        ),
        "rate": chart.mark_area(color=colors.MODEL, opacity=0.7).encode(x=time, y=y),
        "first_tokens": chart.mark_bar(color=colors.MODEL).encode(
            x=alt.X("x:N", title=None, sort=None, axis=alt.Axis(labelAngle=-45, labelOverlap=False)),
            y=y,
        ),
        "disconnects": chart.mark_bar(color=colors.WAITING).encode(
            x=alt.X("y:Q", title=None, scale=at_least, axis=whole),
            y=alt.Y("x:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
        ),
    }
    one = alt.datum(1)  # not to be seen, but the axis reaches there also where there is nothing yet
    at_least_one = alt.Chart(alt.InlineData(values=[{}])).mark_point(opacity=0, aria=False)
    return {
        name: alt.layer(drawn, at_least_one.encode(x=one) if name == "disconnects" else at_least_one.encode(y=one))
        .properties(height=CHART_HEIGHT, width="container")
        .to_dict()
        for name, drawn in charts.items()
    }
