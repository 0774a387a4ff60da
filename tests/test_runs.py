"""The laws of runs: one log, one end, the right text, whatever happens on the way."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.demo_model.process import DemoModel
from streamlab.events.event import Event, Retry, StreamEvent, TextDelta, Thinking, ToolCall, ToolResult, Usage
from streamlab.events.outcome import Outcome
from streamlab.events.timings import timings
from streamlab.hub import HubFull, MemoryHub
from streamlab.models.catalog import Models
from streamlab.models.failures import Failure
from streamlab.runs.chain import Clock
from streamlab.runs.run import RunLimits, Runs, TooManyRuns
from tests.conftest import PATIENCE, Asked, Lab, MakeLab, check_laws, demo_model, provider, shown, threads_gone, until
from tests.events import answer, end, of

pytestmark = pytest.mark.anyio

ENDLESS = {"chunks": 100_000, "rate": 50}
TEXT = "Streaming は、届いた順に。\n\n🙂 **OK**?  \u2028 end"


def types(events: list[StreamEvent]) -> list[str]:
    return [event.type for event in events]


def codes(events: list[StreamEvent]) -> list[str | None]:
    """Why attempts failed, in order."""
    return [event.code for event in events if event.type in ("retry", "error")]


# The text, over the real model


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@settings(max_examples=30)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.just(TEXT),
    size=st.none() | st.integers(1, 9),
    fault=st.sampled_from(["cut", "error", "rate_limit", "garbage"]),
    after=st.integers(0, 12),
    times=st.integers(0, 4),
    shape=st.sets(st.sampled_from(["blocks", "reasoning", "empty_first", "crlf", "comments", "split"]), max_size=2),
)
def test_the_final_answer_is_the_text_since_the_last_retry(
    models: Models, text: str, size: int | None, fault: str, after: int, times: int, shape: set[str]
) -> None:
    """Under any chunking, fault and retry: whole and nothing doubled, or failed when all three attempts did."""
    options: dict[str, object] = {"text": text, "fault": fault, "after": after, "times": times, "retry_after": 0}
    options |= dict.fromkeys(shape, True) | ({"size": size} if size else {})
    lab = Lab(models, {})
    events = asyncio.run(lab.run(demo_model(**options)))
    assert types(events).count("retry") == min(times, 2)
    assert end(events).status == ("completed" if times < 3 else "failed")
    if times < 3:
        assert shown(events) == answer(events) == text
    (outcome,) = lab.outcomes.values()
    assert outcome.text == shown(events)
    assert outcome.timings == timings(events)
    assert (outcome.status, outcome.code, outcome.retries) == (end(events).status, end(events).code, min(times, 2))


async def test_an_answer_longer_than_one_event_may_be_is_whole(lab: Lab) -> None:
    """A model may write more than the bound of one event; its run ends as any other."""
    events = await lab.run(demo_model(chunks=100, size=4_000, rate=100_000))
    assert end(events).status == "completed"
    assert len(answer(events)) == 400_000


async def test_an_answer_at_the_length_limit_says_so(models: Models, lab: Lab) -> None:
    """`done` has the code `length`; the text is what came."""
    attempt = lab.attempt(demo_model())
    run_id = lab.runs.start(lambda: Script([delta("half")], cut_short=True))
    assert not attempt.cut_short
    events = await lab.read(run_id)
    assert (end(events).status, end(events).code, answer(events)) == ("completed", "length", "half")


# Attempts that are written by hand, for tools and odd orders


@dataclass
class Script:
    """An attempt that does what it is told: events, pauses in seconds, exceptions."""

    acts: list[StreamEvent | float | Exception]
    cut_short: bool = False
    usage: Usage = field(default=Usage(1, 2))

    async def events(self, clock: Clock) -> AsyncIterator[list[StreamEvent]]:
        for act in self.acts:
            match act:
                case Event():
                    yield [replace(act, at=clock())]
                case Exception():
                    raise act
                case _:
                    await anyio.sleep(act)


def delta(text: str, step: int = 1) -> StreamEvent:
    return TextDelta(text, at=0, step=step)


def call(call_id: str, step: int = 1) -> ToolCall:
    return ToolCall("clock", call_id, {"of": call_id}, at=0, step=step)


def result(call_id: str, step: int = 1) -> StreamEvent:
    return ToolResult("clock", call_id, call_id, at=0, step=step)


def play(*attempts: Script, **limits: Any) -> tuple[list[StreamEvent], Outcome]:
    """The log and the outcome of a run that makes these attempts."""
    outcomes: list[Outcome] = []

    async def act() -> list[StreamEvent]:
        left = iter(attempts)
        hub = MemoryHub()
        runs = Runs(hub, RunLimits(**{"backoff": 0, "attempts": len(attempts)} | limits))
        run_id = runs.start(lambda: next(left), outcomes.append)
        with anyio.fail_after(PATIENCE), hub.follow(run_id) as follower:
            while await follower.batch():
                pass
        return hub.log(run_id).since(0)

    events = asyncio.run(act())
    check_laws(events)
    return events, outcomes[0]


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """What an agent may do: steps in order, calls in parallel whose results come in any order, late or never."""
    acts: list[StreamEvent | float | Exception] = []
    step, number, open_calls = 1, 0, list[ToolCall]()
    for act in draw(st.lists(st.sampled_from(["text", "think", "call", "result", "step"]), max_size=20)):
        match act:
            case "text":
                acts.append(delta(draw(st.text(max_size=3)), step))
            case "think":
                acts.append(Thinking("hm", at=0, step=step))
            case "call":
                number += 1
                made = call(str(number), step)
                open_calls.append(made)
                acts.append(made)
            case "result" if open_calls:
                done = open_calls.pop(draw(st.integers(0, len(open_calls) - 1)))
                acts.append(result(done.call_id, done.step))
            case "step":
                step += 1
    return Script(acts)


errors = st.sampled_from([ConnectionError(), TimeoutError(), Failure("connection_lost"), Failure("auth"), ValueError()])


@given(st.lists(st.tuples(scripts(), errors), max_size=3), scripts())
def test_the_laws_hold_for_any_row_of_attempts(failing: list[tuple[Script, Exception]], last: Script) -> None:
    """Text, tools and the end are right however many attempts fail wherever; each call has one result."""
    broken = [Script([*script.acts, error]) for script, error in failing]
    events, outcome = play(*broken, last)
    assert outcome.text == shown(events)
    assert outcome.status == end(events).status
    calls = {event.call_id: event for event in events if event.type == "tool_call"}
    for event in events:
        if event.type == "tool_result" and event.status != "stopped":
            assert event.result == event.call_id == (calls[event.call_id].input or {})["of"]


@given(scripts(), st.integers(0, 20))
def test_a_run_that_is_stopped_anywhere_keeps_the_laws(script: Script, place: int) -> None:
    """Also with calls that are open: each of them is answered as stopped."""
    acts = [*script.acts[:place], PATIENCE]

    async def act() -> list[StreamEvent]:
        hub = MemoryHub()
        runs = Runs(hub)
        run_id = runs.start(lambda: Script(acts))
        await anyio.wait_all_tasks_blocked()
        runs.stop(run_id)
        await runs.close()
        return hub.log(run_id).since(0)

    events = asyncio.run(act())
    check_laws(events)
    assert (end(events).status, end(events).code) == ("stopped", None)
    written = [act for act in acts if isinstance(act, StreamEvent)]
    results = {event.call_id for event in written if event.type == "tool_result"}
    for event in events:
        if event.type == "tool_result":
            assert event.status == ("completed" if event.call_id in results else "stopped")
    assert shown(events) == shown(written)


def test_text_after_a_tool_call_of_the_same_step_counts() -> None:
    """A model may go on writing; only a new step or a retry makes its text void."""
    events, outcome = play(Script([delta("a"), call("1"), delta("b"), result("1")]))
    assert outcome.text == answer(events) == "ab"


def test_the_text_of_a_step_before_is_not_part_of_the_answer() -> None:
    """Also when that step called no tool."""
    _, outcome = play(Script([delta("let me see"), delta("the answer", 2)]))
    assert outcome.text == "the answer"


def test_thinking_of_an_attempt_that_failed_is_void() -> None:
    """As its text is."""
    thought = Thinking("hm", at=0)
    _, outcome = play(Script([thought, delta("a"), Failure("connection_lost")]), Script([thought, delta("b")]))
    assert (outcome.thinking, outcome.text) == ("hm", "b")


def test_an_attempt_that_cannot_begin_is_a_failed_run() -> None:
    """What goes wrong before the first await ends the log as well."""

    async def act() -> list[StreamEvent]:
        hub = MemoryHub()
        runs = Runs(hub)
        run_id = runs.start(lambda: Script([])._missing)  # type: ignore[attr-defined]
        await anyio.wait_all_tasks_blocked()
        return hub.log(run_id).since(0)

    events = asyncio.run(act())
    check_laws(events)
    assert codes(events) == ["internal"]


def test_an_event_that_no_log_takes_fails_the_run_and_leaves_no_trace() -> None:
    """The text that was refused is no part of the outcome."""
    events, outcome = play(Script([delta("a"), delta("x" * 300_000)]), attempts=3)
    assert codes(events) == ["internal"]
    assert outcome.text == shown(events) == "a"


def test_backoff_grows_and_has_jitter() -> None:
    """Each wait is at most twice the one before it, and two runs do not come back at the same moment."""
    waits = []
    for _ in range(5):
        events, _ = play(*[Script([Failure("connection_lost")])] * 4, backoff=0.005)
        waits.append([event.wait or 0 for event in events if event.type == "retry"])
    assert all(0.005 * 2**n / 2 <= wait <= 0.005 * 2**n for each in waits for n, wait in enumerate(each, 1))
    assert len({tuple(each) for each in waits}) == 5


# Stopping


def ended_by(records: list[dict[str, Any]]) -> list[str]:
    return [record["ended"] for record in records]


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
        await lab.until(run_id, type)
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
    assert types(events) == ["done"]
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
    assert types(events) == ["retry", "done"]
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
    lab = make_lab(unwatched=0.1)
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


# Time limits


async def test_a_silent_model_is_a_timeout(make_lab: MakeLab, asked: Asked) -> None:
    """Without a first token in time the attempt ends, at the model too, and the next begins."""
    model = demo_model(fault="silent")
    events = await make_lab(first_token=0.3, attempts=2).run(model)
    assert types(events) == ["retry", "error", "done"]
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
    events = await make_lab(silence=1).run(model)
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
    lab = make_lab(total=1)
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


# Failures and what is tried again


@pytest.mark.parametrize("seconds", [0.4, 1])
async def test_a_rate_limit_is_waited_out_as_the_provider_wishes(lab: Lab, asked: Asked, seconds: float) -> None:
    """Not less than Retry-After says; people are told how long."""
    model = demo_model(text="whole", fault="rate_limit", retry_after=seconds, times=1)
    events = await lab.run(model)
    assert codes(events) == ["rate_limited"]
    assert of(events, Retry)[0].wait == seconds
    assert answer(events) == "whole"
    refused, answered = await asked(model)
    assert answered["received"] - refused["received"] >= seconds


async def test_a_rate_limit_beyond_the_run_s_time_fails_at_once(lab: Lab, asked: Asked) -> None:
    """Nobody is made to wait for what cannot come."""
    model = demo_model(fault="rate_limit", retry_after=3600)
    events = await lab.run(model)
    assert types(events) == ["error", "done"]
    assert codes(events) == ["rate_limited"]
    assert len(await asked(model)) == 1


@pytest.mark.parametrize(
    ("fault", "code", "requests"),
    [
        ("error", "provider_unavailable", 3),
        ("cut", "connection_lost", 3),
        ("garbage", "connection_lost", 3),
        ("key", "auth", 1),
        ("context", "context_too_long", 1),
        ("filter", "content_filtered", 1),
    ],
)
async def test_what_may_pass_is_tried_again_and_what_cannot_is_not(
    lab: Lab, asked: Asked, fault: str, code: str, requests: int
) -> None:
    """Three attempts for what may be better a moment later; one for what will be the same."""
    model = demo_model(fault=fault, after=2)
    events = await lab.run(model)
    assert codes(events) == [code] * requests
    assert end(events).code == code
    assert ended_by(await asked(model)) == [f"fault:{fault}"] * requests


async def test_after_text_was_shown_a_new_attempt_begins_anew(lab: Lab) -> None:
    """The text that was cut is void, not continued: nothing is doubled."""
    events = await lab.run(demo_model(text=TEXT, size=4, fault="cut", after=4, times=2))
    assert shown(events[: types(events).index("retry")]) == TEXT[:16]
    assert codes(events) == ["connection_lost", "connection_lost"]
    assert answer(events) == TEXT


async def test_an_answer_without_text_is_an_answer(lab: Lab) -> None:
    """Some models say nothing; that is no failure."""
    events = await lab.run(demo_model(fault="empty"))
    assert types(events) == ["final_answer", "done"]
    assert answer(events) == ""


async def test_an_unknown_model_is_not_tried_again(demo: DemoModel, make_lab: MakeLab) -> None:
    """It says so."""
    with provider(demo.base_url) as models:
        assert codes(await make_lab(models).run("gpt-nobody")) == ["model_not_found"]


async def test_an_endpoint_that_is_not_there_is_tried_again(make_lab: MakeLab) -> None:
    """It may be starting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    with provider(address) as models:
        assert codes(await make_lab(models).run("any")) == ["provider_unavailable"] * 3


