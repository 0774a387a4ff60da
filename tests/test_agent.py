"""The agent over real HTTP: the demo model asks for tools, the tools run, the log tells it."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver

from components.timeline.replay import replay_batches
from streamlab.agent.graph import STEPS, AgentAttempt, Thread, chat_agent
from streamlab.agent.tools import TIMEOUTS
from streamlab.events.event import Error, Event, FinalAnswer, StreamEvent, TextDelta, ToolCall, ToolResult
from streamlab.events.outcome import outcome_of
from streamlab.events.recording import read_recording, write_recording
from tests.conftest import Lab, MakeLab, demo_model, until
from tests.events import content, of

pytestmark = pytest.mark.anyio


async def ask(lab: Lab, question: str, **options: object) -> list[StreamEvent]:
    return await lab.read(start(lab, question, **options))


def start(lab: Lab, question: str, **options: object) -> str:
    model = demo_model(**options)

    thread = Thread(InMemorySaver(), [HumanMessage(question)])

    def begin() -> AgentAttempt:
        return AgentAttempt(lambda: chat_agent(lab.models.chat_model(model, 0.0), "", thread.memory), thread)

    run_id = lab.runs.start(begin, lambda outcome: lab.outcomes.update({run_id: outcome}))
    return run_id


@pytest.mark.parametrize(
    ("question", "said"), [("What is 17.5 % of 2,480?", "434"), ("2,480の17.5%はいくつですか？", "434")]
)
async def test_a_tool_is_called_and_its_result_is_in_the_answer(lab: Lab, question: str, said: str) -> None:
    """One call, its result, then the answer that uses it."""
    events = await ask(lab, question)
    (call,), (result,) = of(events, ToolCall), of(events, ToolResult)
    assert (call.tool, call.call_id, call.step) == ("calculate", result.call_id, 1)
    assert (result.result["value"], result.status) == (434, "completed")
    assert said in of(events, FinalAnswer)[0].content


async def test_two_tools_run_at_the_same_time(lab: Lab) -> None:
    """Both calls stand in the log before either result, each result with its own call's arguments."""
    events = await ask(lab, "Compare our sales in Q1 and Q2 2025")
    kinds = [event.type for event in events if event.type.startswith("tool")]
    assert kinds == ["tool_call", "tool_call", "tool_result", "tool_result"]
    calls = {call.call_id: call for call in of(events, ToolCall)}
    assert {call.input["sql"].count("2025-01-01") for call in calls.values()} == {0, 1}
    assert {result.call_id for result in of(events, ToolResult)} == calls.keys()


async def test_the_answer_of_three_steps_is_that_of_the_last(lab: Lab) -> None:
    """What the model writes before a call is a step on the way, and not part of the final answer."""
    events = await ask(
        lab,
        "Which region sold most in 2025, what share of the total is that, "
        "and what do the notes say about sharing results live?",
    )
    assert [call.tool for call in of(events, ToolCall)] == [
        "query_sales",
        "query_sales",
        "calculate",
        "search_notes",
    ]
    final = of(events, FinalAnswer)[0]
    early = "".join(content(event) for event in of(events, TextDelta) if event.step < final.step)
    assert early
    assert early not in content(final)
    assert "37.5" in content(final)


async def test_a_tool_that_refuses_is_a_failed_result(lab: Lab) -> None:
    """The model gets the tool's sentence and answers with it."""
    events = await ask(lab, "What is 1 / 0?")
    (result,) = of(events, ToolResult)
    assert (result.result, result.status) == ("The expression divides by zero.", "failed")
    assert "divides by zero" in of(events, FinalAnswer)[0].content


@pytest.mark.parametrize("spoiled", ["unknown_tool", "bad_arguments", "broken_arguments"])
async def test_a_call_that_cannot_be_made_is_answered(lab: Lab, spoiled: str) -> None:
    """An unknown tool, arguments that do not fit, arguments that are no JSON: a failed result, and the run goes on."""
    events = await ask(lab, "What is 17.5 % of 2,480?", **{spoiled: 1})
    assert [result.status for result in of(events, ToolResult)] == ["failed", "completed"]
    assert "434" in of(events, FinalAnswer)[0].content


