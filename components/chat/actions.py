"""What can be done with an answer: copied, rated, given anew, looked into, and shared."""

from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from components.chat import questions, share
from components.page.address import RUN
from components.page.button_names import name_buttons
from components.page.copy_button import copy_button
from components.page.lab import engine, find_log
from components.page.session import session
from components.page.texts import plain, t
from components.page.widgets import button, icon_button
from streamlab.chats.chat import NOTE_CHARACTERS, Chat, Feedback, Turn, UnknownChat
from streamlab.chats.readers import is_reader
from streamlab.hub import HubUnreachable

THUMBS = ("down", "up")  # as st.feedback counts them


def draw(chat: Chat, turn: Turn, regenerate: Callable[[Chat, Turn], None], *, last: bool) -> None:
    """Draw the row under an answer that has ended. Only the last one can be given anew."""
    outcome = turn.outcome
    if not outcome:
        return
    can_ask = not is_reader(chat.id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if outcome.text:
            copy_button(outcome.text, t("chat.copy"), "chat.copy", turn.run_id)
        if can_ask:
            _draw_thumbs(chat, turn)
        again_place = st.empty()  # also where nothing comes: the last answer's button goes with the next question
        if last and can_ask:
            failed = outcome.status in ("failed", "lost")
            name, icon, kind = ("retry", "refresh", "primary") if failed else ("regenerate", "restart_alt", "tertiary")
            look = {"key": "chat.again", "type": kind, "help": t("chat.regenerate_help")}
            button(f"chat.{name}", icon, regenerate, chat, turn, place=again_place, **look)
        if turn.options.tools and find_log(turn.run_id):  # as long as the run's log is there
            page, icon, query = "../pages/timeline.py", ":material/view_timeline:", {RUN: turn.run_id}
            st.page_link(page, label=t("chat.timeline"), icon=icon, query_params=query)
        icon_button(share_key(turn), "share", t("chat.share"), share.open_dialog)
    if turn.feedback and (turn.feedback.note or not can_ask):
        note = plain(turn.feedback.note)
        st.caption(f":material/thumb_{turn.feedback.thumb}: {note}")


def name_all(turns: Iterable[Turn]) -> None:
    """Name the buttons that have only an icon, for screen readers."""
    names = dict[str, str]()
    for turn in turns:
        before, after = questions.version_keys(turn)
        names |= {questions.edit_key(turn): t("chat.edit"), share_key(turn): t("chat.share")}
        names |= {before: t("chat.version_before"), after: t("chat.version_after")}
    name_buttons(names, place='[data-testid="stMain"]')


def share_key(turn: Turn) -> str:
    return f"chat.share.{turn.run_id}"


def _draw_thumbs(chat: Chat, turn: Turn) -> None:
    key, feedback = f"chat.thumbs.{turn.run_id}", turn.feedback
    st.session_state[key] = THUMBS.index(feedback.thumb) if feedback else None
    st.feedback("thumbs", key=key, on_change=_rate, args=(chat, turn, key))
    note_place = st.empty()  # likewise
    if feedback:
        look: dict[str, Any] = {"icon": ":material/edit_note:", "type": "tertiary", "key": f"chat.note.{turn.run_id}"}
        with note_place.popover(t("chat.note"), **look):
            key = f"chat.note_text.{turn.run_id}"
            st.session_state[key] = feedback.note
            st.text_area(
                t("chat.note_what"), key=key, max_chars=NOTE_CHARACTERS, on_change=_note, args=(chat, turn, key)
            )


def _rate(chat: Chat, turn: Turn, key: str) -> None:
    thumb = st.session_state[key]
    note = turn.feedback.note if turn.feedback else ""
    _keep(chat, turn, None if thumb is None else Feedback("up" if THUMBS[thumb] == "up" else "down", note))


def _note(chat: Chat, turn: Turn, key: str) -> None:
    if turn.feedback:
        _keep(chat, turn, Feedback(turn.feedback.thumb, st.session_state[key].strip()))


def _keep(chat: Chat, turn: Turn, feedback: Feedback | None) -> None:
    lab = engine()
    try:
        lab.portal.call(lab.chats.rate, chat.id, turn.run_id, feedback)
    except HubUnreachable:
        session().notice = t("notice.unreachable")
    except UnknownChat:
        session().notice = t("notice.read_only")
