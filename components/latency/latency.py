"""A measurement of latency on the page."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.latency import charts, contrasts
from components.latency.figures import COLUMNS, column, table
from components.latency.findings import doubts, noise_reasons, reader, sentences, uncertainty
from components.latency.labels import MILLISECONDS, interval, lane_label, line_label, seconds_text, verdict, way_label
from components.page.settings import model_label
from components.page.texts import plain, t, together
from streamlab.latency.measurement import Measurement
from streamlab.latency.summary import Summary, WayComparison


def draw_headline(summary: Summary) -> DeltaGenerator:
    """Draw what was found in plain words; return a place beside what is said of too few pairs."""
    first, more = contrasts.opening(summary)
    for text in first:
        st.subheader(text, anchor=False)
    if intervals := contrasts.uncertainty(summary, every=False):
        st.caption("  \n".join(intervals))
    if more:
        st.markdown("  \n".join(more))
    place = st.container(horizontal=True, vertical_alignment="center", gap="small")
    if pairs := contrasts.impression(summary):
        place.caption(t("latency.impression", pairs=pairs), width="content")
    return place


def draw_details(measurement: Measurement, summary: Summary) -> None:
    """Draw what was found as bars, and folded how sure it is, and every figure."""
    if texts := doubts(measurement, summary):
        st.warning("  \n".join(texts), icon=":material/warning:")
    if any(found.n for found in summary.figures):
        label = lane_label(summary.figures)
        if any(found.prompt_length for found in summary.figures):
            chart, what = charts.first_words(summary.figures, line_label(summary.figures)), t("latency.lengths_what")
        else:
            chart, what = charts.phases(summary.figures, label), t("latency.phases_what")
        st.altair_chart(chart, alt=_alt_text(summary))
        st.caption(what)
        with st.expander(t("latency.how_sure"), icon=":material/query_stats:", type="compact"):
            _draw_certainty(measurement, summary, label)
        with st.expander(t("latency.tab_figures"), icon=":material/table:", type="compact"):
            _draw_figures(measurement, summary, label)


def _alt_text(summary: Summary) -> str:
    """Describe the figures' chart in words, for screen readers."""
    return together(
        *(
            t(
                "latency.chart_alt",
                lane=lane_label(summary.figures)(found),
                ttft=seconds_text(found.ttft.median),
                e2e=seconds_text(found.e2e.median),
            )
            for found in summary.figures
            if found.ttft and found.e2e
        )
    )


def draw_difference(comparisons: Sequence[WayComparison], names: tuple[str, str]) -> None:
    """Draw what changed from the first measurement to the second, figure by figure."""
    rows = [
        {
            t("latency.column_way"): f"{way_label(found.side.way)} · {model_label(found.side.model)}",
            t("latency.column_metric"): t(f"latency.metric_{found.metric}"),
            t("latency.column_difference"): interval(found.difference),
            t("latency.column_verdict"): t(f"latency.verdict_{verdict(found.difference)}"),
        }
        for found in comparisons
        if found.difference
    ]
    st.markdown(t("latency.compared", before=plain(names[0]), after=plain(names[1])))
    if rows:
        st.dataframe(rows, hide_index=True)
    else:
        st.info(t("latency.nothing_shared"), icon=":material/info:")


def _draw_certainty(measurement: Measurement, summary: Summary, label: charts.Label) -> None:
    """Draw the exact sentences with their intervals, every call, and how far the times can be trusted."""
    if texts := noise_reasons(summary):
        st.warning("  \n".join(texts), icon=":material/warning:")
    if texts := [*sentences(summary), *reader(summary), *contrasts.uncertainty(summary), *uncertainty(summary)]:
        st.markdown("\n".join(f"- {text}" for text in texts))
    for metric in ("ttft", "e2e"):
        what = t(f"latency.spread_{metric}")
        st.caption(what)
        st.altair_chart(charts.times(measurement.observations, summary.figures, label, metric), alt=what)
    _draw_truth(summary)


def _draw_figures(measurement: Measurement, summary: Summary, label: charts.Label) -> None:
    config: dict[str, Any] = {
        column(name, summary.target): st.column_config.NumberColumn(
            help=t(f"latency.formula_{name}", target=seconds_text(summary.target)), format=_printf(form)
        )
        for name, (_, form) in COLUMNS.items()
    }
    st.dataframe(table(summary), hide_index=True, column_config=config, placeholder="–")
    st.caption(t("latency.definitions"))
    st.caption(t("latency.gaps_what"))
    st.altair_chart(charts.gaps(measurement.observations, summary.figures, label), alt=t("latency.gaps_what"))


def _printf(form: str) -> str:
    """Turn Python's `{:,.1f}` into the browser's `%,.1f`."""
    return form.replace("%", "%%").replace("{:", "%").replace("}", "")


def _draw_truth(summary: Summary) -> None:
    noise = summary.noise
    st.markdown(f"**{t('latency.tab_truth')}** {t('latency.truth_what')}")
    with st.container(horizontal=True):
        for name, error in (("ttft_error", noise.ttft_error), ("gap_error", noise.gap_error)):
            value = "–" if error is None else f"{error.median * MILLISECONDS:.2f} / {error.p95 * MILLISECONDS:.2f} ms"
            st.metric(t(f"latency.truth_{name}"), value, border=True, help=t(f"latency.truth_{name}_help"))
        late = "–" if noise.late is None else f"{noise.late * MILLISECONDS:.2f} ms"
        st.metric(t("latency.late"), late, border=True, help=t("latency.late_help"))
