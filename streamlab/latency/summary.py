"""What the observations of a measurement say."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import combinations, product
from typing import Any, Literal

from streamlab.latency.difference import Difference, paired_difference, unpaired_difference
from streamlab.latency.disturbance import Buffering, Noise, buffering, noise
from streamlab.latency.figures import Figures, figures, noticed_wait, writing_speed
from streamlab.latency.observation import DIGITS, Observation, Side, counted, side_of
from streamlab.latency.plan import WAYS

Metric = Literal["ttft", "e2e", "noticed", "writing"]
TIMES: tuple[Metric, ...] = ("ttft", "e2e", "noticed")

METRICS: dict[Metric, Callable[[Observation], float | None]] = {
    "ttft": lambda seen: seen.ttft,
    "e2e": lambda seen: seen.e2e,
    "noticed": lambda seen: wait.noticed if (wait := noticed_wait(seen)) else None,
    "writing": lambda seen: math.log(speed) if (speed := writing_speed(seen)) else None,
}


@dataclass(frozen=True, slots=True)
class WayComparison:
    """By how many seconds `side` comes after `base`; below 0 it is the sooner. None when no pair has both.

    Of `writing` it is the natural logarithm of how many times as fast `side` writes.
    """

    metric: Metric
    base: Side
    side: Side
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Warm-ups, failed calls and invokes that streamed underneath are in no figure and no comparison.

    `comparisons` are within pairs, of each two sides that differ in one thing: the way (in the order of WAYS), the
    model (in their order), the length of the prompt, or whether it was asked once more. `refused` counts
    the invokes that streamed underneath.
    """

    target: float
    calls: int
    failures: int
    refused: int
    figures: tuple[Figures, ...]
    comparisons: tuple[WayComparison, ...]
    buffering: tuple[Buffering, ...]
    noise: Noise


def summarize(observations: Sequence[Observation], target: float, models: Sequence[str] = ()) -> Summary:
    """Sum up the observations; `target` is seconds, for TTFT. Their order affects only that of the models.

    `models` come first, in this order: what others are compared with is not to be decided by chance.
    """
    sides = _sides(observations, models)
    every = tuple(figures(observations, side, target) for side in sides)
    streams = dict.fromkeys((side.model, side.way) for side in sides if side.way != "invoke")
    return Summary(
        target=target,
        calls=sum(seen.n + seen.failures + seen.refused for seen in every),
        failures=sum(seen.failures for seen in every),
        refused=sum(seen.refused for seen in every),
        figures=every,
        comparisons=tuple(_comparisons(observations, sides)),
        buffering=tuple(buffering(observations, model, way) for model, way in streams),
        noise=noise(observations),
    )


def compare_measurements(before: Sequence[Observation], after: Sequence[Observation]) -> tuple[WayComparison, ...]:
    """Compare the times of each side that both have, as independent samples. Positive: it takes longer after."""
    shared = [side for side in _sides(before) if side in _sides(after)]
    found = []
    for side, metric in product(shared, TIMES):
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


def _sides(observations: Iterable[Observation], chosen: Sequence[str] = ()) -> list[Side]:
    """List the chosen models, then others as they appear, each with its ways in the order of WAYS.

    Short prompts come first. Warm-ups do not count.
    """
    found = dict.fromkeys(side_of(seen) for seen in observations if not seen.warm_up)
    models = list(dict.fromkeys((*chosen, *(side.model for side in found))))

    def place(side: Side) -> tuple[int, ...]:
        return models.index(side.model), WAYS.index(side.way), side.prompt_length or 0, side.repeated

    return sorted(found, key=place)


def _comparisons(observations: Sequence[Observation], sides: Sequence[Side]) -> Iterable[WayComparison]:
    for base, side in combinations(sides, 2):
        if sum(getattr(base, field.name) != getattr(side, field.name) for field in fields(Side)) == 1:
            for metric in METRICS if base.model != side.model else TIMES:
                here, there = _by_pair(observations, side, metric), _by_pair(observations, base, metric)
                both = [here[pair] - there[pair] for pair in here.keys() & there.keys()]
                yield WayComparison(metric, base, side, paired_difference(both))


def _by_pair(observations: Sequence[Observation], side: Side, metric: Metric) -> dict[int, float]:
    """Return the values that count, by the pair they belong to."""
    mine = counted(observations, side)
    values = {seen.pair: METRICS[metric](seen) for seen in mine if seen.usable}
    return {pair: value for pair, value in values.items() if value is not None}
