"""Runs that are stopped: by whoever, whenever, and by nobody's following."""

import asyncio
from typing import Any

import anyio
import pytest

from streamlab.models.failures import Failure
from tests.attempts import ENDLESS, Script, delta, ended_by, types
from tests.conftest import PATIENCE, Asked, Lab, MakeLab, check_laws, demo_model, shown, threads_gone, until
from tests.events import end

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("options", "type"),
    [
        ({"first": 600}, None),
        ({"fault": "silent"}, None),
        (ENDLESS, "text_delta"),
        ({"fault": "stall", "after": 3}, "text_delta"),
        (ENDLESS | {"reasoning": True, "rate": 5}, "thinking"),
    ],
)
async def test_stop_reaches_the_model(lab: Lab, asked: Asked, options: dict[str, Any], type: str | None) -> None:
    """At any moment: before its headers, before its first token, in the middle, in a stall. It stops writing."""
    model = demo_model(**options)
    run_id = lab.start(model)
    if type:
        await lab.until(run_id, type, 1 + (type == "thinking"))  # the first says that work has begun
    else:
        await asked(model, 1, ended=False)
    lab.runs.stop(run_id)
    events = await lab.read(run_id)
    assert (end(events).status, end(events).code) == ("stopped", None)
    assert ended_by(await asked(model)) == ["disconnected"]
    assert lab.outcomes[run_id].text == shown(events)
    await threads_gone()


async def test_stop_before_anything_has_begun(lab: Lab, asked: Asked) -> None:
    """The run ends in the same way; nobody at the model writes on."""
    model = demo_model(**ENDLESS)
    run_id = lab.start(model)
    lab.runs.stop(run_id)
    events = await lab.read(run_id)
    assert types(events) == ["thinking", "done"]
    assert end(events).status == "stopped"
    await threads_gone()
    assert set(ended_by(await asked(model))) <= {"disconnected"}


async def test_stopping_twice_is_stopping_once(lab: Lab) -> None:
    """The first reason counts."""
    run_id = lab.start(demo_model(**ENDLESS))
    await lab.until(run_id, "text_delta")
    lab.runs.stop(run_id, "unwatched")
    lab.runs.stop(run_id)
    assert end(await lab.read(run_id)).code == "unwatched"


async def test_stopping_what_has_ended_or_never_was_changes_nothing(lab: Lab) -> None:
    """A click may come late."""
    run_id = lab.start(demo_model(text="whole"))
    events = await lab.read(run_id)
    lab.runs.stop(run_id)
    lab.runs.stop("nobody")
    await anyio.wait_all_tasks_blocked()
    assert lab.hub.log(run_id).since(0) == events
    assert end(events).status == "completed"


async def test_stop_while_waiting_for_the_next_attempt(lab: Lab, asked: Asked) -> None:
    """The wait is given up, no further request is made."""
    model = demo_model(fault="rate_limit", retry_after=15)
    run_id = lab.start(model)
    await lab.until(run_id, "retry")
    lab.runs.stop(run_id)
    events = await lab.read(run_id)
    assert types(events) == ["thinking", "retry", "done"]
    assert end(events).status == "stopped"
    assert len(await asked(model)) == 1


async def test_stop_in_the_second_attempt_keeps_only_its_text(lab: Lab, asked: Asked) -> None:
    """What the first wrote is void, also when the run is stopped."""
    first, second = Script([delta("void"), Failure("connection_lost")]), Script([delta("kept"), PATIENCE])
    left = iter([first, second])
    run_id = lab.runs.start(lambda: next(left), lambda outcome: lab.outcomes.update({run_id: outcome}))
    await lab.until(run_id, "text_delta", 2)
    lab.runs.stop(run_id)
    await lab.read(run_id)
    assert (lab.outcomes[run_id].text, lab.outcomes[run_id].retries) == ("kept", 1)


async def test_a_run_that_nobody_follows_is_stopped(make_lab: MakeLab, asked: Asked) -> None:
    """After a while, with its reason; one that is followed goes on until its follower leaves."""
    lab = make_lab(unwatched=2)
    watch = asyncio.create_task(lab.runs.watch())
    alone, followed = demo_model(**ENDLESS), demo_model(**ENDLESS)
    lonely_run, followed_run = lab.start(alone), lab.start(followed)
    with lab.hub.follow(followed_run):
        await lab.until(lonely_run, "done")
        assert ended_by(await asked(alone)) == ["disconnected"]
        assert ended_by(await asked(followed, ended=False)) == ["running"]
        assert lab.runs.live == 1
    await lab.until(followed_run, "done")
    for run_id in (lonely_run, followed_run):
        done = end(await lab.read(run_id))
        assert (done.status, done.code) == ("stopped", "unwatched")
    watch.cancel()


async def test_a_run_may_need_no_follower(make_lab: MakeLab) -> None:
    """With "never" it is left alone, however long nobody looks."""
    lab = make_lab(unwatched=None)
    watch = asyncio.create_task(lab.runs.watch())
    run_id = lab.start(demo_model(chunks=100, rate=80))  # longer than the watch takes to look
    await lab.until(run_id, "done")
    assert end(await lab.read(run_id)).status == "completed"
    watch.cancel()


async def test_the_watch_lets_go_of_old_logs(make_lab: MakeLab) -> None:
    """A finished run that nobody follows leaves the hub when its time is over."""
    lab = make_lab()
    run_id = lab.start(demo_model(text="whole"))
    await lab.read(run_id)
    lab.hub.log(run_id).began -= 301
    watch = asyncio.create_task(lab.runs.watch())
    await until(lambda: not len(lab.hub))
    watch.cancel()


async def test_close_ends_every_log(make_lab: MakeLab, asked: Asked) -> None:
    """Runs that are silent, writing or waiting to try again: each has its end and its outcome when it returns."""
    lab = make_lab()
    models = [demo_model(first=600), demo_model(**ENDLESS), demo_model(fault="rate_limit", retry_after=15)]
    run_ids = [lab.start(model) for model in models]
    await lab.until(run_ids[1], "text_delta")
    await lab.until(run_ids[2], "retry")
    await asked(models[0], 1, ended=False)
    await lab.runs.close()
    for run_id in run_ids:
        events = lab.hub.log(run_id).since(0)
        check_laws(events)
        assert (end(events).status, end(events).code) == ("stopped", "shutdown")
    assert set(lab.outcomes) == set(run_ids)
    assert lab.runs.live == 0
    assert ended_by(await asked(models[0])) == ended_by(await asked(models[1])) == ["disconnected"]
    await threads_gone()
