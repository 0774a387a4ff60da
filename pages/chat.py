"""Chat with a model; the answer outlives every click."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components import answer, sidebar
from components.export import to_json, to_markdown
from components.state import engine, find_chat, following, named_chat, open_chat, session
from components.texts import t
from streamlab.chats import QUESTION_CHARACTERS, Busy, Chat, InvalidQuestion, Turn
from streamlab.hub import HubFull
from streamlab.runs import TooManyRuns

INPUT_KEY = "chat.input"
SUGGESTIONS = ("one", "two", "three", "four")

lab = engine()


def ask(question: str) -> None:
    """Start the answer; a question that cannot be asked now leaves a notice."""
    known = find_chat()
    try:
        chat = lab.portal.call(lab.chats.ask, known.id if known else None, question, sidebar.options())
    except InvalidQuestion as error:
        session().notice = t(f"notice.{error.code}", length=f"{error.length:,}", limit=f"{QUESTION_CHARACTERS:,}")
    except Busy:
        session().notice = t("notice.busy")
    except (TooManyRuns, HubFull):
        session().notice = t("notice.too_many")
    else:
        open_chat(chat.id)


def submit() -> None:
    question = st.session_state[INPUT_KEY]
    ask(question)
    if session().notice:
        st.session_state[INPUT_KEY] = question  # back into the box: nothing that was written is lost


def regenerate(chat: Chat) -> None:
    try:
        lab.portal.call(lab.chats.regenerate, chat.id, sidebar.options())
    except Busy:
        pass  # another browser was faster; its answer shows
    except (TooManyRuns, HubFull):
        session().notice = t("notice.too_many")


def stop(chat: Chat) -> None:
    lab.portal.call(lab.chats.stop, chat.id)


def draw_toolbar() -> DeltaGenerator:
    """A new chat, and a place for the export, whose files are made when the answer has ended."""
    with st.container(horizontal=True):
        st.button(t("chat.new"), key="chat.new", icon=":material/add_comment:", on_click=open_chat, args=(None,))
        return st.empty()


def draw_export(chat: Chat) -> None:
    with st.popover(t("chat.export"), icon=":material/download:"):
        for label, make, ending, mime in (
            (t("chat.export_markdown"), to_markdown, "md", "text/markdown"),
            (t("chat.export_json"), to_json, "json", "application/json"),
        ):
            st.download_button(
                label, make(chat), f"streaming-lab-{chat.id[:8]}.{ending}", mime, on_click="ignore", width="stretch"
            )


def draw_suggestions() -> None:
    st.caption(t("chat.suggest"))
    with st.container(horizontal=True):
        for name in SUGGESTIONS:
            text = t(f"suggestions.{name}")
            st.button(text, key=f"chat.suggestion.{name}", on_click=ask, args=(text,), wrap=True)


def draw_answer(chat: Chat, turn: Turn) -> None:
    with st.chat_message("assistant", avatar=":material/smart_toy:"):
        if turn.outcome:
            answer.draw_outcome(turn, turn.outcome)
            answer.draw_ending(turn, turn.outcome)
            again_place = st.empty()  # also where nothing comes: the last answer's button goes with the next question
            if turn.run_id == chat.turns[-1].run_id:
                with again_place:
                    draw_again(chat, failed=turn.outcome.status in ("failed", "lost"))
        else:
            follow(chat, turn)
            # Drawn anew from its outcome: what stands where it will stay is not doubled while the next one arrives.
            st.rerun()


def draw_again(chat: Chat, *, failed: bool) -> None:
    name, icon = ("retry", ":material/refresh:") if failed else ("regenerate", ":material/restart_alt:")
    st.button(
        t(f"chat.{name}"),
        key="chat.again",
        icon=icon,
        type="primary" if failed else "tertiary",
        help=t("chat.regenerate_help"),
        on_click=regenerate,
        args=(chat,),
    )


def follow(chat: Chat, turn: Turn) -> None:
    """Draw the live answer to its end."""
    stop_place.button(
        t("chat.stop"),
        key="chat.stop",
        icon=":material/stop_circle:",
        help=t("chat.stop_help"),
        on_click=stop,
        args=(chat,),
    )
    with following(turn.run_id) as batches:
        answer.follow(batches)
    stop_place.empty()


st.header(t("chat.title"))
open_chat(named_chat() or session().chat_id)
current = find_chat()
if current:
    export_place = draw_toolbar()
else:
    st.markdown(t("chat.what"))
    if named_chat():
        st.warning(t("chat.unknown"), icon=":material/link_off:")
    draw_suggestions()
stop_place = st.bottom.empty()
if notice := session().notice:
    st.bottom.warning(notice, icon=":material/info:")
    session().notice = None
st.chat_input(t("chat.input"), key=INPUT_KEY, on_submit=submit)
if current:
    for turn in current.turns:
        answer.draw_question(turn)
        draw_answer(current, turn)
    with export_place:
        draw_export(find_chat() or current)
