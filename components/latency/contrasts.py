"""What sets models apart, and what the length of a prompt costs: in sentences, with their intervals."""

from collections.abc import Iterator
from math import exp, log
from typing import NamedTuple

from components.latency.charts import Label
from components.latency.findings import WHOLE, changes
from components.latency.headline import headline, kind
from components.latency.labels import interval, lane_label, line_label, round_seconds
from components.page.settings import model_label
from components.page.texts import plain, t, together
from streamlab.latency.difference import SURE, Difference
from streamlab.latency.observation import Side, side_of
from streamlab.latency.plan import WAYS
from streamlab.latency.summary import Summary

SAME_PACE = log(1.1)  # people take less for nothing


class Contrast(NamedTuple):
    """By how much `side` differs from `base`: in the first words, and between models in the pace of writing."""

    base: Side
    side: Side
    first: Difference
    writing: Difference | None


def contrasts(summary: Summary) -> list[Contrast]:
    """Compare each other model with the first, then of each model the longest prompt with the shortest, new and again.

    Models are compared in the first way in which both were streamed, by the longest prompt that both were asked.
    """
    known = {(seen.base, seen.side, seen.metric): seen.difference for seen in summary.comparisons}

    def contrast(base: Side, side: Side) -> Contrast | None:
        first = known.get((base, side, "ttft"))
        return Contrast(base, side, first, known.get((base, side, "writing"))) if first else None

    sides = [side_of(found) for found in summary.figures if found.n and found.way != WHOLE]
    return list(filter(None, (contrast(base, side) for base, side in (*_models(sides), *_prompts(sides)))))


def _models(sides: list[Side]) -> Iterator[tuple[Side, Side]]:
    new = [side for side in sides if not side.repeated]
    first, *others = dict.fromkeys(side.model for side in new) or [""]
    for other in others:
        theirs = {(side.way, side.prompt_length) for side in new if side.model == other}
        shared = [side for side in new if side.model == first and (side.way, side.prompt_length) in theirs]
        if shared:
            base = min(shared, key=lambda side: (WAYS.index(side.way), -(side.prompt_length or 0)))
            yield base, Side(other, base.way, base.prompt_length)


def _prompts(sides: list[Side]) -> Iterator[tuple[Side, Side]]:
    for model, way in dict.fromkeys((side.model, side.way) for side in sides):
        mine = [side for side in sides if (side.model, side.way) == (model, way)]
        shortest, longest = mine[0], Side(model, way, mine[-1].prompt_length)
        if longest.prompt_length is not None:
            if shortest != longest:
                yield shortest, longest
            yield longest, Side(model, way, longest.prompt_length, repeated=True)


def opening(summary: Summary) -> tuple[list[str], list[str]]:
    """Return what is read first, and what besides, as Markdown: what sets models apart comes before all else."""
    found = contrasts(summary)
    between = [_between(each) for each in found if _is_between(each)]
    more = _prompts_told(found, line_label(summary.figures)) or headline(summary)
    return (between, more) if between else (more, [])


def impression(summary: Summary) -> int:
    """Return the pairs of a comparison that has too few of them to be sure; 0 for one that has enough, and for none."""
    found = [*(each.first for each in changes(summary)), *(each.first for each in contrasts(summary))]
    fewest = min((each.n for each in found), default=SURE)
    return fewest if fewest < SURE else 0


def _prompts_told(found: list[Contrast], label: Label) -> list[str]:
    """Say of each model what a long prompt costs, new and again."""
    long = {(each.side.model, each.side.way): each for each in found if _is_longer(each)}
    again = [each for each in found if not _is_between(each) and not _is_longer(each)]
    texts = [(each, _prompt(long.get((each.side.model, each.side.way)), each)) for each in again]
    return [f"{plain(label(each.side))}: {text}" if len(texts) > 1 else text for each, text in texts]


def _is_between(found: Contrast) -> bool:
    return found.base.model != found.side.model


def _is_longer(found: Contrast) -> bool:
    return not _is_between(found) and found.base.prompt_length != found.side.prompt_length


def _between(found: Contrast) -> str:
    names = {"earlier": found.side.model, "later": found.base.model}
    which = kind(found.first)
    start = t(
        f"latency.begin_{'sooner' if which in names else which}",
        model=_model(names.get(which, "")),
        seconds=round_seconds(abs(found.first.value)),
    )
    parts = [start]
    if writing := found.writing:
        which = pace(writing)
        faster = found.side.model if writing.value > 0 else found.base.model
        parts.append(t(f"latency.write_{which}", model=_model(faster), times=f"{exp(abs(writing.value)):.1f}"))
    text = together(*parts)
    length = found.side.prompt_length
    return text if length is None else t("latency.at_length", tokens=f"{length:,}", text=text)


def pace(difference: Difference) -> str:
    """Classify a difference in the pace of writing as `headline.kind` does one in seconds."""
    bounds = [value for value in (difference.value, difference.low, difference.high) if value is not None]
    if max(map(abs, bounds)) < SAME_PACE or (difference.distinguishable is None and abs(difference.value) < SAME_PACE):
        return "same"
    return "unclear" if difference.distinguishable is False else "faster"


def _prompt(longer: Contrast | None, again: Contrast) -> str:
    tokens = f"{again.side.prompt_length:,}"
    seconds = round_seconds(abs(again.first.value))
    repeated = t(f"latency.again_{kind(again.first)}", tokens=tokens, seconds=seconds)
    if longer is None:
        return repeated
    cost = t(
        f"latency.longer_{kind(longer.first)}",
        tokens=tokens,
        base=f"{longer.base.prompt_length:,}",
        seconds=round_seconds(abs(longer.first.value)),
    )
    return together(cost, repeated)


def uncertainty(summary: Summary, *, every: bool = True) -> list[str]:
    """Say the confidence intervals behind the sentences; without `every`, behind those that come first."""
    found = [each for each in contrasts(summary) if each.first.low is not None]
    label = lane_label([side for each in found for side in (each.base, each.side)])
    first = [each for each in found if _is_between(each)] or found
    return [_interval(each, plain(label(each.side)), plain(label(each.base))) for each in (found if every else first)]


def _interval(found: Contrast, side: str, base: str) -> str:
    level = f"{(found.first.confidence or 0) * 100:.0f}"
    text = t(
        "latency.contrast_first", side=side, base=base, level=level, pairs=found.first.n, first=interval(found.first)
    )
    if found.writing is None or found.writing.low is None or found.writing.high is None:
        return text
    middle, low, high = (f"{exp(value):.2f}" for value in (found.writing.value, found.writing.low, found.writing.high))
    return together(text, t("latency.contrast_writing", middle=middle, low=low, high=high))


def _model(name: str) -> str:
    return plain(model_label(name)) if name else ""
