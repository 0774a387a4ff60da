"""A measurement of latency on the page: what it says, how sure that is, and the figures behind it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import streamlit as st

from components.answer import answer
from components.latency import charts
from components.page.sidebar import model_label
from components.page.texts import plain, t
from streamlab.latency.difference import LEVEL, Difference
from streamlab.latency.disturbance import MEDIAN_ERROR, P95_ERROR, Noise, Reason
from streamlab.latency.figures import CHARACTERS_A_MINUTE, WORDS_A_MINUTE, Figures, Spread
from streamlab.latency.measurement import Measurement
from streamlab.latency.plan import Way
from streamlab.latency.summary import Comparison, Metric, Side, Summary

WHOLE: Way = "invoke"
RELAYED: Way = "gateway"
UNRELAYED: tuple[Way, ...] = ("stream", "astream")  # what the gateway is put beside; the first that was measured
MILLISECONDS = 1_000
COLUMNS: dict[str, tuple[Callable[[Figures], float | None], str]] = {
    "n": (lambda found: found.n, "%d"),
    "ttfe": (lambda found: _median(found.ttfe), "%.3f"),
    "ttft": (lambda found: _median(found.ttft), "%.3f"),
    "gap": (lambda found: _median(found.gap, MILLISECONDS), "%.1f"),
    "gap_high": (lambda found: found.gap.p95 * MILLISECONDS if found.gap else None, "%.1f"),
    "tpot": (lambda found: _median(found.tpot, MILLISECONDS), "%.1f"),
    "e2e": (lambda found: _median(found.e2e), "%.3f"),
    "rate": (lambda found: _median(found.tokens_per_second), "%.1f"),
    "tokens": (lambda found: found.tokens, "%.0f"),
    "within": (lambda found: None if found.within_target is None else found.within_target * 100, "%.0f %%"),
}


def way_label(way: str) -> str:
    return t(f"latency.way_{way}")


def labels(figures: Iterable[Figures]) -> charts.Label:
    """Lanes are named by the way alone as long as there is one model."""
    several = len({found.model for found in figures}) > 1
    return lambda model, way: f"{way_label(way)} · {model_label(model)}" if several else way_label(way)


def sentences(summary: Summary) -> list[str]:
    """What streaming changed, one sentence for each model and streamed way, and what the gateway cost; as Markdown."""
    several = len({found.model for found in summary.figures}) > 1
    found: list[str] = []
    for side in _streamed(summary):
        first, whole = (_against_whole(summary, side, metric) for metric in ("ttft", "e2e"))
        if first and whole:
            told = t("latency.sentence", way=way_label(side.way), first=_told_first(first), whole=_told_whole(whole))
            found.append(f"{model_label(side.model)}: {told}" if several else told)
    for base, first, whole in _relayed(summary):
        way, direct = way_label(RELAYED), way_label(base.way)
        told = t("latency.relayed", way=way, base=direct, first=_told_first(first), whole=_told_whole(whole))
        found.append(f"{model_label(base.model)}: {told}" if several else told)
    return found


def uncertainty(summary: Summary) -> list[str]:
    """The intervals behind the sentences."""
    return [*_uncertainty_whole(summary), *_uncertainty_relayed(summary)]


def _uncertainty_relayed(summary: Summary) -> list[str]:
    told = [
        t(
            "latency.relayed_interval",
            way=way_label(RELAYED),
            base=way_label(base.way),
            first=_interval(first),
            whole=_interval(whole),
            pairs=first.n,
            level=f"{(first.confidence or 0) * 100:.0f}",
        )
        for base, first, whole in _relayed(summary)
        if first.low is not None and whole.low is not None
    ]
    return [*told, t("latency.relayed_what")] if any(found.way == RELAYED for found in summary.figures) else []


def _uncertainty_whole(summary: Summary) -> list[str]:
    return [
        t(
            "latency.interval",
            way=way_label(side.way),
            first=_interval(first),
            whole=_interval(whole),
            pairs=first.n,
            level=f"{(first.confidence or 0) * 100:.0f}",
        )
        for side in _streamed(summary)
        if (first := _against_whole(summary, side, "ttft")) and (whole := _against_whole(summary, side, "e2e"))
        if first.low is not None and whole.low is not None
    ]


def reader(summary: Summary) -> list[str]:
    """How much of the wait someone who reads notices."""
    told = []
    for side in _streamed(summary):
        streamed, whole = (_figures(summary, side.model, way) for way in (side.way, WHOLE))
        if streamed and whole and streamed.noticed and whole.noticed:
            told.append(
                t(
                    "latency.reader",
                    way=way_label(side.way),
                    streamed=_seconds(streamed.noticed.median),
                    whole=_seconds(whole.noticed.median),
                    words=WORDS_A_MINUTE,
                    characters=CHARACTERS_A_MINUTE,
                )
            )
    return told


def doubts(measurement: Measurement, summary: Summary) -> list[str]:
    """What speaks against the figures."""
    noise = summary.noise
    found = [_noisy(noise, reason) for reason in noise.reasons]
    if found:
        found.append(t("latency.noisy"))
    if summary.refused:
        found.append(t("latency.underneath", number=summary.refused))
    found += [
        t("latency.buffered", way=way_label(seen.way), held=seen.held, number=seen.n)
        for seen in summary.buffering
        if seen.suspected
    ]
    errors = sum((Counter(figures.errors) for figures in summary.figures), Counter[str]())
    found += [t("latency.failed", number=number, reason=reason_text(code)) for code, number in errors.items()]
    if measurement.observations and all(seen.error for seen in measurement.observations) and not summary.figures:
        found += [t("latency.all_failed", reason=reason_text(measurement.observations[-1].error or "internal"))]
    return found


def _noisy(noise: Noise, reason: Reason) -> str:
    """The bound that was broken, and by how much."""
    error = {"ttft_error": noise.ttft_error, "gap_error": noise.gap_error}.get(reason)
    if error is None:
        return t("latency.noisy_late", value=_milliseconds(noise.late or 0))
    if error.p95 > P95_ERROR:
        return t(f"latency.noisy_{reason}", value=_milliseconds(error.p95))
    return t(f"latency.median_{reason}", value=_milliseconds(error.median))


def _milliseconds(seconds: float) -> str:
    return f"{seconds * MILLISECONDS:.0f}"


def reason_text(code: str) -> str:
    if code == "no_text":
        return t("chat.empty")
    if code.startswith("gateway_"):
        return t(f"latency.error_{code}")
    return answer.error_text(code)


def draw(measurement: Measurement, summary: Summary) -> None:
    """All that is known so far."""
    if told := sentences(summary):
        st.info("  \n".join(told), icon=":material/timer:")
    if told := doubts(measurement, summary):
        st.warning("  \n".join(told), icon=":material/warning:")
    if told := uncertainty(summary):
        st.caption("  \n".join(told))
    if summary.figures:
        label = labels(summary.figures)
        st.altair_chart(charts.phases(summary.figures, label), alt=described(summary))
        st.caption(t("latency.phases_what"))
        if told := reader(summary):
            st.markdown("  \n".join(told))
        _draw_tabs(measurement, summary, label)


def described(summary: Summary) -> str:
    """The figures' chart in words."""
    return " ".join(
        t(
            "latency.chart_alt",
            lane=labels(summary.figures)(found.model, found.way),
            ttft=_seconds(found.ttft.median),
            e2e=_seconds(found.e2e.median),
        )
        for found in summary.figures
        if found.ttft and found.e2e
    )


