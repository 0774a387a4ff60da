"""What a race came to, in a sentence or two with its real numbers."""

from components.home.clock import Times, tenths
from components.page.texts import t, together
from streamlab.events.outcome import Outcome

UNNOTICED = 0.25  # seconds that nobody notices between two ends


def sentence(whole: Outcome, streamed: Outcome) -> str:
    """Say who could be read when, and which was complete when; of what failed or was stopped what there is to say."""
    read_whole, read_streamed = Times.of(whole).first, Times.of(streamed).first
    end_whole, end_streamed = tenths(whole.timings.total), tenths(streamed.timings.total)
    if "stopped" in (whole.status, streamed.status):
        if read_whole is None and read_streamed is not None:
            return t("home.stopped_reading", seconds=_said(end_streamed - read_streamed))
        return t("home.stopped")
    whole_came, streamed_came = (each.status == "completed" and bool(each.text) for each in (whole, streamed))
    if whole_came and streamed_came and read_whole is not None and read_streamed is not None:
        return together(_beginning(read_whole - read_streamed), _end(end_whole - end_streamed))
    if streamed_came and read_streamed is not None:
        return t("home.only_streamed", seconds=_said(read_streamed))
    if whole_came and read_whole is not None:
        return t("home.only_whole", seconds=_said(read_whole))
    return t("home.neither")


def _beginning(sooner: float) -> str:
    if _said(sooner) in ("0.0", "-0.0"):
        return t("home.at_once")
    return t("home.sooner" if sooner > 0 else "home.later", seconds=_said(abs(sooner)))


def _end(sooner: float) -> str:
    if abs(sooner) < UNNOTICED:
        return t("home.complete")
    return t("home.complete_sooner" if sooner > 0 else "home.complete_later", seconds=_said(abs(sooner)))


def _said(seconds: float) -> str:
    return f"{seconds:.1f}"
