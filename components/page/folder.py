"""The folder of the server's addresses in which the pages are: Streamlit's `server.baseUrlPath`."""

import streamlit as st


def folder() -> str:
    """Return it with a slash before its name; empty where the pages are at the root."""
    name = st.get_option("server.baseUrlPath").strip("/")
    return f"/{name}" if name else ""