def table(summary: Summary) -> list[dict[str, Any]]:
    """The figures as rows, by the names of their columns."""
    label = labels(summary.figures)
    return [
        {t("latency.column_way"): label(found.model, found.way)}
        | {_column(name, summary.target): value(found) for name, (value, _) in COLUMNS.items()}
        for found in summary.figures
    ]


def written_table(summary: Summary) -> list[dict[str, str]]:
    """The same as texts."""
    forms = {_column(name, summary.target): form for name, (_, form) in COLUMNS.items()}
    return [{name: _written(value, forms.get(name)) for name, value in row.items()} for row in table(summary)]


def _written(value: object, form: str | None) -> str:
    return "–" if value is None else form % value if form else str(value)


def draw_difference(before: Sequence[Comparison], names: tuple[str, str]) -> None:
    """Two measurements, figure by figure: what changed from the first to the second."""
    rows = [
        {
            t("latency.column_way"): f"{way_label(found.side.way)} · {model_label(found.side.model)}",
            t("latency.column_metric"): t(f"latency.metric_{found.metric}"),
            t("latency.column_difference"): _interval(found.difference),
            t("latency.column_verdict"): t(f"latency.verdict_{_verdict(found.difference)}"),
        }
        for found in before
        if found.difference
    ]
    st.markdown(t("latency.compared", before=plain(names[0]), after=plain(names[1])))
    if rows:
        st.dataframe(rows, hide_index=True)
    else:
        st.info(t("latency.nothing_shared"), icon=":material/info:")


