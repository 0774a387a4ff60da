"""The laws of runs: one log, one end, the right text, whatever happens on the way."""

import asyncio
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.events.event import StreamEvent, Thinking, ToolCall, ToolResult
from streamlab.events.outcome import Outcome
from streamlab.events.timings import timings
from streamlab.hub import MemoryHub
from streamlab.models.catalog import Models
from streamlab.models.failures import Failure
from streamlab.runs.run import RunLimits, Runs
from tests.attempts import TEXT, Script, codes, delta, types
from tests.conftest import PATIENCE, Lab, check_laws, demo_model, shown
from tests.events import answer, end

pytestmark = pytest.mark.anyio


# The text, over the real model


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@settings(max_examples=15)
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
    run_id = lab.runs.start(lambda: Script([delta("half")], remark="length"))
    assert attempt.remark is None
    events = await lab.read(run_id)
    assert (end(events).status, end(events).code, answer(events)) == ("completed", "length", "half")


# Attempts that are written by hand, for tools and odd orders


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
