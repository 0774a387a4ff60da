"""`scheduled.py` as the project's own app runs its pages: with the engine on the server's event loop."""

from pathlib import Path

import streamlit as st

from app import lifespan

app = st.App(Path(__file__).with_name("scheduled.py"), lifespan=lifespan)
