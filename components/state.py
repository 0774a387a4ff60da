"""What a page has: the process's engine, its session, its address."""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

import streamlit as st

from streamlab.agents import Task, UnknownTask
from streamlab.chats import Chat, UnknownChat
from streamlab.engine import Engine, engine_in_thread
from streamlab.events import StreamEvent
from streamlab.hub import Item
from streamlab.settings import load_settings

CHAT_PARAMETER, RUN_PARAMETER = "chat", "run"
RECORDINGS = 20  # that a session keeps

PATIENCE = 0.1  # seconds between two looks at whether a script that follows a run is to stop


@dataclass(frozen=True)
class Recording:
    """A run of the agent whose end is known, or one that was uploaded."""

    name: str
    events: list[StreamEvent]


@dataclass
class Session:
    """What one browser session keeps between reruns, besides its widgets."""

    notice: str | None = None  # a sentence to show once, at the next drawing
    chat_id: str | None = None  # the conversation to come back to from another page
    language_chosen: bool = False  # by the address or in the sidebar; then the address keeps it
    restored: bool = False  # the sidebar was set to the options of the conversation that the address names
    run_id: str | None = None  # the agent's run to come back to from another page
    recordings: dict[str, Recording] = field(default_factory=dict)  # by run id, the newest last


def session() -> Session:
    state: Session = st.session_state.setdefault("session", Session())
    return state


def engine() -> Engine:
    """The server's engine, or one of our own where no server runs (AppTest)."""
    return Engine.running or _own_engine()


@st.cache_resource
def _own_engine() -> Engine:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(engine_in_thread(load_settings()))


@contextmanager
def following(run_id: str) -> Iterator[Iterator[list[Item]]]:
    """The batches of a run's log, from its beginning. Raises UnknownRun."""
    with closing(engine().follow(run_id, PATIENCE)) as batches:
        yield batches


def open_chat(chat_id: str | None) -> None:
    """Show this conversation, or none, from the next drawing on."""
    session().chat_id = chat_id
    if chat_id:
        st.query_params[CHAT_PARAMETER] = chat_id
    else:
        st.query_params.pop(CHAT_PARAMETER, None)


def named_chat() -> str | None:
    """The id of the conversation that the address names."""
    return st.query_params.get(CHAT_PARAMETER)


def find_chat() -> Chat | None:
    """The conversation that the address names, None when it names none or one that is not there."""
    lab = engine()
    chat_id = named_chat()
    try:
        return lab.portal.call(lab.chats.get, chat_id) if chat_id else None
    except UnknownChat:
        return None


def open_run(run_id: str | None) -> None:
    """Show this run on the timeline, or none, from the next drawing on."""
    session().run_id = run_id
    if run_id:
        st.query_params[RUN_PARAMETER] = run_id
    else:
        st.query_params.pop(RUN_PARAMETER, None)


def named_run() -> str | None:
    """The id of the run that the address names, or else that was shown last."""
    return st.query_params.get(RUN_PARAMETER) or session().run_id


def find_task(run_id: str | None) -> Task | None:
    """The agent's run of this id, None when there is none or its time is over."""
    lab = engine()
    try:
        return lab.portal.call(lab.agents.get, run_id) if run_id else None
    except UnknownTask:
        return None


def keep(run_id: str, recording: Recording) -> None:
    """Into the session's list; the oldest leaves when it is full."""
    kept = session().recordings
    kept[run_id] = recording
    while len(kept) > RECORDINGS:
        del kept[next(iter(kept))]
