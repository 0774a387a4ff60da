"""A summary in a terminal."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table

from streamlab.latency.difference import Difference
from streamlab.latency.disturbance import Reason
from streamlab.latency.figures import Figures, Spread
from streamlab.latency.summary import Metric, Summary, WayComparison

_METRICS: dict[Metric, str] = {"ttft": "first text", "e2e": "whole answer", "noticed": "noticed wait"}
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
        if found := comparison.difference:
            console.print(_sentence(comparison, found, several=several))
    if summary.figures:
        console.print(DEFINITIONS)
    for note in _notes(summary):
        console.print(note)


def _figures(summary: Summary, model: str) -> Table:
    """Make a table with a column for each way, so that it fits a terminal of 80 columns."""
    ways = [row for row in summary.figures if row.model == model]
    table = Table(box=box.SIMPLE_HEAD, title=model, title_justify="left")
    table.add_column("medians")
    for row in ways:
        table.add_column(row.way, justify="right")
    names = (
        "calls", "failed", "TTFE (s)", "TTFT (s)", "TTFT p95 (s)", "gap (ms)", "gap p95 (ms)", "TPOT (ms)",
        "last text (s)", "E2E (s)", "tokens/s", "tokens", "visible tokens", f"TTFT <= {summary.target:g} s",
    )  # fmt: skip
    for cells in zip(names, *map(_cells, ways), strict=True):
        table.add_row(*cells)
    return table


def _cells(row: Figures) -> Iterable[str]:
    yield from (str(row.n), str(row.failures + row.refused))
    yield from (_median(row.ttfe), _median(row.ttft), f"{row.ttft.p95:.3f}" if row.ttft else "-")
    yield from (_median(row.gap, 1e3, 1), f"{row.gap.p95 * 1e3:,.1f}" if row.gap else "-", _median(row.tpot, 1e3, 1))
    yield from (_median(row.last_text), _median(row.e2e), _median(row.tokens_per_second, 1, 1))
    yield from ("-" if tokens is None else f"{tokens:,.0f}" for tokens in (row.tokens, row.visible))
    yield "-" if row.within_target is None else f"{row.within_target:.0%}"


def _median(spread: Spread | None, factor: float = 1, digits: int = 3) -> str:
    return f"{spread.median * factor:,.{digits}f}" if spread else "-"


def _sentence(comparison: WayComparison, found: Difference, *, several: bool) -> str:
    """Say `stream against invoke, first text: 1.198 s sooner (95 % interval 1.190 to 1.204, 10 pairs)`."""
    side, base = (f"{one.way} of {one.model}" if several else one.way for one in (comparison.side, comparison.base))
    pairs = f"{found.n} pair{'s' if found.n > 1 else ''}"
    told = f"{side} against {base}, {_METRICS[comparison.metric]}: "
    told += f"{abs(found.value):.3f} s {'sooner' if found.value < 0 else 'later'}"
    if found.low is None or found.high is None:
        return f"{told} ({pairs}: too few for an interval)"
    interval = f"{found.confidence:.0%} interval {found.low:+.3f} to {found.high:+.3f} s"
    doubt = "" if found.distinguishable else ", not distinguishable from nothing"
    return f"{told}{doubt} ({interval}, {pairs})"


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
