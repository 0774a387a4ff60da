"""The conversations of this browser, in the sidebar of the chat: found, opened, named, deleted and brought back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from components.page.address import CHAT, named, show
from components.page.browser import browser
from components.page.button_names import name_buttons
from components.page.days import by_day, time_text
from components.page.lab import engine
from components.page.session import session
from components.page.texts import plain, t
from components.page.widgets import button
from streamlab.chats.attached import UNDO_SECONDS
from streamlab.chats.chat import UnknownChat
from streamlab.chats.history import CONVERSATIONS
from streamlab.hub import HubUnreachable
from streamlab.hub.listing import TITLE_CHARACTERS, Entry

FEW, MORE = 5, 50  # conversations that are listed at first, and that come with each click
WIDTH = 190  # pixels of a title, which leave room for its menu in a sidebar as wide as it is at first
DELETED, DELETED_HEIGHT = 2, 280  # conversations to bring back that all show, and pixels in which more are scrolled
NAMED = 30  # characters of a title within a sentence
WORDS, TITLE = "history.words", "history.title"

T = TypeVar("T")


@dataclass
class _List:
    """What a session does with the list."""

    number: int = FEW
    renamed: str | None = None


def draw() -> None:
    """Draw the list; nothing for a browser that keeps no cookies, or has no conversation."""
    me, state, current = browser(), _state(), named(CHAT)
    words = (st.session_state.get(WORDS) or "").strip()
    if not me:
        return
    entries = _asked(engine().history.entries, me, CONVERSATIONS, words, state.number + 1)
    deleted = _asked(engine().history.deleted, me) or []
    if not (entries or entries is None or words or deleted):
        return
    with st.expander(t("history.heading"), icon=":material/history:", expanded=True, type="compact"):
        if entries or entries is None or words:
            st.text_input(
                t("history.words"),
                key=WORDS,
                type="search",
                placeholder=t("history.words"),
                label_visibility="collapsed",
                live=True,
                persist_state="session",
            )
        _draw_deleted(deleted)
        if entries is None:
            st.caption(t("history.unreachable"))
        elif words and not entries:
            st.caption(t("history.nothing"))
        shown = (entries or [])[: state.number]
        _draw_entries(shown, current)
        name_buttons(
            {_menu_key(entry): t("history.edit", title=_quoted(entry)) for entry in shown},
            [_open_key(entry) for entry in shown],
        )
        if len(entries or ()) > state.number:
            button("history.more", "expand_more", _show_more, type="tertiary")


def draw_gone(chat_id: str) -> None:
    """Say why there is no conversation of this id, and let who deleted it bring it back."""
    gone = _asked(engine().history.is_deleted, chat_id)
    st.warning(t("history.gone" if gone else "chat.unknown"), icon=":material/link_off:")
    if (me := browser()) and any(entry.key == chat_id for entry in _asked(engine().history.deleted, me) or ()):
        button("history.undo", "undo", _undo, chat_id, type="primary")


def _draw_deleted(deleted: list[Entry]) -> None:
    """Draw what can be brought back, in a place of its own that does not grow with it."""
    with st.container(border=True, height=DELETED_HEIGHT) if len(deleted) > DELETED else st.container():
        for entry in deleted:
            with st.container(border=True):
                st.markdown(t("history.deleted", title=plain(_quoted(entry)), time=time_text(entry.at + UNDO_SECONDS)))
                button("history.undo", "undo", _undo, entry.key, key=f"history.undo.{entry.key}", type="primary")


def _draw_entries(entries: list[Entry], current: str | None) -> None:
    for day, those in by_day(entries):
        st.caption(day)
        with st.container(gap="xxsmall"):
            for entry in those:
                with st.container(horizontal=True, vertical_alignment="center", gap="xxsmall"):
                    if entry.key == _state().renamed:
                        _draw_naming(entry)
                    else:
                        _draw_entry(entry, is_current=entry.key == current)


def _draw_entry(entry: Entry, *, is_current: bool) -> None:
    key = _menu_key(entry)
    with st.container(width=WIDTH):  # in a button as wide as this the title would stand in the middle
        st.button(
            plain(entry.title),
            _open_key(entry),
            on_click=show,
            args=(CHAT, entry.key),
            icon=":material/chat_bubble:" if is_current else None,
            type="secondary" if is_current else "tertiary",
            wrap=False,
        )
    st.menu_button(
        ":material/more_vert:",
        ("rename", "delete"),
        key=key,
        help=t("history.edit", title=plain(_quoted(entry))),
        type="tertiary",
        format_func=lambda option: t(f"history.{option}"),
        on_click=lambda: _edit(entry, st.session_state[key]),
    )


def _quoted(entry: Entry) -> str:
    """Return the beginning of the title, which may run from right to left, for within a sentence."""
    title = entry.title if len(entry.title) <= NAMED else f"{entry.title[: NAMED - 1].rstrip()}…"
    return f"\u2068{title}\u2069"


def _open_key(entry: Entry) -> str:
    return f"history.open.{entry.key}"


def _menu_key(entry: Entry) -> str:
    return f"history.edit.{entry.key}"


def _draw_naming(entry: Entry) -> None:
    st.session_state.setdefault(TITLE, entry.title)
    st.text_input(
        t("history.title"), key=TITLE, max_chars=TITLE_CHARACTERS, on_change=_rename, label_visibility="collapsed"
    )
    button("history.done", "check", _rename, type="tertiary")


def _edit(entry: Entry, option: str) -> None:
    state = _state()
    if option == "rename":
        state.renamed = entry.key
        st.session_state[TITLE] = entry.title
    elif _asked(engine().history.delete, browser(), entry.key) and st.query_params.get(CHAT) == entry.key:
        show(CHAT, None)


def _rename() -> None:
    state, title = _state(), st.session_state[TITLE]
    if state.renamed:
        _asked(engine().history.rename, state.renamed, title)
    state.renamed = None


def _undo(chat_id: str) -> None:
    restored = _asked(engine().history.restore, chat_id)
    if restored:
        show(CHAT, chat_id)
    elif restored is False:
        session().notice = t("history.too_late")


def _show_more() -> None:
    _state().number += MORE


def _state() -> _List:
    state: _List = st.session_state.setdefault("history.list", _List())
    return state


def _asked(ask: Callable[..., Awaitable[T]], *values: object) -> T | None:
    """Ask the history; None when the store does not answer, or what is asked about is gone."""
    try:
        return engine().portal.call(ask, *values)
    except HubUnreachable:
        session().notice = t("notice.unreachable")
    except UnknownChat:
        session().notice = t("history.not_there")
    return None