async def test_a_model_that_never_stops_asking_is_ended(lab: Lab) -> None:
    """After the last step that is allowed, with all calls answered."""
    events = await ask(lab, "What is 17.5 % of 2,480?", tool_loop=1)
    assert len(of(events, ToolCall)) == STEPS
    assert of(events, Error)[0].code == "step_limit"


class Refusing(FakeListChatModel):
    """Has the method, as some wrappers do, and no tools."""

    def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("not with this one")


@pytest.mark.parametrize("model", [FakeListChatModel(responses=["Hello"]), Refusing(responses=["Hello"])])
async def test_a_model_that_takes_no_tools_is_a_clear_failure(lab: Lab, model: BaseChatModel) -> None:
    """Said in a sentence, at once, and not tried again: nothing would change."""
    thread = Thread(InMemorySaver(), [HumanMessage("What is 1 + 1?")])
    run_id = lab.runs.start(lambda: AgentAttempt(lambda: chat_agent(model, "", thread.memory), thread))
    events = await lab.read(run_id)
    assert [event.type for event in events] == ["thinking", "error", "done"]
    (error,) = of(events, Error)
    assert (error.code, error.detail) == ("bad_request", "This model takes no tools.")


async def test_a_tool_that_hangs_is_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its result says how long was waited, and the model goes on from there."""

    @tool
    async def calculate(expression: str) -> float:
        """Never answers."""
        await asyncio.sleep(60)
        return 0.0

    monkeypatch.setattr("streamlab.agent.graph.TOOLS", (calculate,))
    monkeypatch.setitem(TIMEOUTS, "calculate", 0.1)
    (result,) = of(await ask(lab, "What is 17.5 % of 2,480?"), ToolResult)
    assert (result.result, result.status) == ("The tool calculate did not answer within 0.1 s.", "failed")


async def test_a_stop_in_the_midst_of_a_tool_answers_its_call(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's law: every tool_call has its tool_result."""

    @tool
    async def calculate(expression: str) -> float:
        """Never answers."""
        await asyncio.sleep(60)
        raise ToolException("too late")

    monkeypatch.setattr("streamlab.agent.graph.TOOLS", (calculate,))
    lab = make_lab()
    run_id = start(lab, "What is 17.5 % of 2,480?")
    await lab.until(run_id, "tool_call")
    lab.runs.stop(run_id)
    events = await lab.read(run_id)
    assert [(result.status, result.tool) for result in of(events, ToolResult)] == [("stopped", "calculate")]
    assert lab.outcomes[run_id].status == "stopped"


async def test_a_recorded_run_is_played_again_as_it_was(lab: Lab) -> None:
    """The file of a live run gives the same events, in the same order, and amounts to the same."""
    run_id = start(lab, "Compare our sales in Q1 and Q2 2025")
    live = await lab.read(run_id)
    await until(lambda: run_id in lab.outcomes)
    recorded = read_recording(write_recording(live))
    batches = replay_batches(recorded, 1_000.0, time.monotonic())
    replayed = [event for batch in batches for event in batch if isinstance(event, Event)]
    assert replayed == [replace(event, at=round(event.at, 6)) for event in live]
    outcome = outcome_of(replayed)
    assert replace(outcome, timings=lab.outcomes[run_id].timings, tools=()) == replace(lab.outcomes[run_id], tools=())
    assert outcome.timings.total == pytest.approx(lab.outcomes[run_id].timings.total, abs=1e-6)
    assert [(use.tool, use.input, use.result) for use in outcome.tools] == [
        (use.tool, use.input, use.result) for use in lab.outcomes[run_id].tools
    ]
    assert len(outcome.tools) == 2
