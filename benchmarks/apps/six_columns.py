"""The peer: six columns of the usual kind, each a parallel fragment in which `st.write_stream` writes a model's stream.

The address says what is asked, ``?question=``.
"""

import os

import streamlit as st

from benchmarks.apps.bare import bare_model


@st.fragment(parallel=True)
def answer(name: str) -> None:
    model = bare_model(os.environ["LAB_MODELS"])
    st.markdown(f"**{name}**")
    st.write_stream(model.stream(f"{st.query_params['question']}, {name}"))


st.set_page_config(layout="wide")
st.header("Prompts")
if st.button("Run"):
    for first in (1, 4):
        for number, column in enumerate(st.columns(3), first):
            with column.container(border=True):
                answer(f"column {number}")
