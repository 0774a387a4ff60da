"""What a measurement shows, in plain words: the first thing that is read."""

from collections.abc import Iterator

from components.latency.findings import RELAYED, WHOLE, Change, changes
from components.latency.labels import point_label, round_seconds, way_label
from components.page.settings import model_label
from components.page.texts import plain, t, together
from streamlab.latency.difference import Difference
from streamlab.latency.figures import Figures
from streamlab.latency.observation import Side, side_of
from streamlab.latency.summary import Summary

NOTICED = 0.1  # seconds: people take less for nothing


def headline(summary: Summary) -> list[str]:
    """Say what each streamed way changed for people, of what stands alone its times; as Markdown."""
    good = [found for found in summary.figures if found.n]
    if not good:
        return [t("latency.plain_failed")] if summary.figures else []
    found = list(changes(summary))
    compared = {side for change in found for side in (change.base, change.side)}
    texts = [(change.side, _changed(change)) for change in found]
    texts += [(side, _alone(each)) for each in good if (side := side_of(each)) not in compared]
    return [_named(text, side, [side for side, _ in texts]) for side, text in texts]


def kind(difference: Difference) -> str:
    """Classify a difference for people. What they would not notice is `same`, what may be chance `unclear`."""
    bounds = [value for value in (difference.value, difference.low, difference.high) if value is not None]
    if max(map(abs, bounds)) < NOTICED or (difference.distinguishable is None and abs(difference.value) < NOTICED):
        return "same"
    if difference.distinguishable is False:
        return "unclear"
    return "earlier" if difference.value < 0 else "later"


def _changed(change: Change) -> str:
    first, whole = (
        t(f"latency.plain_{name}_{kind(difference)}", seconds=round_seconds(abs(difference.value)))
        for name, difference in (("first", change.first), ("whole", change.whole))
    )
    if change.base.way == WHOLE:
        return together(first, whole)
    way, base = way_label(change.side.way), way_label(change.base.way)
    return t("latency.plain_relayed", way=way, base=base, first=first, whole=whole)


def _alone(found: Figures) -> str:
    first, end = (round_seconds(spread.median) for spread in (found.ttft, found.e2e) if spread)
    return t("latency.plain_whole" if found.way == WHOLE else "latency.plain_streamed", first=first, end=end)


def _named(text: str, side: Side, sides: list[Side]) -> str:
    """Put the model and the way before a text where there are others."""
    names = list(_names(side, sides))
    return f"{' · '.join(names)}: {text}" if names else text


def _names(side: Side, sides: list[Side]) -> Iterator[str]:
    if len({each.model for each in sides}) > 1:
        yield plain(model_label(side.model))
    if side.way != RELAYED and len({each.way for each in sides if each.model == side.model} - {RELAYED}) > 1:
        yield way_label(side.way)
    if side.prompt_length is not None:
        yield point_label(side)
