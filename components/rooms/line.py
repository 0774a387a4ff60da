"""The line on every page of a participant: the room, the name, and a hand to raise."""

import streamlit as st

from components.page import seat
from components.page.session import session
from components.page.texts import plain, t
from components.page.widgets import button
from components.rooms import guessing, presenting
from streamlab.rooms.code import spaced
from streamlab.rooms.event import Hand
from streamlab.rooms.names import display_name

WORD = "room.hand_word"
WORD_CHARACTERS = 60


def draw(place: seat.Place) -> None:
    """Draw the line."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="room.line"):
        with st.popover(plain(isolated(place.person.name)), icon=":material/person:"):
            _draw_place(place)
        guessing.draw(place)
        presenting.draw_invitation(place)
        if place.board.ended:
            st.caption(t("room.ended"))
        elif place.person.hand is not None:
            button("room.lower", "back_hand", _raise, place.seat.who, False, type="primary")
            if place.person.hand:
                st.caption(plain(isolated(place.person.hand)))
        else:
            with st.popover(t("room.hand"), icon=":material/back_hand:"), st.form("room.form_hand", border=False):
                st.text_input(t(WORD), key=WORD, placeholder=t("room.hand_placeholder"))
                st.form_submit_button(t("room.raise"), on_click=_raise, args=(place.seat.who, True), type="primary")


def isolated(name: str) -> str:
    """Return a name that does not turn what stands beside it, whichever way it is written."""
    return f"\u2068{name}\u2069"


def _draw_place(place: seat.Place) -> None:
    name, room = plain(isolated(place.person.name)), plain(place.room.name) or t("room.title")
    st.markdown(t("room.you_are_in", name=name, room=room, code=spaced(place.room.code)))
    st.markdown(t("room.pin_what", pin=place.room.pin(place.seat.who)))
    st.page_link("../pages/room.py", label=t("room.tasks"), icon=":material/checklist:")
    button("room.leave", "logout", seat.give_up)


def _raise(who: str, up: bool) -> None:
    word = display_name(st.session_state.get(WORD) or "", WORD_CHARACTERS) if up else ""
    if not seat.say(Hand(who=who, of=who, up=up, word=word)):
        session().notice = t("notice.unreachable")
