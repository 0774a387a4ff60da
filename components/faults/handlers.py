"""The lines of this app that handled a trial's failures."""

from collections.abc import Iterator, Sequence

import streamlit as st

from components.page.excerpts import Excerpt, case_excerpts, entry_excerpts, excerpt_of
from components.page.texts import t
from streamlab.events.event import Error, Retry, StreamEvent
from streamlab.faults.trials import Policy
from streamlab.models.catalog import CLASSIFIERS
from streamlab.models.server_errors import SERVER_ERRORS
from streamlab.runs.run import RunLimits, Runs


def draw_handlers(events: Sequence[StreamEvent], policy: Policy) -> None:
    """Draw the source lines that handled the failures of a finished run."""
    codes = list(dict.fromkeys(event.code for event in events if isinstance(event, Retry | Error)))
    st.caption(t("faults.code_what") if codes else t("faults.code_none"))
    late = bool(events) and events[-1].at >= policy.total
    for title, excerpt in handlers(codes, late=late):
        excerpt.draw(title)


def handlers(codes: Sequence[str], *, late: bool) -> Iterator[tuple[str, Excerpt]]:
    """Yield the lines that give each failure its code, and those that decide what follows.

    `late`: the whole run ran out of time.
    """
    for code in codes:
        for function in CLASSIFIERS:  # what all providers share, and each one's own
            for excerpt in case_excerpts(function, code):
                yield t("faults.code_classify", code=code), excerpt
        for excerpt in entry_excerpts(SERVER_ERRORS, code):  # what servers say, by any provider's client
            yield t("faults.code_classify", code=code), excerpt
    if "timeout" in codes:
        yield t("faults.code_attempt"), excerpt_of(Runs._attempt)
        if late:
            yield t("faults.code_total"), excerpt_of(Runs._outcome)
    if codes:
        yield t("faults.code_retry"), excerpt_of(RunLimits.allow_retry)
        yield t("faults.code_attempts"), excerpt_of(Runs._attempts)
