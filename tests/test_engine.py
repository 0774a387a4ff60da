"""The engine of a process, as script threads and servers use it."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import anyio
import pytest

from streamlab.engine import Engine, engine_in_thread, open_engine
from streamlab.events.event import Done, Event, StreamEvent
from streamlab.hub import UnknownRun
from streamlab.models.options import Options
from streamlab.settings import Settings
from tests.conftest import PATIENCE, check_laws, demo_model, shown, threads_gone
from tests.events import end, of

ENDLESS = {"chunks": 100_000, "rate": 50}


def ask(engine: Engine, **options: Any) -> tuple[str, str]:
    """The ids of a new conversation and of the run that answers in it."""
    chat = engine.portal.call(engine.chats.ask, None, "What is streaming?", Options(demo_model(**options)))
    return chat.id, chat.turns[0].run_id


def read(engine: Engine, run_id: str) -> list[StreamEvent]:
    """The whole log, by a script thread; merged where it lags."""
    with closing(engine.follow(run_id, 0.05)) as batches:
        return [item for batch in batches for item in batch if isinstance(item, Event)]


def test_a_script_thread_follows_a_run_to_its_end(engine: Engine) -> None:
    """Everything, in order, whether it follows live or comes later."""
    _, run_id = ask(engine, chunks=50, rate=200)
    live, late = read(engine, run_id), read(engine, run_id)
    assert shown(live) == shown(late)
    assert len(shown(late)) == 250
    assert live[-1] == late[-1]
    check_laws(engine.portal.call(engine.hub.log(run_id).since, 0))


def test_many_threads_follow_one_run(engine: Engine) -> None:
    """All of them get the same."""
    _, run_id = ask(engine, chunks=50, rate=100)
    with ThreadPoolExecutor(20) as pool:
        texts = set(pool.map(lambda _: shown(read(engine, run_id)), range(20)))
    assert len(texts) == 1
    assert len(texts.pop()) == 250
    assert engine.hub.log(run_id).followers == 0


def test_a_waiting_script_comes_round(engine: Engine) -> None:
    """An empty batch each time its patience ends, so that it can notice that it is to stop."""
    chat_id, run_id = ask(engine, fault="silent")
    with closing(engine.follow(run_id, 0.01)) as batches:
        assert [next(batches) for _ in range(6)].count([]) == 5, "all but the one that says that work has begun"
        assert engine.hub.log(run_id).followers == 1
        engine.portal.call(engine.chats.stop, chat_id)
        events = [item for batch in batches for item in batch]
    assert [event.status for event in of(events, Done)] == ["stopped"]


def test_a_script_that_leaves_no_longer_follows(engine: Engine) -> None:
    """And the run goes on without it."""
    chat_id, run_id = ask(engine, **ENDLESS)
    batches = engine.follow(run_id, 0.05)
    next(batches)
    batches.close()
    log = engine.hub.log(run_id)
    assert log.followers == 0
    assert log.done is None
    engine.portal.call(engine.chats.stop, chat_id)
    assert end(read(engine, run_id)).status == "stopped"


def test_an_unknown_run_is_said_at_the_first_step(engine: Engine) -> None:
    """Before anything is followed."""
    with pytest.raises(UnknownRun):
        next(engine.follow("nobody", 0.05))


def test_leaving_the_engine_ends_runs_threads_and_the_demo_model() -> None:
    """Each log has its end, also for who still follows it; nothing is left running."""
    before = {thread.ident for thread in threading.enumerate()}
    with engine_in_thread(Settings()) as engine:
        _, run_id = ask(engine, **ENDLESS)
        log = engine.hub.log(run_id)
        with closing(engine.follow(run_id, 1)) as batches:
            assert next(filter(None, batches))
        url = engine.models.demo_url
    assert log.done
    assert (log.done.status, log.done.code) == ("stopped", "shutdown")
    assert engine.runs.live == 0
    anyio.run(threads_gone)
    assert not [thread for thread in threading.enumerate() if thread.ident not in before and not thread.daemon]
    assert anyio.run(refuses, url)


async def refuses(url: str) -> bool:
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    with anyio.fail_after(PATIENCE):
        try:
            await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
        except OSError:
            return True
    return False


@pytest.mark.anyio
async def test_the_engine_lives_on_the_loop_of_a_server() -> None:
    """And its settings reach the runs, the conversations and the log."""
    async with open_engine(Settings(lab_max_runs=1, lab_models=("demo", "other"), lab_log_level="debug")) as engine:
        assert await engine.models.names() == ("demo", "other")
        assert logging.getLogger("streamlab").level == logging.DEBUG
        chat = await engine.chats.ask(None, "q", Options(demo_model(text="whole")))
        with anyio.fail_after(PATIENCE), engine.hub.follow(chat.turns[0].run_id) as follower:
            while await follower.batch():
                pass
        outcome = (await engine.chats.get(chat.id)).turns[0].outcome
        assert outcome
        assert outcome.text == "whole"


@pytest.mark.anyio
async def test_the_engine_lets_go_when_its_block_fails() -> None:
    """As when it ends well."""
    with pytest.RaisesGroup(LookupError):  # its portal is a task group
        async with open_engine(Settings()) as engine:
            await engine.chats.ask(None, "q", Options(demo_model(**ENDLESS)))
            raise LookupError
    assert engine.runs.live == 0
    assert await refuses(engine.models.demo_url)
