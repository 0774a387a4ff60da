"""The way of an answer as a picture, with the times of the last run. What is in the browser is in client/."""

from contextlib import closing, suppress

import streamlit as st

from components.home.clock import read
from components.page import colors
from components.page.lab import POLL_INTERVAL, engine, give_way
from components.page.questions import started
from components.page.texts import t
from streamlab.engine import has_text
from streamlab.hub import UnknownRun
from streamlab.models.options import DEFAULT_TEMPERATURE, Options
from streamlab.runs.journey import Journey

MODEL = "demo?first=0.4&rate=38"
WAY = "about.way"
STATIONS = ("question", "model", "run", "log", "page", "browser", "second_page", "second_browser")
_ASKED = "about.asked"  # the last click that asked, and its run
_AWAITED = "about.awaited"  # a run whose first words are not here yet

_component = st.components.v2.component(
    "way_of_an_answer",
    html='<div class="way"></div>',
    css=f":host {{ --dot: {colors.MODEL}; }}\n{read('way.css')}",
    js=read("element.js", "way.js"),
)


def draw() -> None:
    """Draw the picture; the button in it asks the demo model, and then the page follows until the first words."""
    if run_id := st.session_state.get(_AWAITED):
        _follow(run_id)
        del st.session_state[_AWAITED]
    last, asked = engine().runs.last, st.session_state.get(_ASKED)
    _component(
        key=WAY,
        data={
            "stations": [(name, t(f"about.{name}"), t(f"about.does_{name}")) for name in STATIONS],
            "words": {name: t(f"about.{name}") for name in ("ask", "play", "asking", "browser_knows")}
            | {
                "seconds": t("about.number_seconds", number="{number}"),
                "later": t("about.number_later", number="{number}"),
                "arrived": t("about.number_arrived", number="{number}"),
            },
            "said": said(last),
            "run": last and last.run_id,
            "times": times(last),
            "live": bool(last and last.total is None),
            "asked": asked and {"click": asked[0], "run": asked[1]},
        },
        on_asked_change=_ask,
    )


def times(last: Journey | None) -> dict[str, float | None]:
    """Return when the first words were at each station, as far as this server knows."""
    if not last:
        return {}
    return {"question": 0.0, "run": last.read, "log": last.written, "page": last.followed}


def said(last: Journey | None) -> str:
    """Say what the last run has come to."""
    if not last:
        return t("about.none")
    if last.total is None:
        return t("about.told_live", chunks=f"{last.chunks:,}")
    if last.read is None or last.written is None:
        return t("about.told_failed")
    read, written, total = map(_seconds, (last.read, last.written, last.total))
    return t("about.told", read=read, written=written, chunks=f"{last.chunks:,}", total=total)


def _seconds(value: float) -> str:
    return t("about.number_seconds", number=f"{value:.3f}")


def _ask() -> None:
    lab, click = engine(), st.session_state[WAY].asked
    if click is None:
        return
    options = Options(MODEL, "", DEFAULT_TEMPERATURE)
    question = t("about.question_default")
    chat = started([MODEL], lambda: lab.portal.call(lab.chats.ask, None, question, options))
    run_id = chat.turns[-1].run_id if chat else None
    st.session_state[_ASKED], st.session_state[_AWAITED] = (click, run_id), run_id


def _follow(run_id: str) -> None:
    """Follow the run as any page does, until its first words are here, or its end."""
    with suppress(UnknownRun), closing(engine().follow(run_id, POLL_INTERVAL)) as batches:
        for batch in batches:
            if any(map(has_text, batch)):
                return
            give_way()