def _draw_tabs(measurement: Measurement, summary: Summary, label: charts.Label) -> None:
    names = ("figures", "gaps", "spread", "truth")
    figures, gaps, spread, truth = st.tabs([t(f"latency.tab_{name}") for name in names])
    with figures:
        _draw_figures(summary)
    with gaps:
        st.caption(t("latency.gaps_what"))
        chart = charts.gaps(measurement.observations, summary.figures, label)
        st.altair_chart(chart, alt=t("latency.gaps_what"))
    with spread:
        for metric in ("ttft", "e2e"):
            what = t(f"latency.spread_{metric}")
            st.caption(what)
            st.altair_chart(charts.times(measurement.observations, summary.figures, label, metric), alt=what)
    with truth:
        _draw_truth(summary)


def _draw_figures(summary: Summary) -> None:
    config: dict[str, Any] = {
        _column(name, summary.target): st.column_config.NumberColumn(
            help=t(f"latency.formula_{name}", target=_seconds(summary.target)), format=form, width="small"
        )
        for name, (_, form) in COLUMNS.items()
    }
    st.dataframe(table(summary), hide_index=True, column_config=config, placeholder="–")
    st.caption(t("latency.definitions"))


def _draw_truth(summary: Summary) -> None:
    noise = summary.noise
    st.markdown(t("latency.truth_what"))
    with st.container(horizontal=True):
        for name, error in (("ttft_error", noise.ttft_error), ("gap_error", noise.gap_error)):
            value = "–" if error is None else f"{error.median * MILLISECONDS:.2f} / {error.p95 * MILLISECONDS:.2f} ms"
            st.metric(t(f"latency.truth_{name}"), value, border=True, help=t(f"latency.truth_{name}_help"))
        late = "–" if noise.late is None else f"{noise.late * MILLISECONDS:.2f} ms"
        st.metric(t("latency.late"), late, border=True, help=t("latency.late_help"))


def _column(name: str, target: float) -> str:
    return t(f"latency.column_{name}", target=_seconds(target))


def _streamed(summary: Summary) -> list[Side]:
    return [Side(found.model, found.way) for found in summary.figures if found.way != WHOLE]


def _figures(summary: Summary, model: str, way: str) -> Figures | None:
    return next((found for found in summary.figures if (found.model, found.way) == (model, way)), None)


def _against_whole(summary: Summary, side: Side, metric: Metric) -> Difference | None:
    """By how much a streamed way comes after invoke, of the same model."""
    return _difference(summary, Side(side.model, WHOLE), side, metric)


def _relayed(summary: Summary) -> Iterator[tuple[Side, Difference, Difference]]:
    """For each model: what the gateway is put beside, and how much later the first words and the whole answer were."""
    for model in dict.fromkeys(found.model for found in summary.figures):
        for base in (Side(model, way) for way in UNRELAYED):
            first, whole = (_difference(summary, base, Side(model, RELAYED), metric) for metric in ("ttft", "e2e"))
            if first and whole:
                yield base, first, whole
                break


def _difference(summary: Summary, base: Side, side: Side, metric: Metric) -> Difference | None:
    return next(
        (
            seen.difference
            for seen in summary.comparisons
            if (seen.metric, seen.base, seen.side) == (metric, base, side)
        ),
        None,
    )


def _verdict(difference: Difference | None) -> str:
    """A difference that is within what a measurement here may err counts as none."""
    if difference is None or difference.distinguishable is None or (difference.confidence or 0) < LEVEL:
        return "open"
    if not difference.distinguishable or abs(difference.median) < MEDIAN_ERROR:
        return "same"
    return "earlier" if difference.median < 0 else "later"


def _told_first(difference: Difference) -> str:
    seconds, signed = _seconds(abs(difference.median)), _signed(difference.median)
    return t(f"latency.first_{_verdict(difference)}", seconds=seconds, signed=signed)


def _told_whole(difference: Difference) -> str:
    seconds, signed = _seconds(abs(difference.median)), _signed(difference.median)
    return t(f"latency.whole_{_verdict(difference)}", seconds=seconds, signed=signed)


def _interval(difference: Difference | None) -> str:
    if difference is None:
        return "–"
    if difference.low is None or difference.high is None:
        return _signed(difference.median)
    return t(
        "latency.from_to", middle=_signed(difference.median), low=_signed(difference.low), high=_signed(difference.high)
    )


def _median(spread: Spread | None, factor: float = 1) -> float | None:
    return None if spread is None else spread.median * factor


def _signed(seconds: float) -> str:
    return t("latency.seconds", value=f"{seconds:+.3f}" if abs(seconds) < 1 else f"{seconds:+.2f}")


def _seconds(seconds: float) -> str:
    return t("latency.seconds", value=f"{seconds:.{3 if seconds < 0.1 else 2 if seconds < 10 else 1}f}")
