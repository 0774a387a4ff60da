"""What a measurement shows, and how sure that is, in sentences."""

from collections import Counter
from collections.abc import Iterator

from components.answer import answer
from components.latency.labels import MILLISECONDS, interval, seconds_text, signed_seconds, verdict, way_label
from components.page.sidebar import model_label
from components.page.texts import t
from streamlab.latency.difference import Difference
from streamlab.latency.disturbance import P95_ERROR, Noise, Reason
from streamlab.latency.figures import CHARACTERS_A_MINUTE, WORDS_A_MINUTE, Figures
from streamlab.latency.measurement import Measurement
from streamlab.latency.plan import Way
from streamlab.latency.summary import Metric, Side, Summary

WHOLE: Way = "invoke"
RELAYED: Way = "gateway"
UNRELAYED: tuple[Way, ...] = ("stream", "astream")  # what the gateway is put beside; the first that was measured


def sentences(summary: Summary) -> list[str]:
    """Say what streaming changed, for each model and streamed way, and what the gateway cost; as Markdown."""
    several = len({found.model for found in summary.figures}) > 1
    found: list[str] = []
    for side in _streamed(summary):
        first, whole = (_against_whole(summary, side, metric) for metric in ("ttft", "e2e"))
        if first and whole:
            sentence = t(
                "latency.sentence", way=way_label(side.way), first=_first_text(first), whole=_whole_text(whole)
            )
            found.append(f"{model_label(side.model)}: {sentence}" if several else sentence)
    for base, first, whole in _relayed(summary):
        way, direct = way_label(RELAYED), way_label(base.way)
        sentence = t("latency.relayed", way=way, base=direct, first=_first_text(first), whole=_whole_text(whole))
        found.append(f"{model_label(base.model)}: {sentence}" if several else sentence)
    return found


def uncertainty(summary: Summary) -> list[str]:
    """Say the confidence intervals behind the sentences."""
    return [*_uncertainty_whole(summary), *_uncertainty_relayed(summary)]


def _uncertainty_relayed(summary: Summary) -> list[str]:
    texts = [
        t(
            "latency.relayed_interval",
            way=way_label(RELAYED),
            base=way_label(base.way),
            first=interval(first),
            whole=interval(whole),
            pairs=first.n,
            level=f"{(first.confidence or 0) * 100:.0f}",
        )
        for base, first, whole in _relayed(summary)
        if first.low is not None and whole.low is not None
    ]
    return [*texts, t("latency.relayed_what")] if any(found.way == RELAYED for found in summary.figures) else []


def _uncertainty_whole(summary: Summary) -> list[str]:
    return [
        t(
            "latency.interval",
            way=way_label(side.way),
            first=interval(first),
            whole=interval(whole),
            pairs=first.n,
            level=f"{(first.confidence or 0) * 100:.0f}",
        )
        for side in _streamed(summary)
        if (first := _against_whole(summary, side, "ttft")) and (whole := _against_whole(summary, side, "e2e"))
        if first.low is not None and whole.low is not None
    ]


def reader(summary: Summary) -> list[str]:
    """Say how much of the wait a reader notices."""
    texts = []
    for side in _streamed(summary):
        streamed, whole = (_figures(summary, side.model, way) for way in (side.way, WHOLE))
        if streamed and whole and streamed.noticed and whole.noticed:
            texts.append(
                t(
                    "latency.reader",
                    way=way_label(side.way),
                    streamed=seconds_text(streamed.noticed.median),
                    whole=seconds_text(whole.noticed.median),
                    words=WORDS_A_MINUTE,
                    characters=CHARACTERS_A_MINUTE,
                )
            )
    return texts


def doubts(measurement: Measurement, summary: Summary) -> list[str]:
    """Say what speaks against the figures."""
    noise = summary.noise
    found = [_noise_text(noise, reason) for reason in noise.reasons]
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


def _noise_text(noise: Noise, reason: Reason) -> str:
    """Say which bound was exceeded, and by how much."""
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


def _streamed(summary: Summary) -> list[Side]:
    return [Side(found.model, found.way) for found in summary.figures if found.way != WHOLE]


def _figures(summary: Summary, model: str, way: str) -> Figures | None:
    return next((found for found in summary.figures if (found.model, found.way) == (model, way)), None)


def _against_whole(summary: Summary, side: Side, metric: Metric) -> Difference | None:
    """Return the difference between a streamed way and invoke, of the same model."""
    return _difference(summary, Side(side.model, WHOLE), side, metric)


def _relayed(summary: Summary) -> Iterator[tuple[Side, Difference, Difference]]:
    """Yield for each model the way the gateway is compared with, and the differences of first text and whole answer."""
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


def _first_text(difference: Difference) -> str:
    seconds, signed = seconds_text(abs(difference.median)), signed_seconds(difference.median)
    return t(f"latency.first_{verdict(difference)}", seconds=seconds, signed=signed)


def _whole_text(difference: Difference) -> str:
    seconds, signed = seconds_text(abs(difference.median)), signed_seconds(difference.median)
    return t(f"latency.whole_{verdict(difference)}", seconds=seconds, signed=signed)
