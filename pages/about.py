"""Why an answer survives here, and what the server holds now."""

import streamlit as st

from components.home import way
from components.page import lesson
from components.page.lab import engine
from components.page.session import session
from components.page.slots import draw_notice
from components.page.texts import t
from streamlab.hub import Follower, Log
from streamlab.runs.run import Runs


def shared() -> bool:
    """Tell whether two clients follow the same run now."""
    return any(followers >= 2 for followers in engine().hub.followers)


@st.fragment(run_every=1)
def draw_way() -> None:
    draw_notice(st.container())
    way.draw()


@st.fragment(run_every=1)
def draw_figures() -> None:
    lab = engine()
    if shared() and "about" not in session().tried:
        st.rerun()
    with st.container(horizontal=True):
        st.metric(t("about.runs"), lab.runs.live, help=t("about.runs_help"), border=True)
        st.metric(t("about.logs"), len(lab.hub), help=t("about.logs_help"), border=True)
        st.metric(t("about.size"), f"{lab.hub.size / 1024:,.1f} KiB", help=t("about.size_help"), border=True)


lesson.draw_title("about", (Runs.start, Log.append, Follower.batch), tried=shared())
st.markdown(t("about.point"))
draw_way()
for column, part in zip(st.columns(2, gap="large"), ("plain", "here"), strict=True):
    with column:
        st.subheader(t(f"about.{part}_title"))
        st.markdown(t(f"about.{part}"))
st.subheader(t("about.server"))
draw_figures()
