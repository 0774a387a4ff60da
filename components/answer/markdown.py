"""A model's Markdown on the page."""

import re

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.markdown.bounds import SHOWN, is_too_much
from components.markdown.document import Markdown, Part, rewrite
from components.page.texts import t

_HEADING = re.compile(r"^#{1,6} .*$", re.MULTILINE)


def draw_markdown(
    text: str, place: DeltaGenerator | None = None, *, unfinished: bool = False, instead_of: int = 0
) -> None:
    """Draw Markdown as its author meant it, in `place` if one is given, which holds one element or container.

    What would cost the page too much is drawn as plain text. With `unfinished`, more is expected at the end.
    `instead_of` is how many elements a container in `place` holds: those that are not replaced would stay.
    """
    target = st if place is None else place
    too_much = is_too_much(text)
    parts = [] if too_much else rewrite(text, unfinished=unfinished)
    if not too_much and len(parts) < 2:
        for part in parts:
            _draw_part(part, place)
        if not parts:
            target.empty()
        return
    with target.container():
        if too_much:
            _draw_plain(text)
        for part in parts:
            _draw_part(part)
        for _ in range(max(instead_of, 2) - max(len(parts), 2)):
            st.empty()


def draw_excerpt(text: str, place: DeltaGenerator, characters: int) -> None:
    """Draw how a text begins as one element in `place`: its first text or code, without headings."""
    beginning = text if len(text) <= characters else f"{text[:characters].rpartition(' ')[0] or text[:characters]} …"
    parts = [] if is_too_much(beginning) else rewrite(_HEADING.sub("", beginning), unfinished=True)
    if not parts:
        place.empty()
        return
    _draw_part(parts[0], place)


def _draw_part(part: Part, place: DeltaGenerator | None = None) -> None:
    target = st if place is None else place
    if isinstance(part, Markdown):
        target.markdown(part.text)
    else:
        target.code(part.text, language=part.language)


def _draw_plain(text: str) -> None:
    st.caption(
        t("answer.plain" if len(text) <= SHOWN else "answer.plain_cut", shown=f"{SHOWN:,}", length=f"{len(text):,}")
    )
    st.code(text[:SHOWN], language=None, wrap_lines=True)
