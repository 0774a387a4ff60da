"""Chat with a model; the answer outlives every click."""

from contextlib import suppress

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer import answer
from components.answer.export import draw_export
from components.chat import actions, attachments, share
from components.chat import questions as chat_questions
from components.chat.viewing import viewed
from components.page import conversations, lesson, questions, settings
from components.page.address import CHAT, find_chat, named, show
from components.page.browser import browser
from components.page.changes import draw_changes
from components.page.keys import draw_keys
from components.page.lab import engine, following
from components.page.session import session
from components.page.texts import t
from components.page.widgets import button
from components.prompts import improvement
from streamlab.agent.graph import chat_agent
from streamlab.attachments.files import File
from streamlab.chats.chat import Busy, Chat, Turn, UnknownChat
from streamlab.chats.readers import is_reader
from streamlab.engine import Engine
from streamlab.hub import HubUnreachable
from streamlab.local_model import LOCAL
from streamlab.runs.chain import chat_chain
from streamlab.runs.run import Runs

SUGGESTIONS = ("one", "two", "three", "four")
LOCAL_SUGGESTIONS = {  # in English on any page, which is what the model can
    "one": "Write a short story about a lighthouse keeper and a cat.",
    "two": "Explain to a child why it rains.",
    "three": "Write a polite email that moves a meeting to Friday.",
    "four": "Give me five names for a small bakery.",
}
WITH_TOOLS = ("parallel", "two_tools", "table")

lab = engine()


def ask(question: str) -> None:
    known, after = None, None
    with suppress(HubUnreachable):  # which is said where the question is asked
        known = find_chat()
    if known and (turns := viewed(known)) != known.turns:
        after = turns[-1].run_id
    if begin(known.id if known else None, question, after, session().attached):
        session().attached = ()


def ask_instead(question: str, after: str, turn: Turn) -> None:
    """Ask an edited question, after the turn of a run; what went with it goes with this one, too."""
    begin(st.query_params.get(CHAT), question, after, tuple(attachments.files_of(turn.attachments).values()))


def begin(chat_id: str | None, question: str, after: str | None, files: tuple[File, ...]) -> Chat | None:
    options, me = settings.options(), browser() or ""

    def answer() -> Chat:
        return lab.portal.call(lab.chats.ask, chat_id, question, options, (), me, "", after, files)

    chat = questions.started([options.model], answer)
    if chat:
        show(CHAT, chat.id)
    return chat


def regenerate(chat: Chat, turn: Turn) -> None:
    options = settings.options()

    def answer_anew() -> None:
        with suppress(Busy):  # another browser was faster; its answer shows
            lab.portal.call(lab.chats.regenerate, chat.id, options, turn.run_id)

    questions.started([options.model], answer_anew)


def stop(chat: Chat) -> None:
    try:
        lab.portal.call(lab.chats.stop, chat.id)
    except HubUnreachable:
        session().notice = t("chat.unreachable")
    except UnknownChat:
        session().notice = t("notice.read_only")


def draw_suggestions() -> None:
    if settings.options().tools:
        suggestions = {name: t(f"timeline.suggestion_{name}") for name in WITH_TOOLS}
    elif settings.options().model == LOCAL:
        suggestions = LOCAL_SUGGESTIONS
    else:
        suggestions = {name: t(f"suggestions.{name}") for name in SUGGESTIONS}
    questions.draw_suggestions("chat.suggestion", suggestions, ask)


def draw_answer(chat: Chat, turn: Turn, *, last: bool) -> None:
    with st.chat_message("assistant", avatar=":material/smart_toy:"):
        body, beneath = st.empty(), st.empty()
        if turn.outcome:
            with body.container():
                answer.draw_outcome(turn.outcome)
            draw_beneath(chat, turn, beneath, last=last)
            return
        if not is_reader(chat.id):  # before any text, and where the row of actions will be
            button("chat.stop", "stop_circle", stop, chat, place=beneath)
        with body.container(), following(turn.run_id) as batches:
            taken = answer.follow(batches, model=turn.options.model)
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
    draw_beneath(now, now.turns[-1], beneath, last=True)


def draw_beneath(chat: Chat, turn: Turn, place: DeltaGenerator, *, last: bool) -> None:
    """Draw how the answer ended, its figures, and the row of what can be done with it."""
    if turn.outcome:
        with place.container():
            answer.draw_ending(turn.outcome, turn.options.model)
            actions.draw(chat, turn, regenerate, last=last)


answers = chat_agent if settings.options().tools else chat_chain
lesson.draw_title("chat", (answers, Runs.start, Engine.follow), tried=session().came_back)
chat_id = named(CHAT)
current, away = None, False
try:
    current = find_chat()
except HubUnreachable:
    away = True
    st.warning(t("chat.unreachable"), icon=":material/cloud_off:")
can_ask = not (current and is_reader(current.id))
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
    if can_ask:
        improvement.draw()
        settings.draw(draw_keys, tools=True)
    else:
        st.info(t("chat.read_only"), icon=":material/visibility:")
if can_ask:
    questions.draw_input("chat.input", t("chat.input"), ask, notices, files=True)
if chat_id:
    draw_changes(CHAT, chat_id, *(current.versions if current else [""]))
if current:
    turns = viewed(current)
    share.draw(current)
    with toolbar.container(horizontal=True, vertical_alignment="center"):
        button("chat.new", "add_comment", show, CHAT, None)
        if can_ask or not current.live:  # the file names the runs, and a live one can be stopped by who knows it
            draw_export(current, turns, attachments.files_of)
    actions.name_all(turns)
    for turn in turns:
        chat_questions.draw(current, turn, ask_instead, can_ask=can_ask)
        draw_answer(current, turn, last=turn is turns[-1])
