"""What stands on every page when what people make here is not kept as they may expect."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page.lab import engine
from components.page.session import session
from components.page.texts import plain, t, together
from components.page.widgets import button
from streamlab.gateway.access import Caller, forwards, is_here
from streamlab.hub.hub import Notice

LOOKS = 2.0  # seconds between two looks at whether it is back
SHOWN = "storage.reachable"  # whether the page said that everything is saved


def draw(place: DeltaGenerator) -> None:
    """Say what is wrong with the store, and what to do: what was lost until it is read, the rest while it is so.

    `place` is a container also where nothing comes, so that nothing below it moves.
    """
    hub = engine().hub
    reachable = st.session_state[SHOWN] = hub.reachable
    with place:
        if not reachable:
            _draw_away()
        if hub.notice and hub.notice.code == "unwritable":
            st.caption(f":material/warning: {t('storage.unwritable')} {_advice('unwritable', _store())}")
        elif hub.notice and hub.notice is not session().read_notice:
            _draw_lost(hub.notice)


@st.fragment(run_every=LOOKS)
def _draw_away() -> None:
    """Say it for as long as it is so, also on a page where nobody clicks."""
    redraw_when_changed()
    st.warning(together(t("storage.away"), _advice("away", _store())), icon=":material/save_clock:")


def redraw_when_changed() -> None:
    """Run the script anew when the store came or went since it was drawn: a script that follows an answer goes on."""
    if engine().hub.reachable != st.session_state.get(SHOWN, True):
        st.rerun()


def _draw_lost(notice: Notice) -> None:
    with st.container(border=True):
        told = together(t(f"storage.{notice.code}"), _advice(notice.code, notice.detail))
        st.markdown(f":material/warning: {told}")
        button("storage.read", "check", setattr, session(), "read_notice", notice)


def _store() -> str:
    """Name where everything is kept; an address of Redis may hold a password."""
    return str(engine().settings.store_file or "Redis")


def _advice(code: str, detail: str) -> str:
    """Say where, why and what to do to who runs the server; others learn nothing of its folders."""
    return t(f"storage.{code}_here", detail=plain(detail)) if is_here(_caller()) else t("storage.operator")


def _caller() -> Caller:
    headers = st.context.headers
    address = st.context.ip_address or "127.0.0.1"  # Streamlit names no loopback
    return Caller(address, headers.get("Host"), headers.get("Origin"), forwards(headers))
