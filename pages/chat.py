"""Chat with a model; the answer outlives every click."""

from contextlib import suppress

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer import answer
from components.answer.export import draw_export
from components.page import conversations, lesson, questions, settings
from components.page.address import CHAT, RUN, find_chat, named, show
from components.page.browser import browser
from components.page.changes import draw_changes
from components.page.lab import engine, find_log, following
from components.page.session import session
from components.page.texts import t
from components.page.widgets import button
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
    options = settings.options()

    def answer() -> Chat:
        known = find_chat()
        return lab.portal.call(lab.chats.ask, known.id if known else None, question, options, (), browser() or "")

    if chat := questions.started([options.model], answer):
        show(CHAT, chat.id)


def regenerate(chat: Chat) -> None:
    options = settings.options()

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
    if settings.options().tools:
        suggestions = {name: t(f"timeline.suggestion_{name}") for name in WITH_TOOLS}
    else:
        suggestions = {name: t(f"suggestions.{name}") for name in SUGGESTIONS}
    questions.draw_suggestions("chat.suggestion", suggestions, ask)


def draw_answer(chat: Chat, turn: Turn) -> None:
    with st.chat_message("assistant", avatar=":material/smart_toy:"):
        body, beneath = st.empty(), st.empty()
        if turn.outcome:
            with body.container():
                answer.draw_outcome(turn.outcome)
            draw_beneath(chat, turn, beneath)
            return
        # Before any text, and where the row of actions will be. What else the page has is drawn already.
        button("chat.stop", "stop_circle", stop, chat, place=beneath)
        with body.container(), following(turn.run_id) as batches:
            taken = answer.follow(batches)
        finish(chat, body, beneath, taken)


def finish(chat: Chat, body: DeltaGenerator, beneath: DeltaGenerator, taken: int) -> None:
    """Draw the end of an answer that was followed where it stands: to run the page again would hold up other pages.

    Where more has changed than that it ended, the page is run again all the same.
    """
    now = None
    with suppress(HubUnreachable):
        now = find_chat()
    outcome = now.turns[-1].outcome if now else None
    if now is None or outcome is None or now.version not in chat.versions:
        st.rerun()
    if outcome.thinking or outcome.tools or taken > answer.PLAIN:
        with body.container():
            answer.draw_outcome(outcome, taken)
    draw_beneath(now, now.turns[-1], beneath)


def draw_beneath(chat: Chat, turn: Turn, place: DeltaGenerator) -> None:
    """Draw how the answer ended, its figures, and the row of what can be done with it."""
    if not turn.outcome:
        return
    with place.container():
        answer.draw_ending(turn.outcome, turn.options.model)
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            again_place = st.empty()  # also where nothing comes: the last answer's button goes with the next question
            if turn.run_id == chat.turns[-1].run_id:
                draw_again(chat, again_place, failed=turn.outcome.status in ("failed", "lost"))
            if turn.options.tools and find_log(turn.run_id):  # as long as the run's log is there
                page, icon, query = "../pages/timeline.py", ":material/view_timeline:", {RUN: turn.run_id}
                st.page_link(page, label=t("chat.timeline"), icon=icon, query_params=query)


def draw_again(chat: Chat, place: DeltaGenerator, *, failed: bool) -> None:
    name, icon, kind = ("retry", "refresh", "primary") if failed else ("regenerate", "restart_alt", "tertiary")
    look = {"key": "chat.again", "type": kind, "help": t("chat.regenerate_help")}
    button(f"chat.{name}", icon, regenerate, chat, place=place, **look)


answers = chat_agent if settings.options().tools else chat_chain
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
toolbar = st.empty()  # likewise
notices = st.bottom.container()
with st.bottom.container():
    settings.draw(tools=True)
questions.draw_input("chat.input", t("chat.input"), ask, notices)
if chat_id:
    draw_changes(CHAT, chat_id, *(current.versions if current else [""]))
if current:
    with toolbar.container(horizontal=True, vertical_alignment="center"):
        button("chat.new", "add_comment", show, CHAT, None)
        draw_export(current)
    for turn in current.turns:
        questions.draw_question(turn.question)
        draw_answer(current, turn)
