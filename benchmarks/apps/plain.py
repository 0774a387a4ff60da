"""The peer: a page of the usual kind, which writes what the chain streams with `st.write_stream`."""

import os

import streamlit as st
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from benchmarks.apps.bare import bare_model


@st.cache_resource
def model() -> ChatOpenAI:
    return bare_model(os.environ["LAB_MODELS"])


st.header("Chat")
chain = ChatPromptTemplate.from_messages([("human", "{question}")]) | model() | StrOutputParser()
if question := st.chat_input("Question"):
    with st.chat_message("user"):
        st.text(question)
    with st.chat_message("assistant"):
        st.write_stream(chain.stream({"question": question}))
