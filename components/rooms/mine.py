"""What a participant sees of the room: who one is there, and the tasks of the class."""

import streamlit as st

from components.page.pages import PAGES
from components.page.seat import Place
from components.page.texts import plain, t
from components.rooms.board import pages_of
from components.rooms.line import isolated


def draw_mine(place: Place) -> None:
    """Draw the tasks, of which each is done on its page, and which of them are."""
    name = plain(isolated(place.person.name))
    st.subheader(t("room.mine", name=name, room=plain(place.room.name) or t("room.title")), anchor=False)
    st.markdown(t("room.what_now", task=t("lesson.try")))
    st.markdown(t("room.pin_what", pin=place.room.pin(place.seat.who)))
    for page in pages_of(place.room):
        done = page in place.person.done
        icon = "task_alt" if done else PAGES[page]
        label = t("room.task_done", page=t(f"{page}.title")) if done else t(f"{page}.title")
        st.page_link(f"../pages/{page}.py", label=label, icon=f":material/{icon}:")
