"""Who is in the room: raised hands, and on demand what each has done."""

import streamlit as st

from components.page import desk
from components.page.button_names import name_buttons
from components.page.texts import plain, t
from components.page.widgets import icon_button
from components.rooms.line import isolated
from streamlab.rooms.board import Board, Participant
from streamlab.rooms.event import Hand

MAIN = '[data-testid="stMain"]'
DONE, HERE = "✓", "●"
MINUTE = 60


def draw_hands(code: str, board: Board) -> None:
    """Draw who asks for help, the first to do so first, each with the word and a way to lower the hand."""
    for person in board.hands:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            at = t(f"{person.page}.title") if person.page else ""
            st.markdown(
                f":material/back_hand: **{plain(isolated(person.name))}** {plain(isolated(person.hand or ''))}"
                f" :gray[{at}]",
                width="stretch",
            )
            label = t("room.lower_of", name=plain(isolated(person.name)))
            icon_button(f"room.lower.{person.id}", "check", label, _lower, code, person.id)
    names = {f"room.lower.{each.id}": t("room.lower_of", name=isolated(each.name)) for each in board.hands}
    name_buttons(names, place=MAIN)


def draw_people(board: Board, pages: list[str], now: float) -> None:
    """Draw a row for each participant: what is done, where everybody is, and since when nothing was done."""
    names = [t("room.name"), *(t(f"{page}.title") for page in pages), t("room.seen")]
    st.table([dict(zip(names, _row(person, pages, now), strict=True)) for person in board.present], hide_index=True)
    st.caption(t("room.legend", done=DONE, here=HERE))


def _row(person: Participant, pages: list[str], now: float) -> list[str]:
    marks = [
        " ".join(mark for mark, holds in ((DONE, page in person.done), (HERE, page == person.page)) if holds)
        for page in pages
    ]
    minutes = int((now - person.seen) // MINUTE)
    seen = t("room.seen_minutes", minutes=minutes) if minutes else t("room.seen_now")
    name = plain(isolated(person.name))
    return [f"{name} :material/back_hand:" if person.hand is not None else name, *marks, _emphasised(seen, person, now)]


def _emphasised(seen: str, person: Participant, now: float) -> str:
    return f"**{seen}**" if person.is_still(now) else seen


def _lower(code: str, who: str) -> None:
    desk.say(code, Hand(of=who, up=False))
