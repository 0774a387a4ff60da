"""A run that several clients follow: how it is begun, what may be done to it, and how others come to follow it."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page import settings
from components.page.address import RUN
from components.page.lab import engine
from components.page.link import draw_link
from components.page.session import session
from components.page.texts import t
from components.page.widgets import button, control
from streamlab.hub import Hub, HubUnreachable, Log, Outage

QUESTION = "relay.question"
SHOWN = "relay.run"  # the run to come back to
_KILLED = "relay.killed"


@dataclass(frozen=True, slots=True)
class Killed:
    """The connections to Redis were closed when the run had its event `seq`; it had `meanwhile` more when they were
    back."""

    run_id: str
    seq: int
    meanwhile: int
    outage: Outage


def draw_controls(start: Callable[[], None]) -> DeltaGenerator:
    """Draw the question and the button that starts; return the slot for what belongs to a run."""
    with st.container(border=True):
        st.session_state.setdefault(QUESTION, t("relay.question_default"))
        control("relay.question", st.text_area, height=68)
        settings.draw(tools=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            button("relay.start", "play_arrow", start, type="primary")
            return st.container(horizontal=True, width="content")


def draw_run_controls(log: Log | None) -> None:
    """Draw what may be done to this run, if there is one and it is live."""
    live = log is not None and log.done is None
    if log and live:
        button("relay.stop", "stop_circle", engine().portal.call, engine().runs.stop, log.run_id)
    shared = engine().settings.redis_url is not None
    what = t("relay.kill_none") if not shared else t("relay.kill_help") if live else t("relay.kill_idle")
    button("relay.kill", "power_off", _kill, log, disabled=not (shared and live), help=what)
    if log and st.context.url:
        _draw_link(f"{st.context.url}?{RUN}={log.run_id}")


def draw_outage(run_id: str, seq: int) -> None:
    """Say what became of the connections that were closed, if any were. `seq` is where the run's log ends now."""
    place = st.container()  # always there: what stands below stays
    killed: Killed | None = st.session_state.get(_KILLED)
    if killed and killed.run_id == run_id:
        text = t(
            "relay.killed",
            count=killed.outage.connections,
            seq=f"{killed.seq:,}",
            milliseconds=f"{killed.outage.seconds * 1000:,.0f}",
            meanwhile=f"{killed.meanwhile:,}",
            since=f"{max(0, seq - killed.seq):,}",
        )
        place.info(text, icon=":material/power_off:")


def _kill(log: Log) -> None:
    lab = engine()
    try:
        st.session_state[_KILLED] = lab.portal.call(_killed, lab.hub, log)
    except HubUnreachable:
        session().notice = t("relay.not_killed")


async def _killed(hub: Hub, log: Log) -> Killed:
    seq = log.seq
    outage = await hub.disconnect()
    return Killed(log.run_id, seq, log.seq - seq, outage)


def _draw_link(link: str) -> None:
    """Draw how other devices come to follow the same run."""
    with st.popover(t("relay.share"), icon=":material/qr_code_2:"):
        st.markdown(t("relay.share_what"))
        draw_link(link)
