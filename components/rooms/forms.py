"""The ways in: to join a room that there is, or to open one."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from components.page import seat
from components.page.address import CODE, TEACH, show
from components.page.lab import engine
from components.page.session import session
from components.page.texts import LANGUAGES, t
from streamlab.hub import HubUnreachable
from streamlab.rooms.board import LIMIT
from streamlab.rooms.room import MOST_PARTICIPANTS, RoomRefused, Seat

T = TypeVar("T")

JOIN_CODE = "room.join_code"
JOIN_NAME = "room.join_name"
JOIN_PIN = "room.join_pin"
OPEN_NAME = "room.open_name"
OPEN_LANGUAGE = "room.open_language"
OPEN_PLAN = "room.open_plan"
OPEN_LIMIT = "room.open_limit"
ANY = "any"  # language
REFUSED = "room.refused"  # in the session: the code of what a room did not take, to be said beside the form


def refused() -> str | None:
    """Return the code of the last refusal."""
    code: str | None = st.session_state.get(REFUSED)
    return code


def draw_join() -> None:
    """Ask for the code, if the address has none, and for a name; and for a pin where the name is another browser's."""
    with st.form("room.form_join", border=True):
        st.subheader(t("room.join"), anchor=False)
        code = st.query_params.get(CODE, "")
        if not code:
            st.text_input(t(JOIN_CODE), key=JOIN_CODE, placeholder="HKL MQR", autocomplete="off")
        st.text_input(t(JOIN_NAME), key=JOIN_NAME, autocomplete="nickname")
        st.caption(t("room.join_what"))
        if refused() in ("taken", "wrong_pin"):
            st.text_input(t(JOIN_PIN), key=JOIN_PIN, autocomplete="off")
        if code_refused := refused():
            st.error(t(f"room.refused_{code_refused}"), icon=":material/block:")
        st.form_submit_button(t("room.join_in"), on_click=_join, args=(code,), type="primary")


def draw_open() -> None:
    """Ask how the room is to be, and open it."""
    with st.form("room.form_open", border=True):
        st.subheader(t("room.open"), anchor=False)
        st.text_input(t(OPEN_NAME), key=OPEN_NAME, placeholder=t("room.open_name_placeholder"))
        st.selectbox(t(OPEN_LANGUAGE), [ANY, *LANGUAGES], key=OPEN_LANGUAGE, format_func=_language_label)
        st.selectbox(t(OPEN_PLAN), ["lesson", "free"], key=OPEN_PLAN, format_func=lambda plan: t(f"room.plan_{plan}"))
        st.number_input(t(OPEN_LIMIT), 1, MOST_PARTICIPANTS, LIMIT, key=OPEN_LIMIT)
        st.form_submit_button(t("room.open_it"), on_click=_open, type="primary")


def trying(work: Callable[[], T]) -> T | None:
    """Do what a room may refuse; then it is said beside the form."""
    st.session_state.pop(REFUSED, None)
    try:
        return work()
    except RoomRefused as refusal:
        st.session_state[REFUSED] = refusal.code
    except HubUnreachable:
        session().notice = t("notice.unreachable")
    return None


def _language_label(language: str) -> str:
    return LANGUAGES.get(language, t("room.language_any"))


def _join(code: str) -> None:
    lab, given = engine(), st.session_state
    address = st.context.ip_address or ""

    def join() -> Seat:
        room = lab.portal.call(lab.rooms.find, code or given[JOIN_CODE], address)
        name, pin = given[JOIN_NAME], given.get(JOIN_PIN) or ""
        return lab.portal.call(lab.rooms.join, room.code, seat.browser_key(), name, pin)

    trying(lambda: seat.take(join()))


def _open() -> None:
    lab, given = engine(), st.session_state
    fields = (given[OPEN_NAME], given[OPEN_LANGUAGE], given[OPEN_PLAN], given[OPEN_LIMIT])
    if opened := trying(lambda: lab.portal.call(lab.rooms.open, seat.browser_key(), *fields)):
        show(TEACH, opened[1])
