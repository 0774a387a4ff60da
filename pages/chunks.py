"""What a chunk is, and what else a program can do while it waits for one."""

import streamlit as st

from components.chunks import chunks
from components.page import lesson
from components.page.address import READING, named
from components.page.lab import engine
from components.page.texts import t
from streamlab.chunks import modes

EVERY = 0.25  # seconds between two looks at captures that go on
CODE = {
    "parsers": (modes.message_chain, modes.text_chain, modes.json_chain, modes.read_stream),
    "calls": (modes.text_chain, modes.read_stream, modes.read_astream, modes.read_invoke, modes.read_events),
}

lab = engine()


@st.fragment(run_every=EVERY)
def draw_live(capture_id: str) -> None:
    found = lab.captures.find(capture_id)
    if not found or not found.running:
        st.rerun()
    chunks.draw(found)


@st.fragment
def draw_ended(capture_id: str) -> None:
    if found := lab.captures.find(capture_id):
        chunks.draw(found)


capture_id = named(READING)
found = lab.captures.find(capture_id)
topic = found.question.topic if found else st.session_state.get(chunks.TOPIC, "parsers")
lesson.draw_title("chunks", CODE[topic], tried=bool(st.session_state.get(chunks.TRIED)))
if capture_id and not found:
    st.warning(t("chunks.unknown"), icon=":material/link_off:")
chunks.draw_controls(found)
if found and capture_id:
    chunks.remember(found.question.topic, capture_id)
    if found.running:
        draw_live(capture_id)
    else:
        draw_ended(capture_id)
elif not capture_id:
    st.info(t("chunks.nothing_yet"), icon=":material/play_arrow:")
