"""The local model on the first page: what it is, and a race with it; or how to get it."""

from collections.abc import Callable
from importlib.resources import files

import streamlit as st

from components.home.doors import CSS
from components.page.lab import engine
from components.page.texts import t
from components.page.widgets import button
from streamlab.local_model import LOCAL

LOCAL_QUESTION = "Write a short story about a lighthouse."  # in the one language that it writes, whatever the page's

_picture = st.components.v2.component(
    "local_model", html=(files("components.home") / "pictures" / "local.svg").read_text("utf-8"), css=CSS
)


def draw_local(race: Callable[[], object]) -> None:
    """Offer to `race` with it where it is installed and offered, else say what installs it."""
    lab = engine()
    if lab.models.local.file is None:
        st.caption(t("home.no_local"))
    elif LOCAL in lab.portal.call(lab.models.names):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(width=200):
                _picture(key="home.local.picture", height=112)
            with st.container(width="stretch"):
                st.markdown(t("home.local", name=lab.models.local.name))
                button("home.local_race", "bolt", race)
