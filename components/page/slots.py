"""Containers that keep their position on the page."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page.session import session

T = TypeVar("T")


def draw_notice(place: DeltaGenerator) -> None:
    """Draw the pending notice once.

    `place` must always be there: otherwise what stands below would be made anew, and an open popover would close.
    """
    if notice := session().notice:
        place.warning(notice, icon=":material/info:")
        session().notice = None


def in_rows(items: Sequence[T], *, border: bool = True) -> Iterator[tuple[T, DeltaGenerator]]:
    """Yield each item with a container for it, three in a row."""
    for start in range(0, len(items), 3):
        row = items[start : start + 3]
        for column, item in zip(st.columns(len(row)), row, strict=True):
            yield item, column.container(border=border)


def fresh_container(name: str, content: object) -> DeltaGenerator:
    """Return a container without anything of former content, for a script that goes on for long.

    Until a script ends, Streamlit keeps what stood where it has not drawn yet, and a container that is put where one
    was keeps the former one's children. So there are two positions, which new content takes in turn.
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
