"""The sidebar's foot: the language, and light or dark."""

import streamlit as st

from components.page import theme
from components.page.lab import engine
from components.page.session import session
from components.page.texts import LANGUAGE_KEY, LANGUAGES, t

# Streamlit's page says that it is English. Screen readers, the choice of glyphs and line breaks go by what it says.
_name_language = st.components.v2.component(
    "language", js="export default function({ data }) { document.documentElement.lang = data; }"
)


def choose_language() -> None:
    """Set the session's language before anything is drawn: from the address, the setting or the browser, in that order.

    A language that was named or chosen stays in the address, even if the browser would choose it, to survive a reload.
    """
    state = session()
    if LANGUAGE_KEY not in st.session_state:
        named = st.query_params.get(LANGUAGE_KEY)
        state.language_chosen = named in LANGUAGES
        language = named if state.language_chosen else engine().settings.lab_language
        browsers = "ja" if (st.context.locale or "").lower().startswith("ja") else "en"
        st.session_state[LANGUAGE_KEY] = browsers if language == "auto" else language
    if state.language_chosen:
        st.query_params[LANGUAGE_KEY] = st.session_state[LANGUAGE_KEY]


def draw() -> None:
    """Draw the two choices, and name the language that is chosen to the browser."""
    with st.sidebar.container(horizontal=True, vertical_alignment="center"):
        st.selectbox(
            t("sidebar.language"),
            LANGUAGES,
            format_func=LANGUAGES.__getitem__,
            key=LANGUAGE_KEY,
            on_change=lambda: setattr(session(), "language_chosen", True),
            label_visibility="collapsed",
            width=116,
        )
        theme.draw()
    with st.sidebar:
        _name_language(key="language", data=st.session_state[LANGUAGE_KEY], height=0)
