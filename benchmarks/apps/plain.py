"""The peer: a page of the usual kind, which writes what the chain streams with `st.write_stream`."""

import os

import streamlit as st
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import SecretStr


@st.cache_resource
def model() -> ChatOpenAI:
    return ChatOpenAI(
        model=os.environ["LAB_MODELS"],
        base_url=os.environ["OPENAI_BASE_URL"],
        api_key=SecretStr("demo"),
        stream_usage=True,
        max_retries=0,
    )


st.header("Chat")
chain = ChatPromptTemplate.from_messages([("human", "{question}")]) | model() | StrOutputParser()
if question := st.chat_input("Question"):
    with st.chat_message("user"):
        st.text(question)
    with st.chat_message("assistant"):
        st.write_stream(chain.stream({"question": question}))
