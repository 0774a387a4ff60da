"""The sidebar: the options of the next question, and the language."""

from contextlib import suppress
from dataclasses import astuple

import streamlit as st

from components.page import access
from components.page.address import find_chat
from components.page.lab import engine
from components.page.session import session
from components.page.texts import LANGUAGE_KEY, LANGUAGES, t
from components.page.widgets import control
from streamlab.demo_model import is_demo
from streamlab.hub import HubUnreachable
from streamlab.models.options import DEFAULT_TEMPERATURE, SYSTEM_CHARACTERS, Options

MODEL_KEY = "settings.model"
SYSTEM_KEY = "settings.system"
TEMPERATURE_KEY = "settings.temperature"
TOOLS_KEY = "settings.tools"


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
    with st.sidebar:
        _restore_options()
        st.subheader(t("sidebar.settings"))
        _draw_model()
        st.text_area(
            t("sidebar.system"),
            key=SYSTEM_KEY,
            max_chars=SYSTEM_CHARACTERS,
            placeholder=t("sidebar.system_placeholder"),
            help=t("sidebar.system_help"),
        )
        st.slider(t("sidebar.temperature"), 0.0, 2.0, step=0.1, key=TEMPERATURE_KEY, help=t("sidebar.temperature_help"))
        st.selectbox(
            t("sidebar.language"),
            LANGUAGES,
            format_func=LANGUAGES.__getitem__,
            key=LANGUAGE_KEY,
            on_change=lambda: setattr(session(), "language_chosen", True),
        )


def options() -> Options:
    """Return the options that the sidebar shows now."""
    state = st.session_state
    return Options(state[MODEL_KEY], state[SYSTEM_KEY].strip(), state[TEMPERATURE_KEY], state.get(TOOLS_KEY, False))


def draw_tools_switch() -> None:
    """Draw the switch for tools, on the pages that offer it. It belongs to the sidebar's options."""
    control("chat.tools", st.toggle, key=TOOLS_KEY)


def model_label(name: str) -> str:
    """Return the name to show; the demo model's always says that it is scripted."""
    if not is_demo(name):
        return name
    variant = name.partition("?")[2]
    return t("sidebar.demo_variant", options=variant.replace("&", ", ")) if variant else t("sidebar.demo_name")


def _draw_model() -> None:
    lab = engine()
    names = lab.portal.call(lab.models.names)
    if st.session_state[MODEL_KEY] not in names:
        st.session_state[MODEL_KEY] = names[0]
    st.selectbox(t("sidebar.model"), names, key=MODEL_KEY, format_func=model_label, help=t("sidebar.model_help"))
    if is_demo(st.session_state[MODEL_KEY]):
        st.caption(t("sidebar.demo_note"))
    elif access.is_needed([st.session_state[MODEL_KEY]]):
        st.caption(f":material/lock: {t('access.sidebar')}")


def _restore_options() -> None:
    """Set a new session's options to those of the last question of the conversation in the address."""
    state = session()
    if state.restored:
        return
    chat = None
    with suppress(HubUnreachable):
        chat = find_chat()
    state.came_back = bool(chat and chat.live)
    options = chat.turns[-1].options if chat else Options("", "", DEFAULT_TEMPERATURE)
    for key, value in zip((MODEL_KEY, SYSTEM_KEY, TEMPERATURE_KEY, TOOLS_KEY), astuple(options), strict=True):
        st.session_state[key] = value
    state.restored = True  # last: a script may be interrupted anywhere
