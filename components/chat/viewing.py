"""Which branch of a conversation a session looks at: that of the last question, or one that was chosen."""

from dataclasses import dataclass

import streamlit as st

from streamlab.chats import branches
from streamlab.chats.chat import Chat, Turn

KEY = "chat.viewing"


@dataclass(frozen=True)
class _Choice:
    """A turn that was chosen, and the last question then: when another one is asked, it is that which is looked at."""

    chat_id: str
    run_id: str
    last: str


def viewed(chat: Chat) -> tuple[Turn, ...]:
    """Return the turns of the branch."""
    choice: _Choice | None = st.session_state.get(KEY)
    if choice and (choice.chat_id, choice.last) == (chat.id, chat.turns[-1].run_id):
        return branches.branch(chat, choice.run_id)
    return chat.turns


def view(chat: Chat, run_id: str) -> None:
    """Choose the branch that the turn of this run is on."""
    st.session_state[KEY] = _Choice(chat.id, run_id, chat.turns[-1].run_id)
