"""Chat with a model; the answer outlives every click."""

from contextlib import suppress

import streamlit as st

from components.answer import answer
from components.answer.export import to_json, to_markdown
from components.page import conversations, lesson, questions, sidebar
from components.page.address import CHAT, RUN, find_chat, named, show
from components.page.browser import browser
from components.page.changes import draw_changes
from components.page.lab import engine, find_log, following
from components.page.session import session
from components.page.texts import t
from components.page.widgets import button, download
from streamlab.agent.graph import chat_agent
from streamlab.chats.chat import Busy, Chat, Turn
from streamlab.engine import Engine
from streamlab.hub import HubUnreachable
from streamlab.runs.chain import chat_chain
from streamlab.runs.run import Runs

SUGGESTIONS = ("one", "two", "three", "four")
WITH_TOOLS = ("parallel", "two_tools", "table")

lab = engine()


def ask(question: str) -> None:
    options = sidebar.options()

    def answer() -> Chat:
        known = find_chat()
        return lab.portal.call(lab.chats.ask, known.id if known else None, question, options, (), browser() or "")

    if chat := questions.started([options.model], answer):
        show(CHAT, chat.id)


def regenerate(chat: Chat) -> None:
    options = sidebar.options()

    def answer_anew() -> None:
        with suppress(Busy):  # another browser was faster; its answer shows
            lab.portal.call(lab.chats.regenerate, chat.id, options)

    questions.started([options.model], answer_anew)


def stop(chat: Chat) -> None:
    try:
        lab.portal.call(lab.chats.stop, chat.id)
    except HubUnreachable:
        session().notice = t("chat.unreachable")


def draw_suggestions() -> None:
    if sidebar.options().tools:
        suggestions = {name: t(f"timeline.suggestion_{name}") for name in WITH_TOOLS}
    else:
        suggestions = {name: t(f"suggestions.{name}") for name in SUGGESTIONS}
    questions.draw_suggestions("chat.suggestion", suggestions, ask)


def draw_answer(chat: Chat, turn: Turn) -> None:
    with st.chat_message("assistant", avatar=":material/smart_toy:"):
        if turn.outcome:
            answer.draw_outcome(turn.outcome)
            answer.draw_ending(turn.outcome, turn.options.model)
            again_place = st.empty()  # also where nothing comes: the last answer's button goes with the next question
            if turn.run_id == chat.turns[-1].run_id:
                with again_place.container(horizontal=True, vertical_alignment="center"):
                    draw_again(chat, failed=turn.outcome.status in ("failed", "lost"))
                    if turn.options.tools and find_log(turn.run_id):  # as long as the run's log is there
                        page, icon, query = "../pages/timeline.py", ":material/view_timeline:", {RUN: turn.run_id}
                        st.page_link(page, label=t("chat.timeline"), icon=icon, query_params=query)
        else:
            with following(turn.run_id) as batches:
                answer.follow(batches)
            stop_place.empty()
            # Drawn anew from its outcome: what stands where it will stay is not doubled while the next one arrives.
            st.rerun()


def draw_again(chat: Chat, *, failed: bool) -> None:
    name, icon, kind = ("retry", "refresh", "primary") if failed else ("regenerate", "restart_alt", "tertiary")
    button(f"chat.{name}", icon, regenerate, chat, key="chat.again", type=kind, help=t("chat.regenerate_help"))


answers = chat_agent if sidebar.options().tools else chat_chain
lesson.draw_title("chat", (answers, Runs.start, Engine.follow), tried=session().came_back)
chat_id = named(CHAT)
current, away = None, False
try:
    current = find_chat()
except HubUnreachable:
    away = True
    st.warning(t("chat.unreachable"), icon=":material/cloud_off:")
invitation = st.empty()  # also in a chat: otherwise what stands below would be there twice while an answer arrives
if not current and not away:
    with invitation.container():
        st.markdown(t("chat.what"))
        if chat_id:
            conversations.draw_gone(chat_id)
        draw_suggestions()
with st.container(horizontal=True, vertical_alignment="center"):
    if current:
        button("chat.new", "add_comment", show, CHAT, None)
    export_place = st.empty()  # its files are made at the end
    sidebar.draw_tools_switch()
stop_place = st.bottom.empty()
questions.draw_input("chat.input", t("chat.input"), ask, st.bottom)
if current and current.live:  # before any text: what a live answer can be told is there first
    button("chat.stop", "stop_circle", stop, current, place=stop_place)
if chat_id:
    draw_changes(CHAT, chat_id, current.version if current else "")
if current:
    for turn in current.turns:
        questions.draw_question(turn.question)
        draw_answer(current, turn)
    with suppress(HubUnreachable):
        current = find_chat() or current
    with export_place, st.popover(t("chat.export"), icon=":material/download:"):
        name = f"streaming-lab-{current.id[:8]}"
        download("chat.export_markdown", to_markdown(current), f"{name}.md", "text/markdown")
        download("chat.export_json", to_json(current), f"{name}.json", "application/json")
