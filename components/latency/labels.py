"""Names and values of a measurement as texts."""

from collections.abc import Iterable

from components.latency import charts
from components.page.settings import model_label
from components.page.texts import t
from streamlab.latency.difference import LEVEL, Difference
from streamlab.latency.disturbance import MEDIAN_ERROR
from streamlab.latency.observation import Sided

MILLISECONDS = 1_000  # of a second


def way_label(way: str) -> str:
    return t(f"latency.way_{way}")


def lane_label(sides: Iterable[Sided]) -> charts.Label:
    """Return a function that names a lane by what the sides differ in, and a lane alone by its way."""
    known = list(sides)
    ways, models = (len({getattr(one, name) for one in known}) > 1 for name in ("way", "model"))

    def name(one: Sided) -> str:
        point = point_label(one)
        parts = [way_label(one.way)] if ways or not point else []
        parts += [model_label(one.model)] if models else []
        return " · ".join([*parts, point] if point else parts)

    return name


def line_label(sides: Iterable[Sided]) -> charts.Label:
    """Return a function that names the line of a model and a way, by the model alone where there is one way."""
    ways = len({one.way for one in sides}) > 1
    return lambda one: f"{way_label(one.way)} · {model_label(one.model)}" if ways else model_label(one.model)


def point_label(one: Sided) -> str:
    """Name the prompt of a side, where it was made long: how long, and whether it was asked once more."""
    if one.prompt_length is None:
        return ""
    return t("latency.point_again" if one.repeated else "latency.point", tokens=f"{one.prompt_length:,}")


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
