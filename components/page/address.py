"""The ids in the page's address: they survive a refresh, and whoever has the address sees the same."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from components.page.lab import engine
from components.page.session import session
from streamlab.chats.chat import Chat, UnknownChat

CHAT, RUN, MEASUREMENT, COMPARISON = "chat", "run", "measurement", "comparison"  # parameters
TRIAL, READING, RACE = "trial", "reading", "race"
TEACH, CODE, VIEW = "teach", "code", "view"  # of a room: its teacher's token, its code, and who is shown it
SECOND = "with"  # a run that is shown beside the one that RUN names


def show(parameter: str, id: str | None) -> None:
    """Show this conversation, run, measurement or comparison, or none, from the next drawing on."""
    if id:
        session().shown[parameter] = st.query_params[parameter] = id
    else:
        session().shown.pop(parameter, None)
        st.query_params.pop(parameter, None)


def named(parameter: str) -> str | None:
    """Return the id that the address names, or else the one that was shown last, and put it into the address.

    An address without one to which somebody has gone back shows none.
    """
    id = st.query_params.get(parameter) or (None if _went_back() else session().shown.get(parameter))
    show(parameter, id)
    return id


def _went_back() -> bool:
    """Tell whether the browser's Back or Forward has led here: an address alone cannot.

    Nothing public tells it; checked with streamlit 1.67. Without it Back shows what was shown last.
    """
    context = get_script_run_ctx(suppress_warning=True)
    return bool(getattr(context, "is_history_navigation", False))


def find_chat() -> Chat | None:
    """Return the conversation that the address names, None when it names none or an unknown one.

    Raise HubUnreachable.
    """
    lab = engine()
    chat_id = st.query_params.get(CHAT)
    try:
        return lab.portal.call(lab.readers.read, chat_id) if chat_id else None
    except UnknownChat:
        return None
