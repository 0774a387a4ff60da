"""A question in a conversation: as typed, with its other versions, and to be edited."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from components.chat import attachments
from components.chat.viewing import view
from components.page.component_key import component_key
from components.page.session import session
from components.page.texts import t
from components.page.widgets import button, icon_button
from streamlab.chats import branches
from streamlab.chats.chat import Chat, Turn
from streamlab.models.options import QUESTION_CHARACTERS

EDITED = "chat.edited"  # the run whose question is edited

# Who chose to edit types at once: the words would go nowhere, and a `?` among them would open the list of keys.
# Once, as the page runs again while one types.
_focus_editor = st.components.v2.component(
    "focus_editor",
    js="""
const focused = new WeakSet();
export default function({ parentElement }) {
    if (focused.has(parentElement)) return;
    focused.add(parentElement);
    let frames = 120;  // the box may be drawn after this, and the click that opened it end later
    const focus = () => {
        const box = document.querySelector('.st-key-chat-editor textarea');
        if (box && document.activeElement === box) return;
        box?.focus();
        box?.setSelectionRange(box.value.length, box.value.length);
        if (frames--) requestAnimationFrame(focus);
    };
    requestAnimationFrame(focus);
}
""",
)


def draw(chat: Chat, turn: Turn, ask: Callable[[str, str, Turn], None], *, can_ask: bool) -> None:
    """Draw the question. `ask` begins a branch with another one, after the turn of a run."""
    with st.chat_message("user", avatar=":material/person:"):
        if can_ask and st.session_state.get(EDITED) == turn.run_id:
            _draw_editor(chat, turn, ask)
            return
        with st.container(horizontal=True, vertical_alignment="top", gap="xxsmall"):
            st.text(turn.question or t("files.alone"), width="stretch")  # as typed: no Markdown, no formulas
            _draw_versions(chat, turn)
            if can_ask:
                icon_button(edit_key(turn), "edit_square", t("chat.edit"), _begin, turn)
        st.empty()  # where the buttons of the editor stood
        attachments.draw(turn)


def edit_key(turn: Turn) -> str:
    return f"chat.edit.{turn.run_id}"


def version_keys(turn: Turn) -> tuple[str, str]:
    """Name the buttons that lead to the version before and to the one after."""
    return f"chat.before.{turn.run_id}", f"chat.after.{turn.run_id}"


def _draw_versions(chat: Chat, turn: Turn) -> None:
    versions = branches.versions(chat, turn.run_id)
    if len(versions) < 2:
        return
    number, last = versions.index(turn.run_id), len(versions) - 1
    before, after = version_keys(turn)
    to_before, to_after = versions[max(number - 1, 0)], versions[min(number + 1, last)]
    icon_button(before, "chevron_left", t("chat.version_before"), view, chat, to_before, disabled=number == 0)
    st.markdown(f"{number + 1}/{len(versions)}", width="content")
    icon_button(after, "chevron_right", t("chat.version_after"), view, chat, to_after, disabled=number == last)


def _draw_editor(chat: Chat, turn: Turn, ask: Callable[[str, str, Turn], None]) -> None:
    look: dict[str, Any] = {"max_chars": QUESTION_CHARACTERS, "label_visibility": "collapsed"}
    with st.container(key="chat.editor"):
        st.text_area(t("chat.edit_text"), turn.question, key=_text_key(turn), **look)
        _focus_editor(key=component_key("chat.focus_editor", turn.run_id), height=0)
    with st.container(horizontal=True, vertical_alignment="center"):
        button("chat.edit_ask", "send", _ask, chat, turn, ask, type="primary")
        button("chat.edit_cancel", "close", _end, type="tertiary")
        st.caption(t("chat.edit_what"))


def _text_key(turn: Turn) -> str:
    return f"chat.edited_text.{turn.run_id}"


def _begin(turn: Turn) -> None:
    st.session_state[EDITED] = turn.run_id


def _ask(chat: Chat, turn: Turn, ask: Callable[[str, str, Turn], None]) -> None:
    """Ask what it was changed to. What is refused stays to be edited."""
    ask(st.session_state[_text_key(turn)], branches.before(chat, turn.run_id), turn)
    if not session().notice:
        _end()


def _end() -> None:
    st.session_state[EDITED] = None
