"""What the teacher can do with the room, beside its board."""

from urllib.parse import urlencode, urlsplit

import streamlit as st

from components.page import desk
from components.page.address import CODE, TEACH, VIEW, show
from components.page.lab import engine
from components.page.session import session
from components.page.texts import t
from components.page.widgets import button
from components.rooms import asking, presenting
from streamlab.rooms.board import Board
from streamlab.rooms.room import MOST_PARTICIPANTS, Room

LIMIT = "room.limit"
SURE = "room.delete_sure"
WALL = "projector"


def draw_teaching(room: Room, board: Board) -> None:
    """Draw the link to the projector's view, and what changes the room."""
    path = urlsplit(st.context.url or "").path
    wall = f"{path}?{urlencode({CODE: room.code, VIEW: WALL})}"
    with st.container(horizontal=True):
        st.link_button(t("room.projector"), wall, icon=":material/cast:")
        with st.popover(t("room.manage"), icon=":material/settings:"):
            _draw_management(room, board)
    teacher = desk.find()
    if teacher and not board.ended:
        with st.container(horizontal=True, vertical_alignment="center"):
            presenting.draw_choice(teacher)
            asking.draw(teacher)


def _draw_management(room: Room, board: Board) -> None:
    rooms = engine().rooms
    st.markdown(t("room.secret_what"))
    limit = st.session_state.setdefault(LIMIT, board.limit)
    st.number_input(t(LIMIT), 1, MOST_PARTICIPANTS, limit, key=LIMIT, on_change=lambda: _limit(room.code))
    if not board.ended:
        button("room.end", "event_available", desk.do, rooms.end, room.code)
    sure = st.checkbox(t(SURE), key=SURE)
    button("room.delete", "delete_forever", _delete, room.code, disabled=not sure)


def _limit(code: str) -> None:
    desk.do(engine().rooms.set_limit, code, st.session_state[LIMIT])


def _delete(code: str) -> None:
    if desk.do(engine().rooms.delete, code):
        show(TEACH, None)
        session().notice = t("room.deleted")
