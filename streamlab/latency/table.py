"""A summary in a terminal."""

from collections.abc import Iterable
from math import exp

from rich import box
from rich.console import Console
from rich.table import Table

from streamlab.latency.difference import Difference
from streamlab.latency.disturbance import Reason
from streamlab.latency.figures import Figures, Spread
from streamlab.latency.observation import Side, Sided
from streamlab.latency.summary import Metric, Summary, WayComparison

_METRICS: dict[Metric, str] = {"ttft": "first text", "e2e": "whole answer", "noticed": "noticed wait",
    "writing": "writing"}  # fmt: skip
_REASONS: dict[Reason, str] = {
    "ttft_error": "first chunks were seen later than the server wrote them",
    "gap_error": "gaps between chunks differ from the server's",
    "late": "this process was woken late",
}

DEFINITIONS = (
    "TTFT: first text; aiperf's and guidellm's also count reasoning, vLLM's is TTFE. Last text: aiperf's request "
    "latency and vLLM's E2EL. E2E: the stream's end; guidellm's request latency. tokens/s: (tokens - 1) / (last text - "
    "first written), with the reasoning that was sent; 1 / inter-token latency of aiperf and guidellm."
)


def print_summary(summary: Summary, console: Console) -> None:
    for model in dict.fromkeys(row.model for row in summary.figures):
        console.print(_figures(summary, model))
    several = len({row.model for row in summary.figures}) > 1
    for comparison in summary.comparisons:
        if (found := comparison.difference) and _is_told(comparison):
            console.print(_sentence(comparison, found, several=several))
    if summary.figures:
        console.print(DEFINITIONS)
    for note in _notes(summary):
        console.print(note)


def _figures(summary: Summary, model: str) -> Table:
    """Make a table with a column for each way, or prompt, so that it fits a terminal of 80 columns."""
    ways = [row for row in summary.figures if row.model == model]
    table = Table(box=box.SIMPLE_HEAD, title=model, title_justify="left")
    table.add_column("medians")
    for row in ways:
        table.add_column(point(row) if row.prompt_length else row.way, justify="right")
    names = (
        "calls", "failed", "TTFE (s)", "TTFT (s)", "TTFT p95 (s)", "gap (ms)", "gap p95 (ms)", "TPOT (ms)",
        "last text (s)", "E2E (s)", "tokens/s", "characters/s", "tokens", "visible tokens", "prompt tokens",
        "of which cached",
        f"TTFT <= {summary.target:g} s",
    )  # fmt: skip
    for cells in zip(names, *map(_cells, ways), strict=True):
        table.add_row(*cells)
    return table


def _cells(row: Figures) -> Iterable[str]:
    yield from (str(row.n), str(row.failures + row.refused))
    yield from (_median(row.ttfe), _median(row.ttft), f"{row.ttft.p95:.3f}" if row.ttft else "-")
    yield from (_median(row.gap, 1e3, 1), f"{row.gap.p95 * 1e3:,.1f}" if row.gap else "-", _median(row.tpot, 1e3, 1))
    yield from (_median(row.last_text), _median(row.e2e), _median(row.tokens_per_second, 1, 1))
    yield _median(row.characters_per_second, 1, 1)
    counts = (row.tokens, row.visible, row.prompt_tokens, row.cached_tokens)
    yield from ("-" if tokens is None else f"{tokens:,.0f}" for tokens in counts)
    yield "-" if row.within_target is None else f"{row.within_target:.0%}"


def _median(spread: Spread | None, factor: float = 1, digits: int = 3) -> str:
    return f"{spread.median * factor:,.{digits}f}" if spread else "-"


def _is_told(comparison: WayComparison) -> bool:
    """Leave out, of long prompts, what the length has no effect on: they are many."""
    base, side = comparison.base, comparison.side
    if base.prompt_length is None:
        return True
    return comparison.metric in ("ttft", "writing") and not (side.repeated and base.prompt_length != side.prompt_length)


def _sentence(comparison: WayComparison, found: Difference, *, several: bool) -> str:
    """Say `stream against invoke, first text: 1.198 s sooner (95 % interval 1.190 to 1.204, 10 pairs)`."""
    side, base = (_name(one, several=several) for one in (comparison.side, comparison.base))
    pairs = f"{found.n} pair{'s' if found.n > 1 else ''}"
    factor = comparison.metric == "writing"
    told = f"{side} against {base}, {_METRICS[comparison.metric]}: "
    told += f"{exp(found.value):.2f} times as fast" if factor else _seconds(found.value)
    if found.low is None or found.high is None:
        return f"{told} ({pairs}: too few for an interval)"
    bounds = (f"{exp(bound):.2f}" if factor else f"{bound:+.3f}" for bound in (found.low, found.high))
    interval = f"{found.confidence:.0%} interval {' to '.join(bounds)}{'' if factor else ' s'}"
    doubt = "" if found.distinguishable else ", not distinguishable from nothing"
    return f"{told}{doubt} ({interval}, {pairs})"


def _seconds(value: float) -> str:
    return f"{abs(value):.3f} s {'sooner' if value < 0 else 'later'}"


def _name(side: Side, *, several: bool) -> str:
    name = f"{side.way} of {side.model}" if several else side.way
    return f"{name} at {point(side)}" if side.prompt_length else name


def point(one: Sided) -> str:
    """Name the prompt of a call: how long, and whether it was asked once more."""
    return f"{one.prompt_length:,} tokens{' again' if one.repeated else ''}"


def _notes(summary: Summary) -> Iterable[str]:
    for found in summary.buffering:
        if found.suspected:
            yield (
                f"Something seems to buffer: {found.held} of {found.n} answers by {found.way} of {found.model} "
                "came in bunches."
            )
    if summary.refused:
        yield f"{summary.refused} invoke calls streamed underneath and are not counted."
    if summary.noise.noisy:
        why = "; ".join(_REASONS[reason] for reason in summary.noise.reasons)
        yield f"The machine was too noisy for exact figures: {why}."
