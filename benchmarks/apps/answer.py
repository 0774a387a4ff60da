"""An answer written as the address asks: ``?writer=plain`` or ``?writer=transcript``, and how many ``chunks``."""

import streamlit as st

from benchmarks.scheduled_text import ScheduledText
from components.answer import transcript

if st.button("Start"):
    scheduled = ScheduledText(int(st.query_params["chunks"]))
    if st.query_params["writer"] == "plain":
        st.write_stream(scheduled.one_by_one())
    else:
        transcript.write(st.empty(), scheduled.gathered())
    st.caption(f"Complete, begun at {scheduled.began:.3f}")
