"""The figures of a measurement as a table."""

from collections.abc import Callable
from typing import Any

from components.latency.labels import MILLISECONDS, lane_label, seconds_text
from components.page.texts import t
from streamlab.latency.figures import Figures, Spread
from streamlab.latency.summary import Summary

# What is shown of a measurement: how it is found, and how it is written.
COLUMNS: dict[str, tuple[Callable[[Figures], float | None], str]] = {
    "n": (lambda found: found.n, "{:,d}"),
    "ttfe": (lambda found: _median(found.ttfe), "{:,.3f}"),
    "ttft": (lambda found: _median(found.ttft), "{:,.3f}"),
    "gap": (lambda found: _median(found.gap, MILLISECONDS), "{:,.1f}"),
    "gap_high": (lambda found: found.gap.p95 * MILLISECONDS if found.gap else None, "{:,.1f}"),
    "tpot": (lambda found: _median(found.tpot, MILLISECONDS), "{:,.1f}"),
    "last_text": (lambda found: _median(found.last_text), "{:,.3f}"),
    "e2e": (lambda found: _median(found.e2e), "{:,.3f}"),
    "rate": (lambda found: _median(found.tokens_per_second), "{:,.1f}"),
    "characters": (lambda found: _median(found.characters_per_second), "{:,.1f}"),
    "tokens": (lambda found: found.tokens, "{:,.0f}"),
    "visible": (lambda found: found.visible, "{:,.0f}"),
    "prompt": (lambda found: found.prompt_tokens, "{:,.0f}"),
    "cached": (lambda found: found.cached_tokens, "{:,.0f}"),
    "within": (lambda found: None if found.within_target is None else found.within_target * 100, "{:,.0f} %"),
}


def table(summary: Summary) -> list[dict[str, Any]]:
    """Return the figures as rows, by the names of their columns."""
    label = lane_label(summary.figures)
    return [
        {t("latency.column_way"): label(found)}
        | {column(name, summary.target): value(found) for name, (value, _) in COLUMNS.items()}
        for found in summary.figures
    ]


def written_table(summary: Summary) -> list[dict[str, str]]:
    """Return the figures as rows of texts."""
    forms = {column(name, summary.target): form for name, (_, form) in COLUMNS.items()}
    return [
        {name: "–" if value is None else forms.get(name, "{}").format(value) for name, value in row.items()}
        for row in table(summary)
    ]


def column(name: str, target: float) -> str:
    return t(f"latency.column_{name}", target=seconds_text(target))


def _median(spread: Spread | None, factor: float = 1) -> float | None:
    return None if spread is None else spread.median * factor
