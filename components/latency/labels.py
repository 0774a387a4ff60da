"""Names and values of a measurement as texts."""

from collections.abc import Iterable

from components.latency import charts
from components.page.settings import model_label
from components.page.texts import t
from streamlab.latency.difference import LEVEL, Difference
from streamlab.latency.disturbance import MEDIAN_ERROR
from streamlab.latency.figures import Figures

MILLISECONDS = 1_000  # of a second


def way_label(way: str) -> str:
    return t(f"latency.way_{way}")


def lane_label(figures: Iterable[Figures]) -> charts.Label:
    """Return a function that names a lane: by the way alone, or with the model where there are several."""
    several = len({found.model for found in figures}) > 1
    return lambda model, way: lane_name(model, way, several=several)


def lane_name(model: str, way: str, *, several: bool) -> str:
    """Name the lane of a model and a way, by the way alone unless there are several models."""
    return f"{way_label(way)} · {model_label(model)}" if several else way_label(way)


def seconds_text(seconds: float) -> str:
    return t("latency.seconds", value=f"{seconds:.{3 if seconds < 0.1 else 2 if seconds < 10 else 1}f}")


def round_seconds(seconds: float) -> str:
    """Write seconds as people say them."""
    return t("latency.seconds", value=f"{seconds:.{1 if seconds >= 1 else 2}f}")


def signed_seconds(seconds: float) -> str:
    return t("latency.seconds", value=f"{seconds:+.3f}" if abs(seconds) < 1 else f"{seconds:+.2f}")


def interval(difference: Difference) -> str:
    if difference.low is None or difference.high is None:
        return signed_seconds(difference.value)
    return t(
        "latency.from_to",
        middle=signed_seconds(difference.value),
        low=signed_seconds(difference.low),
        high=signed_seconds(difference.high),
    )


def verdict(difference: Difference) -> str:
    """Classify a difference; one within the measuring error counts as `same`, an uncertain one as `open`."""
    if difference.distinguishable is None or (difference.confidence or 0) < LEVEL:
        return "open"
    if not difference.distinguishable or abs(difference.value) < MEDIAN_ERROR:
        return "same"
    return "earlier" if difference.value < 0 else "later"
