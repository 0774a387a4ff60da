"""The process's engine and gateway, for the threads in which pages run."""

import atexit
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing

import streamlit as st

from streamlab.engine import UNAVAILABLE, Engine, engine_in_thread
from streamlab.gateway.gateway import Gateway
from streamlab.hub import HubFull, HubUnreachable, Item, Log, UnknownRun
from streamlab.settings import load_settings

POLL_INTERVAL = 0.1  # seconds between two looks at whether a script that follows a run is to stop


def engine() -> Engine:
    """Return the server's engine, or one of our own where no server runs (AppTest)."""
    return Engine.running or _own_engine()


@st.cache_resource
def _own_engine() -> Engine:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(engine_in_thread(load_settings()))


def gateway() -> Gateway:
    """Return the gateway that serves the engine's runs, or an idle one where no server runs (AppTest)."""
    return Gateway.running or _idle_gateway(engine())


@st.cache_resource(hash_funcs={Engine: id})
def _idle_gateway(lab: Engine) -> Gateway:
    return Gateway(lab)


def following(run_id: str, poll_interval: float = POLL_INTERVAL) -> AbstractContextManager[Iterator[list[Item]]]:
    """Follow the batches of a run's log, from its beginning.

    Where there is no such log, the script is run again a moment later: what tells of the run is known before its log is
    there, and tells in time that it was lost.
    """
    return closing(_batches(run_id, poll_interval))


def _batches(run_id: str, poll_interval: float) -> Generator[list[Item]]:
    try:
        yield from engine().follow(run_id, poll_interval)
    except UnknownRun:
        sleep(UNAVAILABLE)
        st.rerun()


def find_log(run_id: str | None) -> Log | None:
    """Return the log of a run; None when it is unknown, expired or unavailable."""
    lab = engine()
    try:
        return lab.portal.call(lab.hub.open, run_id) if run_id else None
    except (UnknownRun, HubFull, HubUnreachable):
        return None


def await_log(run_id: str) -> Log:
    """Return the log of a live run; while it cannot be had, run the script again a moment later."""
    log = find_log(run_id)
    if log is None:
        sleep(UNAVAILABLE)
        st.rerun()
    return log


def give_way() -> None:
    """Let a click end the script: Streamlit interrupts one that draws nothing when it reads the session's state."""
    _ = "session" in st.session_state


def sleep(seconds: float) -> None:
    """Wait, and let a click end the script meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, POLL_INTERVAL))
        give_way()
