"""The truth that a question asks for, from what was measured on its page last."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from math import inf

import streamlit as st

from components.page.address import CHAT, MEASUREMENT, RACE, READING, RUN, TRIAL
from components.page.browser import browser
from components.page.lab import engine, find_log
from components.page.presented import shown_now
from components.page.session import session
from components.rooms.questions import LESSON
from streamlab.browsers.items import Items
from streamlab.chats.chat import UnknownChat
from streamlab.chats.history import CONVERSATIONS
from streamlab.events.event import Retry, StreamEvent, TextDelta
from streamlab.events.outcome import Outcome, outcome_of
from streamlab.events.recording import read_lines
from streamlab.events.timings import timings
from streamlab.faults.trials import read_trial
from streamlab.hub import HubUnreachable
from streamlab.hub.listing import Entry
from streamlab.latency.measurement import read_measurement
from streamlab.race.race import whole_of
from streamlab.rooms.board import Board

NOTICED = 0.1  # seconds: people take less for nothing


def measured(lesson: str, board: Board) -> float | None:
    """Return the answer to a question of the lesson, or the number of the choice; None where nothing says it yet."""
    parameter, read = _SOURCES[lesson]
    with suppress(HubUnreachable, UnknownChat):
        id = _newest(parameter, LESSON[lesson].page, board)
        return read(id) if id else None
    return None


def _newest(parameter: str, page: str, board: Board) -> str | None:
    """Return the id of what was shown on the page last: in this session, else to the class, else by this browser."""
    if id := st.query_params.get(parameter) or session().shown.get(parameter):
        return id
    shown = shown_now(board)
    if shown and shown.page == page and parameter in shown.state:
        return shown.state[parameter]
    me = browser()
    entries = engine().portal.call(_LISTS[parameter], me) if me and parameter in _LISTS else []
    return entries[0].key if entries else None


def _sooner(race_id: str) -> float | None:
    """Return how many seconds sooner one could read the answer of a race that streamed."""
    lab = engine()
    turn = lab.portal.call(lab.chats.get, race_id).turns[-1]
    logs = find_log(whole_of(turn)), find_log(turn.run_id)
    firsts = [lab.portal.call(log.outcome).timings.ttft for log in logs if log and log.done]
    whole, streamed = firsts if len(firsts) == len(logs) else (None, None)
    return None if whole is None or streamed is None else round(round(whole, 1) - round(streamed, 1), 1)


def _reload(chat_id: str) -> float | None:
    """Return that it went on, of an answer that came to its end."""
    lab = engine()
    outcome = lab.portal.call(lab.readers.read, chat_id).turns[-1].outcome
    return _choice("reload", "continues") if outcome and outcome.status == "completed" else None


def _chunks(capture_id: str) -> float | None:
    """Return in how many chunks the answer came."""
    found = engine().captures.find(capture_id)
    whole = found.captures[0] if found and not found.running else None
    return float(len(whole.views) + whole.more) if whole and whole.state == "completed" else None


def _cut(trial_id: str) -> float | None:
    """Return what the user saw of an answer that was cut off."""
    item = engine().portal.call(engine().trials.items.find, trial_id)
    if not item or item.live:
        return None
    trial, events = read_trial(item.body)
    return _choice("cut", _seen(outcome_of(events), events)) if trial.fault == "cut" and events else None


def _seen(outcome: Outcome, events: Sequence[StreamEvent]) -> str:
    if outcome.status != "completed":
        return "half" if outcome.text else "nothing"
    first = next((event for event in events if isinstance(event, Retry | TextDelta)), None)
    return "replaced" if outcome.retries and isinstance(first, TextDelta) else "unnoticed"


def _tools(run_id: str) -> float | None:
    """Return after how many seconds the agent's answer began."""
    item = engine().portal.call(engine().agents.recordings.find, run_id)
    found = timings(read_lines(item.body)).ttft if item and not item.live else None
    return None if found is None else round(found, 1)


def _faster(measurement_id: str) -> float | None:
    """Return whether streaming brought the end of the answer sooner, as far as people notice and chance allows."""
    item = engine().portal.call(engine().kept_measurements.items.find, measurement_id)
    if not item or item.live:
        return None
    for found in read_measurement(item.body, inf).summary.comparisons:
        if found.metric == "e2e" and found.base.way == "invoke" and (difference := found.difference):
            if not difference.distinguishable or abs(difference.value) < NOTICED:
                return _choice("faster", "same")
            return _choice("faster", "faster" if difference.value < 0 else "slower")
    return None


def _choice(lesson: str, name: str) -> float:
    return float(LESSON[lesson].choices.index(name))


def _listed(items: Callable[[], Items]) -> Callable[[str], Awaitable[list[Entry]]]:
    return lambda me: items().entries(me, "", 1)


# Of races and captures there is no list.
_LISTS: dict[str, Callable[[str], Awaitable[list[Entry]]]] = {
    CHAT: lambda me: engine().history.entries(me, CONVERSATIONS, "", 1),
    TRIAL: _listed(lambda: engine().trials.items),
    RUN: _listed(lambda: engine().agents.recordings),
    MEASUREMENT: _listed(lambda: engine().kept_measurements.items),
}
_SOURCES: dict[str, tuple[str, Callable[[str], float | None]]] = {
    "sooner": (RACE, _sooner),
    "reload": (CHAT, _reload),
    "chunks": (READING, _chunks),
    "cut": (TRIAL, _cut),
    "tools": (RUN, _tools),
    "faster": (MEASUREMENT, _faster),
}
