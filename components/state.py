"""What a page has: the process's engine, its session, its address."""

import atexit
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

import streamlit as st

from streamlab.agents import Task, UnknownTask
from streamlab.chats import Chat, UnknownChat
from streamlab.comparisons import Comparison, UnknownComparison
from streamlab.engine import Engine, engine_in_thread
from streamlab.events import StreamEvent
from streamlab.gateway.gateway import Gateway
from streamlab.hub import HubFull, HubUnreachable, Item, Log, UnknownRun
from streamlab.latency.measurement import Measurement
from streamlab.measurements import Measuring, UnknownMeasurement
from streamlab.readings import ReadingSet, UnknownReading
from streamlab.settings import load_settings
from streamlab.trials import Trial, UnknownTrial

if TYPE_CHECKING:  # what speaks gRPC takes a while to load
    from components.relay_follower import GrpcFollower

CHAT, RUN, MEASUREMENT, COMPARISON = "chat", "run", "measurement", "comparison"  # parameters of the address
TRIAL, READING = "trial", "reading"
Refusal = Literal["empty", "wrong", "too_many"]
KEPT = 20  # recordings, and measurements, of a session

T = TypeVar("T")

PATIENCE = 0.1  # seconds between two looks at whether a script that follows a run is to stop


@dataclass(frozen=True)
class Recording:
    """A run of the agent whose end is known, or one that was uploaded."""

    name: str
    events: list[StreamEvent]


@dataclass(frozen=True)
class Measured:
    """A measurement whose end is known, or one that was uploaded."""

    name: str
    measurement: Measurement


@dataclass(frozen=True)
class Tried:
    """A trial of the faults page; its events once it has ended."""

    trial: Trial
    events: list[StreamEvent] | None = None


@dataclass
class Session:
    """What one browser session keeps between reruns, besides its widgets."""

    notice: str | None = None  # a sentence to show once, at the next drawing
    shown: dict[str, str] = field(default_factory=dict)  # parameter -> the id to come back to from another page
    language_chosen: bool = False  # by the address or in the sidebar; then the address keeps it
    came_back: bool = False  # the session began at a conversation whose answer was live
    tried: set[str] = field(default_factory=set)  # pages whose task has been done
    admitted: bool = False  # the access code was given, here or before in the same browser
    ticket: str | None = None  # for the browser to keep, if it was given here
    refusal: Refusal | None = None  # why the last code that was entered did not open anything
    restored: bool = False  # the sidebar was set to the options of the conversation that the address names
    recordings: dict[str, Recording] = field(default_factory=dict)  # by run id, the newest last
    measurements: dict[str, Measured] = field(default_factory=dict)  # by id, the newest last
    trials: dict[str, Tried] = field(default_factory=dict)  # by run id, the newest last
    relayed: str | None = None  # the run to come back to on the page that shows it at several clients
    follower: "GrpcFollower | None" = None  # there, this session's client over gRPC
    follower_left: bool = False


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


def gateway() -> Gateway:
    """What serves the engine's runs to other clients, or one without any where no server runs (AppTest)."""
    return Gateway.running or _idle_gateway(engine())


@st.cache_resource(hash_funcs={Engine: id})
def _idle_gateway(lab: Engine) -> Gateway:
    return Gateway(lab)


@contextmanager
def following(run_id: str) -> Iterator[Iterator[list[Item]]]:
    """The batches of a run's log, from its beginning. Raises UnknownRun."""
    with closing(engine().follow(run_id, PATIENCE)) as batches:
        yield batches


def give_way() -> None:
    """Reading the session's state is where Streamlit interrupts a script that draws nothing in the meantime."""
    _ = "session" in st.session_state


def rest(seconds: float) -> None:
    """Wait, and let a click end the script meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, PATIENCE))
        give_way()


def show(parameter: str, id: str | None) -> None:
    """Show this conversation, run, measurement or comparison, or none, from the next drawing on."""
    if id:
        session().shown[parameter] = st.query_params[parameter] = id
    else:
        session().shown.pop(parameter, None)
        st.query_params.pop(parameter, None)


def named(parameter: str) -> str | None:
    """The id that the address names, or else the one that was shown last."""
    return st.query_params.get(parameter) or session().shown.get(parameter)


def find_chat() -> Chat | None:
    """The conversation that the address names, None when it names none or one that is not there.

    Raises HubUnreachable.
    """
    lab = engine()
    chat_id = st.query_params.get(CHAT)
    try:
        return lab.portal.call(lab.chats.get, chat_id) if chat_id else None
    except UnknownChat:
        return None


def find_task(run_id: str | None) -> Task | None:
    """The agent's run of this id, None when there is none or its time is over."""
    lab = engine()
    try:
        return lab.portal.call(lab.agents.get, run_id) if run_id else None
    except UnknownTask:
        return None


def find_measuring(measurement_id: str | None) -> Measuring | None:
    """The measurement of this id that this server made or makes, None when there is none or others came since."""
    try:
        return engine().measurements.get(measurement_id) if measurement_id else None
    except UnknownMeasurement:
        return None


def find_comparison(comparison_id: str | None) -> Comparison | None:
    """The comparison of this id as it stands, None when there is none or others came since. Looking keeps it going."""
    lab = engine()
    try:
        return lab.portal.call(lab.comparisons.get, comparison_id) if comparison_id else None
    except UnknownComparison:
        return None


def find_trial(run_id: str | None) -> Trial | None:
    """The trial of this id, None when there is none or its time is over."""
    lab = engine()
    try:
        return lab.portal.call(lab.trials.get, run_id) if run_id else None
    except UnknownTrial:
        return None


def find_reading(reading_id: str | None) -> ReadingSet | None:
    """The set of readings of this id as it stands, None when there is none or others came since."""
    try:
        return engine().readings.get(reading_id) if reading_id else None
    except UnknownReading:
        return None


def find_log(run_id: str | None) -> Log | None:
    """The log of any run, None when there is none, its time is over or it cannot be had."""
    lab = engine()
    try:
        return lab.portal.call(lab.hub.open, run_id) if run_id else None
    except (UnknownRun, HubFull, HubUnreachable):
        return None


def keep(run_id: str, recording: Recording) -> None:
    """Into the session's list; the oldest leaves when it is full."""
    _keep(session().recordings, run_id, recording)


def keep_measurement(measurement_id: str, measured: Measured) -> None:
    _keep(session().measurements, measurement_id, measured)


def keep_trial(tried: Tried) -> None:
    _keep(session().trials, tried.trial.run_id, tried)


def _keep(kept: dict[str, T], id: str, item: T) -> None:
    kept[id] = item
    while len(kept) > KEPT:
        del kept[next(iter(kept))]