@pytest.mark.parametrize(
    ("retries", "options", "attempts"),
    [
        ("never", {"fault": "error"}, 1),
        ("never", {"fault": "cut", "after": 4}, 1),
        ("before_text", {"fault": "error"}, 3),
        ("before_text", {"fault": "cut", "after": 0}, 3),
        ("before_text", {"fault": "cut", "after": 4}, 1),
        ("always", {"fault": "cut", "after": 4}, 3),
    ],
)
async def test_a_policy_says_when_an_attempt_is_tried_again(
    make_lab: MakeLab, asked: Asked, retries: str, options: dict[str, Any], attempts: int
) -> None:
    """Never, only where nobody has read anything of it, or always. What was read stays where nothing follows."""
    model = demo_model(text=TEXT, size=4, **options)
    lab = make_lab(retries=retries)
    events = await lab.run(model)
    assert len(codes(events)) == len(await asked(model)) == attempts
    assert end(events).status == "failed"
    assert shown(events) == (TEXT[:16] if options.get("after") else "")


async def test_thinking_is_no_text(make_lab: MakeLab) -> None:
    """Thoughts may be withdrawn: the answer has not begun."""
    thought = Thinking("hm", at=0)
    left = iter([Script([thought, Failure("connection_lost")]), Script([delta("whole")])])
    lab = make_lab(retries="before_text")
    events = await lab.read(lab.runs.start(lambda: next(left)))
    assert answer(events) == "whole"


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
