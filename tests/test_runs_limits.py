"""The limits of runs: in time, and in number."""

import asyncio
from dataclasses import replace

import pytest

from streamlab.hub import HubFull, MemoryHub
from streamlab.runs.run import RunLimits, Runs, TooManyRuns
from tests.attempts import ENDLESS, TEXT, Script, codes, ended_by, types
from tests.conftest import Asked, Lab, MakeLab, demo_model, shown
from tests.events import answer, end

pytestmark = pytest.mark.anyio


# Time limits


async def test_a_silent_model_is_a_timeout(make_lab: MakeLab, asked: Asked) -> None:
    """Without a first token in time the attempt ends, at the model too, and the next begins."""
    model = demo_model(fault="silent")
    events = await make_lab(first_token=2, attempts=2).run(model)
    assert types(events) == ["thinking", "retry", "error", "done"]
    assert codes(events) == ["timeout", "timeout"]
    assert ended_by(await asked(model)) == ["disconnected"] * 2


async def test_chunks_without_text_do_not_count_as_a_token(make_lab: MakeLab) -> None:
    """A role, or a chunk without choices, is no sign of an answer."""
    events = await make_lab(first_token=0.5, attempts=1).run(
        demo_model(fault="stall", after=0, empty_first=True, comments=True)
    )
    assert codes(events) == ["timeout"]


async def test_silence_in_the_middle_is_a_timeout(make_lab: MakeLab, asked: Asked) -> None:
    """What was written is void, and the next attempt answers whole."""
    model = demo_model(text=TEXT, size=4, fault="stall", after=3, times=1)
    events = await make_lab(silence=2).run(model)
    assert codes(events) == ["timeout"]
    assert shown(events[: types(events).index("retry")]) == TEXT[:12]
    assert answer(events) == TEXT
    assert ended_by(await asked(model)) == ["disconnected", "completed"]


async def test_slow_is_not_silent(make_lab: MakeLab) -> None:
    """The limits are between chunks: an answer may take longer than both of them together."""
    events = await make_lab(first_token=1, silence=1).run(demo_model(chunks=25, rate=10))
    assert end(events).status == "completed"
    assert events[-1].at > 2


async def test_the_whole_run_has_a_limit(make_lab: MakeLab, asked: Asked) -> None:
    """However steadily it writes; the text so far stays, and nothing is tried again."""
    model = demo_model(**ENDLESS)
    lab = make_lab(total=3)
    events = await lab.run(model)
    assert types(events)[-2:] == ["error", "done"]
    assert codes(events) == ["timeout"]
    assert ended_by(await asked(model)) == ["disconnected"]
    (outcome,) = lab.outcomes.values()
    assert outcome.text == shown(events) != ""


async def test_the_limit_of_the_run_ends_a_wait_between_attempts(make_lab: MakeLab) -> None:
    """Attempts that time out one after the other do not add up beyond it."""
    events = await make_lab(total=1, first_token=0.4, attempts=10).run(demo_model(fault="silent"))
    assert codes(events)[-1] == "timeout"
    assert types(events).count("retry") < 5


async def test_a_run_may_have_limits_of_its_own(lab: Lab) -> None:
    """They hold for that run and no other."""
    model = demo_model(fault="error")
    own = replace(lab.runs.limits, attempts=2)
    run_id = lab.runs.start(lambda: lab.attempt(model), limits=own)
    assert len(codes(await lab.read(run_id))) == 2
    assert len(codes(await lab.run(model))) == 3


async def test_how_many_runs_may_be_live_is_said_for_all(make_lab: MakeLab) -> None:
    """A run's own limits do not let one more in."""
    lab = make_lab(live=1)
    lab.start(demo_model(**ENDLESS))
    with pytest.raises(TooManyRuns):
        lab.runs.start(lambda: lab.attempt(demo_model()), limits=RunLimits(live=9))


async def test_how_long_a_run_may_be_unwatched_is_its_own(lab: Lab) -> None:
    """The others are left alone."""
    watch = asyncio.create_task(lab.runs.watch())
    other = lab.start(demo_model(**ENDLESS))
    own = replace(lab.runs.limits, unwatched=0.1)
    run_id = lab.runs.start(lambda: lab.attempt(demo_model(**ENDLESS)), limits=own)
    await lab.until(run_id, "done")
    assert end(await lab.read(run_id)).code == "unwatched"
    assert lab.hub.log(other).done is None
    watch.cancel()


# Room


async def test_more_runs_than_may_be_are_refused(make_lab: MakeLab) -> None:
    """Until one ends; what is refused leaves nothing behind."""
    lab = make_lab(live=2)
    first, _ = lab.start(demo_model(**ENDLESS)), lab.start(demo_model(**ENDLESS))
    with pytest.raises(TooManyRuns):
        lab.start(demo_model())
    assert (lab.runs.live, len(lab.hub)) == (2, 2)
    lab.runs.stop(first)
    await lab.read(first)
    assert end(await lab.run(demo_model(text="whole"))).status == "completed"


async def test_a_full_hub_refuses_a_run() -> None:
    """And no run without a log is live."""
    runs = Runs(MemoryHub(capacity=0))
    with pytest.raises(HubFull):
        runs.start(lambda: Script([]))
    assert runs.live == 0
    await runs.close()
