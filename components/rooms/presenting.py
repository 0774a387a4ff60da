"""Follow me: what the teacher shows to the class, from every page, and how it comes to the participants."""

import streamlit as st

from components.page import desk, presented
from components.page.address import TEACH
from components.page.pages import PAGES
from components.page.presented import shown_now
from components.page.seat import Place
from components.page.session import session
from components.page.texts import plain, t
from components.page.widgets import button
from components.rooms import asking
from streamlab.hub import HubUnreachable
from streamlab.rooms.board import Board
from streamlab.rooms.code import spaced
from streamlab.rooms.event import Presented

PAGE = "room.present_page"


def draw_line(teacher: desk.Desk, page: str) -> None:
    """Draw the teacher's line on a page: the room, this page to show, and the question for a guess."""
    name = plain(teacher.room.name) or t("room.title")
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="room.desk"):
        label = f"{name} · {spaced(teacher.room.code)}"
        st.page_link("../pages/room.py", label=label, icon=":material/groups:", query_params={TEACH: teacher.token})
        if teacher.board.ended:
            return
        if page in presented.STATE:
            with st.popover(t("room.show_this"), icon=":material/present_to_all:"):
                st.markdown(t("room.show_what"))
                _draw_ways(teacher.room.code, page)
        draw_end(teacher.room.code, teacher.board)
        asking.draw(teacher)


def draw_choice(teacher: desk.Desk) -> None:
    """Draw on the room's page what there is to show: each page, as it was last in this session."""
    icon = ":material/present_to_all:"
    with st.popover(t("room.present_this"), icon=icon, key="room.present", on_change="rerun") as popover:
        if popover.open:
            st.markdown(t("room.present_what"))
            pages = [page for page in PAGES if page in presented.STATE]
            page = st.selectbox(t(PAGE), pages, key=PAGE, format_func=lambda page: t(f"{page}.title"))
            _draw_ways(teacher.room.code, page)
    draw_end(teacher.room.code, teacher.board)


def draw_end(code: str, board: Board) -> None:
    """Say what is shown now, and offer to end it."""
    if shown := shown_now(board):
        st.caption(t("room.shown_now", page=t(f"{shown.page}.title")), width="content")
        button("room.show_end", "cancel_presentation", _show, code, None)


def draw_invitation(place: Place) -> None:
    """Draw a participant's way to what is shown, in a tab beside the own work, and the way back from it."""
    state = session()
    if shown := shown_now(place.board):
        label = t("room.open_shown", page=t(f"{shown.page}.title"))
        st.link_button(label, shown.link, icon=":material/present_to_all:", type="primary")
    if state.before and st.button(t("room.back"), "room.back", icon=":material/undo:"):
        (page, parameters), state.before = state.before, None
        st.switch_page(f"../pages/{page}.py", query_params=parameters)


def lead(place: Place, page: str) -> None:
    """Lead a participant, once, to what the teacher shows at once."""
    state, now = session(), place.board.presented
    if not now or now.id == state.led:
        return
    state.led, shown = now.id, shown_now(place.board)
    if now.at_once and shown:
        state.before = state.before or (page, st.query_params.to_dict())
        st.switch_page(f"../pages/{shown.page}.py", query_params=dict(shown.state))


def _draw_ways(code: str, page: str) -> None:
    button("room.show_invite", "mail", _show, code, page, type="primary")
    button("room.show_at_once", "cast", _show, code, page, True)


def _show(code: str, page: str | None, at_once: bool = False) -> None:
    try:
        shown = presented.shown_at(page, _parameters()) if page else None
    except HubUnreachable:
        session().notice = t("notice.unreachable")
        return
    desk.say(code, Presented(address=shown.written if shown else "", at_once=at_once))


def _parameters() -> dict[str, str]:
    """Return what the address has, and for the other pages what this session showed on them last."""
    return session().shown | st.query_params.to_dict()
