"""`scheduled.py` as the project's own app runs its pages: with the engine on the server's event loop."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from app import opening
from components.middleware.opening import HeldPages

held = [Middleware(HeldPages, opening=opening)]
app = st.App(Path(__file__).with_name("scheduled.py"), lifespan=opening.lifespan, middleware=held)
