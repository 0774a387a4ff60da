"""Why an answer survives here, and what the server holds now."""

import streamlit as st

from components.page import lesson
from components.page.lab import engine
from components.page.session import session
from components.page.texts import t
from streamlab.hub import Follower, Log
from streamlab.runs.run import Runs


def diagram() -> str:
    """Draw from top to bottom, to be readable on a phone."""
    label = {name: t(f"about.{name}") for name in ("browser", "second_browser", "page", "run", "log", "model")}
    arrow = {name: t(f"about.arrow_{name}") for name in ("asks", "chunks", "appends", "follows", "frames")}
    return f"""flowchart TB
    model["{label["model"]}"] -- "{arrow["chunks"]}" --> run["{label["run"]}"]
    run -- "{arrow["asks"]}" --> model
    run -- "{arrow["appends"]}" --> log[("{label["log"]}")]
    log -- "{arrow["follows"]}" --> page1["{label["page"]}"]
    log -- "{arrow["follows"]}" --> page2["{label["page"]}"]
    page1 -- "{arrow["frames"]}" --> browser["{label["browser"]}"]
    page2 -- "{arrow["frames"]}" --> second["{label["second_browser"]}"]
"""


def shared() -> bool:
    """Tell whether two clients follow the same run now."""
    return any(followers >= 2 for followers in engine().hub.followers)


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
st.markdown(t("about.what"))
draw_figures()
picture, words = st.columns(2, gap="large")
with picture:
    st.mermaid_chart(diagram())
with words:
    for part in ("plain", "here"):
        st.subheader(t(f"about.{part}_title"))
        st.markdown(t(f"about.{part}"))
