"""The address of a conversation for others, to ask in it as well or only to read it."""

import streamlit as st

from components.page.address import CHAT
from components.page.lab import engine
from components.page.link import draw_link
from components.page.texts import t
from components.page.widgets import choice
from streamlab.chats.chat import Chat, UnknownChat
from streamlab.chats.readers import is_reader
from streamlab.hub import HubUnreachable

OPEN = "chat.sharing"
WAYS = ("read", "ask")


def open_dialog() -> None:
    """Have the dialog drawn at the next drawing of the page."""
    st.session_state[OPEN] = True


def draw(chat: Chat) -> None:
    """Draw the dialog if it was asked for."""
    if st.session_state.pop(OPEN, False):
        st.dialog(t("chat.share"), icon=":material/share:")(_draw)(chat)


def _draw(chat: Chat) -> None:
    if is_reader(chat.id):
        st.markdown(t("chat.share_read_what"))
        _draw_address(chat.id)
        return
    choice("chat.share_as", st.segmented_control, WAYS, default="read", label_visibility="collapsed")
    way = st.session_state["chat.share_as"]
    st.markdown(t(f"chat.share_{way}_what"))
    lab = engine()
    try:
        _draw_address(chat.id if way == "ask" else lab.portal.call(lab.readers.share, chat.id))
    except HubUnreachable:
        st.warning(t("notice.unreachable"), icon=":material/cloud_off:")
    except UnknownChat:
        st.warning(t("history.not_there"), icon=":material/link_off:")


def _draw_address(id: str) -> None:
    if st.context.url:
        draw_link(f"{st.context.url.partition('?')[0]}?{CHAT}={id}")
