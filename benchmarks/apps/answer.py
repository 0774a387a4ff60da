"""An answer written as the address asks: ``?writer=plain`` or ``?writer=transcript``, and how many ``chunks``."""

import streamlit as st

from benchmarks.arrivals import Arrivals
from components.answer import transcript

if st.button("Start"):
    arrivals = Arrivals(int(st.query_params["chunks"]))
    if st.query_params["writer"] == "plain":
        st.write_stream(arrivals.one_by_one())
    else:
        transcript.write(st.empty(), arrivals.gathered())
    st.caption(f"Complete, begun at {arrivals.began:.3f}")
