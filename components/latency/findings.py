"""What a measurement shows, and how sure that is, in sentences."""

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

from components.answer import answer
from components.latency.labels import (
    MILLISECONDS,
    interval,
    point_label,
    seconds_text,
    signed_seconds,
    verdict,
    way_label,
)
from components.page.settings import model_label
from components.page.texts import plain, t
from streamlab.latency.context import cut_short, left_out
from streamlab.latency.difference import Difference
from streamlab.latency.disturbance import P95_ERROR, Noise, Reason
from streamlab.latency.figures import CHARACTERS_A_MINUTE, WORDS_A_MINUTE
from streamlab.latency.measurement import Measurement
from streamlab.latency.observation import Observation, Side, side_of
from streamlab.latency.plan import Way
from streamlab.latency.summary import Summary

WHOLE: Way = "invoke"
RELAYED: Way = "gateway"
UNRELAYED: tuple[Way, ...] = ("stream", "astream")  # what the gateway is put beside; the first that was measured


class Change(NamedTuple):
    """By how much a way differs from another of the same model, in the first text and in the whole answer."""

    base: Side
    side: Side
    first: Difference
    whole: Difference


def sentences(summary: Summary) -> list[str]:
    """Say what streaming changed, for each model and streamed way, and what the gateway cost; as Markdown."""
    several = len({found.model for found in summary.figures}) > 1
    texts = []
    for base, side, first, whole in changes(summary):
        text = t(
            "latency.sentence" if base.way == WHOLE else "latency.relayed",
            way=way_label(side.way),
            base=way_label(base.way),
            first=_first_text(first),
            whole=_whole_text(whole),
        )
        names = [plain(model_label(side.model))] if several else []
        names += filter(None, [point_label(side)])
        texts.append(f"{' · '.join(names)}: {text}" if names else text)
    return texts


def uncertainty(summary: Summary) -> list[str]:
    """Say the confidence intervals behind the sentences."""
    texts = [
        t(
            "latency.interval" if base.way == WHOLE else "latency.relayed_interval",
            way=way_label(side.way),
            base=way_label(base.way),
            first=interval(first),
            whole=interval(whole),
            pairs=first.n,
            level=f"{(first.confidence or 0) * 100:.0f}",
        )
        for base, side, first, whole in changes(summary)
        if first.low is not None and whole.low is not None
    ]
    relayed = any(found.way == RELAYED for found in summary.figures)
    return [*texts, t("latency.relayed_what")] if relayed else texts


def reader(summary: Summary) -> list[str]:
    """Say how much of the wait a reader notices."""
    noticed = {side_of(found): found.noticed for found in summary.figures if found.prompt_length is None}
    return [
        t(
            "latency.reader",
            way=way_label(side.way),
            streamed=seconds_text(streamed.median),
            whole=seconds_text(whole.median),
            words=WORDS_A_MINUTE,
            characters=CHARACTERS_A_MINUTE,
        )
        for side, streamed in noticed.items()
        if side.way != WHOLE and streamed and (whole := noticed.get(replace(side, way=WHOLE)))
    ]


def doubts(measurement: Measurement, summary: Summary) -> list[str]:
    """Say what speaks against the figures."""
    found = [t("latency.noisy")] if summary.noise.noisy else []
    if summary.refused:
        found.append(t("latency.underneath", number=summary.refused))
    found += [
        t("latency.buffered", way=way_label(seen.way), held=seen.held, number=seen.n)
        for seen in summary.buffering
        if seen.suspected
    ]
    errors = Counter(seen.error for seen in measurement.observations if seen.error and _counts(seen))
    found += [t("latency.failed", number=number, reason=reason_text(code)) for code, number in errors.items()]
    found += _limits(measurement)
    if measurement.observations and all(seen.error for seen in measurement.observations) and not summary.figures:
        found += [t("latency.all_failed", reason=reason_text(measurement.observations[-1].error or "internal"))]
    return found


def _counts(seen: Observation) -> bool:
    return not seen.warm_up and not seen.too_long


def _limits(measurement: Measurement) -> list[str]:
    """Say of which models a prompt length was left out, or not read whole."""
    missing = [
        t("latency.left_out", model=plain(model_label(model)), tokens=f"{length:,}")
        for model, length in left_out(measurement.plan, measurement.observations)
    ]
    return missing + [
        t("latency.cut_short", model=plain(model_label(model)), tokens=f"{length:,}", read=f"{read:,}")
        for model, length, read in cut_short(measurement.observations)
    ]


def noise_reasons(summary: Summary) -> list[str]:
    """Say what was beyond its bound where the machine was too busy."""
    return [_noise_text(summary.noise, reason) for reason in summary.noise.reasons]


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
    if code.startswith(("gateway_", "client_")):
        return t(f"latency.error_{code}")
    return answer.error_text(code)


def changes(summary: Summary) -> list[Change]:
    """Compare each streamed way with invoke, then the gateway with the first of UNRELAYED that was measured."""
    differences = {(seen.base, seen.side, seen.metric): seen.difference for seen in summary.comparisons}

    def change(base: Side, side: Side) -> Change | None:
        first, whole = differences.get((base, side, "ttft")), differences.get((base, side, "e2e"))
        return Change(base, side, first, whole) if first and whole else None

    sides = list(map(side_of, summary.figures))
    found = [change(replace(side, way=WHOLE), side) for side in sides if side.way != WHOLE]
    for model in dict.fromkeys(side.model for side in sides):
        relayed = (change(Side(model, way), Side(model, RELAYED)) for way in UNRELAYED)
        found.append(next(filter(None, relayed), None))
    return [each for each in found if each]


def _first_text(difference: Difference) -> str:
    seconds, signed = seconds_text(abs(difference.value)), signed_seconds(difference.value)
    return t(f"latency.first_{verdict(difference)}", seconds=seconds, signed=signed)


def _whole_text(difference: Difference) -> str:
    seconds, signed = seconds_text(abs(difference.value)), signed_seconds(difference.value)
    return t(f"latency.whole_{verdict(difference)}", seconds=seconds, signed=signed)
