"""The doors to the other pages, each with a picture, and the words that all of them use."""

from importlib.resources import files

import streamlit as st

from components.page import colors
from components.page.pages import GROUPS
from components.page.texts import t

DOORS = ("watch", "compare", "teach")
WORDS = {"run": "bolt", "log": "receipt_long", "follow": "visibility"}  # and their icons

_FOLDER = files("components.home") / "pictures"
CSS = f"""
svg {{ display: block; width: 100%; height: 7rem; }}
.words, .rule, .good, .bad {{ fill: none; stroke-linecap: round; stroke-linejoin: round; }}
.words {{ stroke: color-mix(in srgb, var(--st-text-color) 32%, var(--st-background-color)); stroke-width: 5; }}
.rule {{ stroke: var(--st-border-color); stroke-width: 1.5; }}
.sheet {{ fill: var(--st-secondary-background-color); stroke: var(--st-border-color); }}
.model {{ fill: {colors.MODEL}; }}
.tool {{ fill: {colors.TOOL}; }}
.waiting {{ fill: {colors.WAITING}; }}
.good {{ stroke: {colors.MODEL}; stroke-width: 4; }}
.bad {{ stroke: {colors.FAILED}; stroke-width: 4; }}
"""

_pictures = {
    door: st.components.v2.component(f"door_{door}", html=(_FOLDER / f"{door}.svg").read_text("utf-8"), css=CSS)
    for door in DOORS
}


def draw_doors() -> None:
    for door, column in zip(DOORS, st.columns(len(DOORS)), strict=True):
        with column.container(border=True, height="stretch"):
            _pictures[door](key=f"home.door.{door}", height=112)
            st.subheader(t(f"navigation.{door}"), anchor=False)
            st.markdown(t(f"home.{door}_what"))
            with st.container(horizontal=True):
                for page, icon in GROUPS[door].items():
                    st.page_link(f"../pages/{page}.py", label=t(f"{page}.title"), icon=f":material/{icon}:")


def draw_words() -> None:
    """Say once, in a line each, what the words mean that stand on every page."""
    for word, icon in WORDS.items():
        st.markdown(f":material/{icon}: {t(f'home.word_{word}')}")
