"""A run that several clients follow: how it is begun, what may be done to it, and how others come to follow it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from components.page import settings
from components.page.address import RUN
from components.page.lab import engine
from components.page.link import draw_link
from components.page.presented import may_stop
from components.page.session import session
from components.page.texts import t
from components.page.widgets import button, control
from streamlab.hub import Hub, HubUnreachable, Log, Outage

QUESTION = "relay.question"
GATEWAY = "relay.gateway"  # whether what the gateway does is unfolded
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


def draw_controls(start: Callable[[], None], log: Log | None) -> None:
    """Draw the question and the button that starts, and what may be done to the run, if there is one."""
    with st.container(border=True, gap="small"):
        st.session_state.setdefault(QUESTION, t("relay.question_default"))
        control("relay.question", st.text_area, height=68, label_visibility="collapsed")
        settings.draw(partial(_draw_buttons, start, log), tools=True)


def _draw_buttons(start: Callable[[], None], log: Log | None) -> None:
    button("relay.start", "play_arrow", start, type="primary")
    place = st.empty()  # drawn at the end, too: what is merely not drawn any more may stay when a look comes just then
    if log and log.done is None and may_stop(log.run_id):
        button("relay.stop", "stop_circle", engine().portal.call, engine().runs.stop, log.run_id, place=place)
    if log and st.context.url:
        _draw_link(f"{st.context.url}?{RUN}={log.run_id}")


def draw_kill(log: Log | None) -> None:
    """Draw the button that closes the connections to Redis, and say why where it cannot."""
    live = log is not None and log.done is None
    shared = engine().settings.redis_url is not None
    what = t("relay.kill_none") if not shared else t("relay.kill_help") if live else t("relay.kill_idle")
    button("relay.kill", "power_off", _kill, log, disabled=not (shared and live), help=what)


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
