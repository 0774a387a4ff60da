"""The lines of this app that have dealt with a trial's failures."""

from collections.abc import Iterator, Sequence

import streamlit as st

from components.page.excerpts import Excerpt, cases, whole
from components.page.texts import t
from streamlab.events import StreamEvent
from streamlab.faults.trials import Policy
from streamlab.models.failures import classify
from streamlab.runs.run import RunLimits, Runs


def draw_handling(events: Sequence[StreamEvent], policy: Policy) -> None:
    """Of a run that has ended."""
    codes = list(dict.fromkeys(event.code for event in events if event.type in ("retry", "error") and event.code))
    st.caption(t("faults.code_what") if codes else t("faults.code_none"))
    late = bool(events) and events[-1].at >= policy.total
    for title, excerpt in handling(codes, late=late):
        excerpt.draw(title)


def handling(codes: Sequence[str], *, late: bool) -> Iterator[tuple[str, Excerpt]]:
    """Where failures get their code, and where it is decided what follows. `late`: the whole run ran out of time."""
    for code in codes:
        for function in classify.registry.values():  # what all providers share, and each one's own
            for excerpt in cases(function, code):
                yield t("faults.code_classify", code=code), excerpt
    if "timeout" in codes:
        yield t("faults.code_attempt"), whole(Runs._attempt)
        if late:
            yield t("faults.code_total"), whole(Runs._outcome)
    if codes:
        yield t("faults.code_retry"), whole(RunLimits.allow_retry)
        yield t("faults.code_attempts"), whole(Runs._attempts)
