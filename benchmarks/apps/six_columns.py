"""The peer: six columns of the usual kind, each a parallel fragment in which `st.write_stream` writes a model's stream.

The address says what is asked, ``?question=``.
"""

import os

import streamlit as st
from langchain_openai import ChatOpenAI
from pydantic import SecretStr


@st.fragment(parallel=True)
def answer(name: str) -> None:
    model = ChatOpenAI(
        model=os.environ["LAB_MODELS"],
        base_url=os.environ["OPENAI_BASE_URL"],
        api_key=SecretStr("demo"),
        stream_usage=True,
        max_retries=0,
    )
    st.markdown(f"**{name}**")
    st.write_stream(model.stream(f"{st.query_params['question']}, {name}"))


st.set_page_config(layout="wide")
st.header("Prompts")
if st.button("Run"):
    for first in (1, 4):
        for number, column in enumerate(st.columns(3), first):
            with column.container(border=True):
                answer(f"column {number}")
