"""What a chunk is, and what else a program can do while it waits for one."""

import streamlit as st

from components.chunks import chunks
from components.page import lesson
from components.page.address import READING, named, show
from components.page.lab import engine
from components.page.texts import t
from streamlab.chunks import modes as ways

EVERY = 0.25  # seconds between two looks at readings that go on
CODE = {
    "parsers": (ways.message_chain, ways.text_chain, ways.json_chain, ways.read_stream),
    "calls": (ways.text_chain, ways.read_stream, ways.read_astream, ways.read_invoke, ways.read_events),
}

lab = engine()


@st.fragment(run_every=EVERY)
def draw_live(reading_id: str) -> None:
    found = lab.readings.find(reading_id)
    if not found or not found.running:
        st.rerun()
    chunks.draw(found)


@st.fragment
def draw_ended(reading_id: str) -> None:
    if found := lab.readings.find(reading_id):
        chunks.draw(found)


reading_id = named(READING)
show(READING, reading_id)
found = lab.readings.find(reading_id)
topic = found.question.topic if found else st.session_state.get(chunks.TOPIC, "parsers")
lesson.draw_title("chunks", CODE[topic], tried=bool(st.session_state.get(chunks.TRIED)))
if reading_id and not found:
    st.warning(t("chunks.unknown"), icon=":material/link_off:")
chunks.draw_controls(found)
if found and reading_id:
    chunks.remember(found.question.topic, reading_id)
    if found.running:
        draw_live(reading_id)
    else:
        draw_ended(reading_id)
elif not reading_id:
    st.info(t("chunks.nothing_yet"), icon=":material/play_arrow:")
