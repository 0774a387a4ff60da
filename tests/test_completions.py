"""What a front end asks that keeps the conversation itself: one run for all its messages, with its own functions."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import SecretStr

from streamlab.completions.prompt import Prompt
from streamlab.events.event import Done, Retry, StreamEvent, TextDelta, ToolCall, ToolResult, Usage
from streamlab.gateway.access import Grant
from streamlab.gateway.errors import Refusal
from tests.access import SECRET
from tests.conftest import check_laws, demo_model, until
from tests.gateway import Served, delta, ending, served

GRANT = Grant("ada")
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(gateway_tokens=(SecretStr(f"ada:{SECRET}"),), gateway_runs_per_minute=10_000) as lab:
        yield lab


def prompt(*messages: BaseMessage, **more: Any) -> Prompt:
    return Prompt(messages or (HumanMessage("What is streaming?"),), **({"model": demo_model()} | more))


async def events_of(lab: Served, asked: Prompt) -> list[StreamEvent]:
    started = await lab.gateway.complete(asked, GRANT)
    log = await lab.gateway.log(started.run_id, GRANT)
    await until(lambda: log.done is not None)
    events = log.since(0)
    check_laws(events)
    return events


def ending_of(events: list[StreamEvent]) -> tuple[str, str | None]:
    done = events[-1]
    assert isinstance(done, Done)
    return done.status, done.code


async def test_all_messages_reach_the_model_and_the_answer_is_a_run(lab: Served) -> None:
    model = demo_model()
    said = (SystemMessage("Be brief."), HumanMessage("Hello"), AIMessage("Hello."), HumanMessage("What is a token?"))
    events = await events_of(lab, prompt(*said, model=model))
    assert ending_of(events) == ("completed", None)
    record = (await lab.client.get(f"{lab.engine.models.demo_url}/../requests")).json()
    (asked,) = [each for each in record if each["model"] == model]
    assert asked["prompt"] == {"messages": 4, "user": "What is a token?"}


async def test_calls_of_the_callers_functions_are_handed_back_and_their_results_told(lab: Served) -> None:
    question = HumanMessage("What is the weather in Kyoto?")
    events = await events_of(lab, prompt(question, tools=(WEATHER,)))
    (call,) = [event for event in events if isinstance(event, ToolCall)]
    (result,) = [event for event in events if isinstance(event, ToolResult)]
    assert (call.tool, result.call_id, result.status) == ("get_weather", call.call_id, "stopped")
    assert "city" in call.input
    assert ending_of(events) == ("completed", "tool_calls")
    called = AIMessage("", tool_calls=[{"name": call.tool, "args": call.input, "id": call.call_id}])
    told = ToolMessage('{"sky": "clear"}', tool_call_id=call.call_id)
    after = await events_of(lab, prompt(question, called, told, tools=(WEATHER,)))
    assert not any(isinstance(event, ToolCall) for event in after)
    assert "clear" in "".join(event.content for event in after if isinstance(event, TextDelta))
    assert ending_of(after) == ("completed", None)


async def test_further_fields_go_to_the_model_as_they_are(lab: Served) -> None:
    events = await events_of(lab, prompt(parameters={"max_tokens": 3}))
    assert ending_of(events) == ("completed", "length")
    done = events[-1]
    assert isinstance(done, Done)
    assert isinstance(done.usage, Usage)
    assert done.usage.output_tokens == 3


async def test_the_agent_goes_on_from_the_callers_messages(lab: Served) -> None:
    said = (SystemMessage("Be brief."), HumanMessage("Hello"), AIMessage("Hello."), HumanMessage("What is 17 * 23?"))
    events = await events_of(lab, prompt(*said, agent=True))
    assert [event.result["value"] for event in events if isinstance(event, ToolResult)] == [391]
    assert lab.engine.agents.threads == 0


@pytest.mark.parametrize("retries", ["always", "before_text"])
async def test_retries_are_the_prompts_to_allow(lab: Served, retries: Any) -> None:
    model = demo_model(fault="cut", after=3, times=1)
    events = await events_of(lab, prompt(model=model, retries=retries))
    assert sum(isinstance(event, Retry) for event in events) == (retries == "always")
    assert ending_of(events)[0] == ("completed" if retries == "always" else "failed")


REFUSED = {
    "nothing": Prompt(()),
    "only instructions": Prompt((SystemMessage("Be brief."),)),
    "two kinds of tools": prompt(agent=True, tools=(WEATHER,)),
    "an agent that is asked nothing": prompt(HumanMessage("q"), AIMessage("a"), agent=True),
    "long instructions": prompt(SystemMessage("x" * 32_001), HumanMessage("q"), agent=True),
    "an unknown model": prompt(model="nobody's"),
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_answered_is_refused(lab: Served, asked: Prompt) -> None:
    before = lab.engine.runs.started
    with pytest.raises(Refusal) as refused:
        await lab.gateway.complete(asked, GRANT)
    assert refused.value.status == 422
    assert refused.value.details.message.endswith(".")
    assert lab.engine.runs.started == before


async def test_a_key_stands_for_one_run(lab: Served) -> None:
    asked = prompt()
    first, second = [await lab.gateway.complete(asked, GRANT, "key") for _ in range(2)]
    assert (first.run_id, first.repeated, second.repeated) == (second.run_id, False, True)
    with pytest.raises(Refusal) as refused:
        await lab.gateway.complete(replace(asked, temperature=0.5), GRANT, "key")
    assert refused.value.code == "idempotency_conflict"


async def test_a_run_is_its_callers(lab: Served) -> None:
    started = await lab.gateway.complete(prompt(), GRANT)
    with pytest.raises(Refusal) as refused:
        await lab.gateway.log(started.run_id, Grant("bob"))
    assert refused.value.code == "unknown_run"


async def test_a_run_has_the_last_question_as_its_title(lab: Served) -> None:
    asked = prompt(HumanMessage("First"), AIMessage("a"), HumanMessage("What is  a\ntoken?"))
    started = await lab.gateway.complete(asked, GRANT)
    assert await lab.engine.completions.title(started.run_id) == "What is a token?"
    assert await lab.engine.completions.title("nobody's") is None


async def test_a_delivery_may_have_each_event_as_it_is(lab: Served) -> None:
    """Of a log with more than one who lags is given one by one."""
    log = lab.log(*(delta(at=0.0) for _ in range(300)), *ending("x" * 300))
    counts = {}
    for merged in (True, False):
        with lab.gateway.deliver(log, GRANT, "sse", merged=merged) as delivery:
            items = 0
            while frame := await delivery.next():
                items += len(frame.items)
            counts[merged] = items
    assert counts[False] == log.seq
    assert counts[True] < counts[False]
