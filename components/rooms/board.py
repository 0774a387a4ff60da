"""The board of a room, for the teacher and for the wall."""

import streamlit as st

from components.page.lab import engine
from components.page.pages import PAGES
from components.page.texts import t
from components.page.widgets import control
from components.rooms.people import draw_hands, draw_people
from components.rooms.totals import draw_totals
from streamlab.hub import HubUnreachable
from streamlab.rooms.board import Board
from streamlab.rooms.room import Room, RoomRefused

LESSON = ["chat", "chunks", "faults", "timeline", "latency", "prompts"]  # in the order of docs/workshop.md
AGAIN = 30.0  # seconds after which it is seen who has been still: nothing happens that would tell of it


def pages_of(room: Room) -> list[str]:
    """Return the pages whose tasks the class does."""
    return LESSON if room.plan == "lesson" else [page for page in PAGES if page != "room"]


@st.fragment(run_every=AGAIN)
def draw_board(room: Room) -> None:
    """Draw the totals, who asks for help, and on demand everybody by name."""
    lab = engine()
    try:
        board, now = lab.portal.call(lab.rooms.board, room.code), lab.hub.shared.now()
    except (RoomRefused, HubUnreachable):
        st.rerun()  # the page says what it is
    _draw_figures(board, still=sum(person.is_still(now) for person in board.present))
    draw_hands(room.code, board)
    draw_totals(board, pages_of(room))
    control("room.names", st.toggle)
    if st.session_state["room.names"]:
        draw_people(board, pages_of(room), now)


def draw_wall(room: Room, board: Board) -> None:
    """Draw what everybody may see, without names and to be read from afar."""
    draw_totals(board, pages_of(room), t("room.summary", present=len(board.present), hands=len(board.hands)))


def _draw_figures(board: Board, still: int) -> None:
    with st.container(horizontal=True):
        st.metric(t("room.present"), f"{len(board.present)} / {board.limit}", border=True)
        st.metric(t("room.hands"), len(board.hands), border=True)
        st.metric(t("room.still"), still, help=t("room.still_help"), border=True)
