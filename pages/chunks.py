"""What a chunk is, and what else a program can do while it waits for one."""

import streamlit as st

from components.chunks import chunks, opened
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


def draw(capture_id: str | None, topic: str, *, live: bool) -> None:
    """Draw the captures that there are, or an example where there are none yet."""
    found = lab.captures.find(capture_id)
    if live and not (found and found.running):
        st.rerun()
    if found:
        chunks.draw(found)
    elif topic == "parsers" and not capture_id:
        chunks.draw_example()
    elif not capture_id:
        st.info(t("chunks.nothing_yet"), icon=":material/play_arrow:")


capture_id = named(READING)
found = lab.captures.find(capture_id)
live = bool(found and found.running)
topic = found.question.topic if found else st.session_state.get(chunks.TOPIC, "parsers")
lesson.draw_title("chunks", CODE[topic], tried=bool(st.session_state.get(opened.TRIED)))
notice = st.container()
if capture_id and not found:
    notice.warning(t("chunks.unknown"), icon=":material/link_off:")
chunks.draw_controls(found)
if found and capture_id:
    chunks.remember(found.question.topic, capture_id)
# One fragment, whatever is shown: Streamlit knows it by its function and its position, and drops a click that comes
# from another one when that is not drawn any more, as it may be when captures end.
st.fragment(draw, run_every=EVERY if live else None)(capture_id, topic, live=live)
