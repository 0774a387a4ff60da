"""What the observations of a measurement say."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import combinations, product
from typing import Any, Literal

from streamlab.latency.difference import Difference, paired_difference, unpaired_difference
from streamlab.latency.disturbance import Buffering, Noise, buffering, noise
from streamlab.latency.figures import Figures, figures, noticed_wait
from streamlab.latency.observation import DIGITS, Observation, counted
from streamlab.latency.plan import WAYS, Way

Metric = Literal["ttft", "e2e", "noticed"]


METRICS: dict[Metric, Callable[[Observation], float | None]] = {
    "ttft": lambda seen: seen.ttft,
    "e2e": lambda seen: seen.e2e,
    "noticed": lambda seen: wait.noticed if (wait := noticed_wait(seen)) else None,
}


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison."""

    model: str
    way: Way


@dataclass(frozen=True, slots=True)
class WayComparison:
    """By how many seconds `side` comes after `base`; below 0 it is the sooner. None when no pair has both."""

    metric: Metric
    base: Side
    side: Side
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Warm-ups, failed calls and invokes that streamed underneath are in no figure and no comparison.

    `comparisons` are within pairs: each two ways of a model (in the order of WAYS), and each two models in a way (in
    their order of appearance). `refused` counts the invokes that streamed underneath.
    """

    target: float
    calls: int
    failures: int
    refused: int
    figures: tuple[Figures, ...]
    comparisons: tuple[WayComparison, ...]
    buffering: tuple[Buffering, ...]
    noise: Noise


def summarize(observations: Sequence[Observation], target: float) -> Summary:
    """Sum up the observations; `target` is seconds, for TTFT. Their order affects only that of the models."""
    sides = _sides(observations)
    every = tuple(figures(observations, side.model, side.way, target) for side in sides)
    return Summary(
        target=target,
        calls=sum(seen.n + seen.failures + seen.refused for seen in every),
        failures=sum(seen.failures for seen in every),
        refused=sum(seen.refused for seen in every),
        figures=every,
        comparisons=tuple(_comparisons(observations, sides)),
        buffering=tuple(buffering(observations, side.model, side.way) for side in sides if side.way != "invoke"),
        noise=noise(observations),
    )


def compare_measurements(before: Sequence[Observation], after: Sequence[Observation]) -> tuple[WayComparison, ...]:
    """Compare each model and way that both have, as independent samples. Positive: it takes longer after."""
    shared = [side for side in _sides(before) if side in _sides(after)]
    found = []
    for side, metric in product(shared, METRICS):
        values = (list(_by_pair(each, side, metric).values()) for each in (before, after))
        found.append(WayComparison(metric, side, side, unpaired_difference(*values)))
    return tuple(found)


def as_json(value: Any) -> Any:
    """Turn a summary, or a part of one, into JSON with its properties; numbers to 6 digits, None where none is."""
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        derived = [name for name, kept in vars(type(value)).items() if isinstance(kept, property)]
        return {name: as_json(getattr(value, name)) for name in (*names, *derived)}
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value


def _sides(observations: Iterable[Observation]) -> list[Side]:
    """List models as they appear, each with its ways in the order of WAYS; warm-ups do not count."""
    found = {Side(seen.model, seen.way): None for seen in observations if not seen.warm_up}
    models = dict.fromkeys(side.model for side in found)
    return [side for model in models for way in WAYS if (side := Side(model, way)) in found]


def _comparisons(observations: Sequence[Observation], sides: Sequence[Side]) -> Iterable[WayComparison]:
    for base, side in combinations(sides, 2):
        if base.model == side.model or base.way == side.way:
            for metric in METRICS:
                here, there = _by_pair(observations, side, metric), _by_pair(observations, base, metric)
                both = [here[pair] - there[pair] for pair in here.keys() & there.keys()]
                yield WayComparison(metric, base, side, paired_difference(both))


def _by_pair(observations: Sequence[Observation], side: Side, metric: Metric) -> dict[int, float]:
    """Return the values that count, by the pair they belong to."""
    mine = counted(observations, side.model, side.way)
    values = {seen.pair: METRICS[metric](seen) for seen in mine if seen.usable}
    return {pair: value for pair, value in values.items() if value is not None}
