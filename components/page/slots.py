"""Where on the page something is drawn."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page.session import session


def draw_notice(place: DeltaGenerator) -> None:
    """What is to be said once. In a container that is always there: else what stands below would be made anew, and
    an open popover would close."""
    if notice := session().notice:
        place.warning(notice, icon=":material/info:")
        session().notice = None


def fresh_place(name: str, content: object) -> DeltaGenerator:
    """A container in which nothing of other content is left, drawn in a script that goes on for long.

    Until a script ends, Streamlit keeps what stood where it has not drawn yet, and a container that is put where one
    was keeps the former one's children. So there are two places, which new content takes in turn.
    """
    turn, before = st.session_state.get(f"place.{name}", (0, None))
    if content != before:
        turn = 1 - turn
        st.session_state[f"place.{name}"] = (turn, content)
    if turn:
        st.empty()
        return st.container()
    place = st.container()
    st.empty()
    return place
