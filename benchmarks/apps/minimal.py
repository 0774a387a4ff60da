"""The peer: the least that a page with a chat is, with an answer from no model."""

import streamlit as st

if question := st.chat_input("Ask"):
    st.chat_message("user").write(question)
    st.chat_message("assistant").write_stream(f"word{number} " for number in range(1, 26))
