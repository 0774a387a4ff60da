"""Pages without a browser: Streamlit's AppTest, and the engine that a page finds in its server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from benchmarks.harness import ROOT
from components.page.pages import HOME
from components.page.session import Session
from components.page.texts import LANGUAGE_KEY, texts
from streamlab.engine import Engine, engine_in_thread
from streamlab.settings import Settings

LOCALE = {"en": "en-US", "ja": "ja-JP"}
LIMIT = 60.0  # seconds that a script may take

# In the second language as `make soak`: each page is shown in both all the same, and all texts have the same places.
languages = pytest.mark.parametrize("language", ["en", pytest.param("ja", marks=pytest.mark.soak)])


@contextmanager
def serving(**settings: Any) -> Iterator[Engine]:
    """Run the engine that the pages find, as they do in the server."""
    before = Engine.running
    with engine_in_thread(Settings(_env_file=None, **settings)) as engine:
        Engine.running = engine
        try:
            yield engine
        finally:
            Engine.running = before


def new_session(language: str, browser: str | None = None, **address: str) -> AppTest:
    """Open the app in a new session of a browser of this language, at an address; nothing has run yet.

    A browser that has an id keeps cookies.
    """
    app = AppTest.from_file(ROOT / "components" / "frame.py", default_timeout=LIMIT)
    st.session_state[LANGUAGE_KEY] = language  # AppTest labels the options of a picker outside of the script, too
    app.context = {"locale": LOCALE[language]}
    app.session_state["session"] = Session(browser=browser)
    for name, value in address.items():
        app.query_params[name] = value
    return app


def visit(page: str, language: str, browser: str | None = None, **address: str) -> AppTest:
    """Run a page in a new session."""
    app = new_session(language, browser, **address)
    return checked(app.switch_page(f"../pages/{page}.py").run())


def heading(page: str, language: str) -> str:
    """Return what a page is headed by: its title, but for the first one."""
    return texts(language)["home.heading" if page == HOME else f"{page}.title"]


def path_of(page: str) -> str:
    """Return a page's address on its server."""
    return "/" if page == HOME else f"/{page}"


def checked(app: AppTest) -> AppTest:
    """Return the app, on which nothing may be an exception."""
    errors = [(error.message, *error.stack_trace) for error in app.exception]
    assert errors == [], errors
    return app


def new_question(language: str = "en") -> str:
    """Make a question that nobody asked before."""
    return f"{'What is streaming?' if language == 'en' else 'ストリーミングとは何ですか？'} {uuid4().hex}"
