"""A class with one teacher: rooms are opened and joined here, and the teacher sees how far everybody is."""

import streamlit as st

from components.page import desk, lesson, seat
from components.page.address import CODE, TEACH, VIEW, named, show
from components.page.changes import draw_changes
from components.page.lab import engine
from components.page.presented import shown_now
from components.page.slots import draw_notice
from components.page.texts import plain, t
from components.rooms import asking, board, forms, teaching
from components.rooms.entrance import draw_entrance, draw_large_entrance, draw_warning
from components.rooms.mine import draw_mine
from streamlab.gateway.changes import versions
from streamlab.hub import HubUnreachable
from streamlab.rooms.board import Board
from streamlab.rooms.code import read_code
from streamlab.rooms.room import Room, RoomRefused
from streamlab.rooms.rooms import Rooms

CODE_SHOWN = (Rooms.join, Board.added, versions)

lab = engine()


def find_room() -> Room | None:
    """Return the room whose teacher, or whose wall, this page is."""
    on_wall = st.query_params.get(VIEW) == teaching.WALL
    token = None if CODE in st.query_params else named(TEACH)
    try:
        if on_wall:
            return lab.portal.call(lab.rooms.find, st.query_params.get(CODE, ""), st.context.ip_address or "")
        return lab.portal.call(lab.rooms.taught, token) if token else None
    except RoomRefused as refusal:
        if not on_wall:
            show(TEACH, None)
        st.session_state[forms.REFUSED] = refusal.code
    return None


def draw_for_teacher(room: Room, now: Board) -> None:
    desk.take(st.query_params[TEACH])
    lesson.draw_title("room", CODE_SHOWN, tried=bool(now.hands), heading=plain(room.name) or t("room.title"))
    draw_notice(st.container())
    draw_warning(room)
    left, right = st.columns([1, 2], gap="large")
    with left:
        draw_entrance(room)
        teaching.draw_teaching(room, now)
    with right:
        asking.draw_now(now)
        board.draw_board(room)


def draw_on_wall(room: Room, now: Board) -> None:
    st.set_page_config(initial_sidebar_state="collapsed")
    st.title(plain(room.name) or t("room.title"))
    left, right = st.columns([2, 3], gap="large")
    with left:
        draw_large_entrance(room)
    with right:
        if shown := shown_now(now):
            st.header(t("room.shown_now", page=t(f"{shown.page}.title")), anchor=False)
        asking.draw_now(now, large=True)
        board.draw_wall(room, now)


def draw_doors() -> None:
    lesson.draw_title("room", CODE_SHOWN, tried=False)
    draw_notice(st.container())
    place = seat.find()
    if place and read_code(st.query_params.get(CODE, place.room.code)) == place.room.code:
        draw_mine(place)
        return
    st.markdown(t("room.point"))
    left, right = st.columns(2, gap="large")
    with left:
        forms.draw_join()
    if CODE not in st.query_params:
        with right:
            forms.draw_open()


try:
    if room := find_room():
        version = lab.portal.call(lab.rooms.version, room.code)
        draw = draw_on_wall if VIEW in st.query_params else draw_for_teacher
        draw(room, lab.portal.call(lab.rooms.board, room.code))
        draw_changes("room", room.code, version)
    else:
        draw_doors()
except RoomRefused:  # deleted a moment ago
    st.rerun()
except HubUnreachable:
    st.title(t("room.title"))
    st.warning(t("room.unreachable"), icon=":material/cloud_off:")
