"""Each body that a server really sent, asked for over HTTP by everything that asks a model."""

import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import HttpUrl

from streamlab.agent.graph import AgentAttempt, Thread, chat_agent
from streamlab.demo_model.process import DemoModel
from streamlab.events.event import Error, FinalAnswer, Retry, StreamEvent, TextDelta, Thinking, ToolCall, ToolResult
from streamlab.latency.calls import measure
from streamlab.latency.observation import Observation
from streamlab.models.failures import RETRIED
from streamlab.settings import Settings
from tests.captures import captures_of
from tests.captures import read as read_captures
from tests.conftest import Lab, MakeLab, http, provider, raw_endpoint, shown, sse
from tests.events import end, of
from tests.observations import plan_of
from tests.wire import CASES, case


@dataclass(frozen=True)
class Right:
    """What a case must come to; `code` of one that fails, `calls` the expressions that are worked out."""

    text: str = "One two three."
    thoughts: str = ""
    code: str | None = None
    calls: tuple[str, ...] = ()
    remark: str | None = None
    usage: tuple[int, int] | None = (7, 3)
    words: str = ""
    """What the server said, where it said something."""


ONE_CALL = Right("", calls=("6*7",))
TWO_CALLS = Right("", calls=("6*7", "1+1"))
RIGHT = {
    "azure-async-filter": Right(),
    "cut-clean": Right("One two ", code="connection_lost", usage=None),
    "no-last-blank": Right(usage=None),
    "err-401": Right("", code="auth", words="No auth credentials found"),
    "err-context": Right("", code="context_too_long", words="maximum context length is 8192"),
    "err-quota": Right("", code="quota", words="You exceeded your current quota"),
    "or-error-429": Right("", code="rate_limited", words="Rate limit exceeded: free-models-per-min"),
    "err-object": Right("", code="provider_unavailable", words="The model is loading"),
    "json-error-200": Right("", code="model_not_found", words="model 'x' not found, try pulling it first"),
    "err-finish": Right("One two ", code="provider_unavailable"),
    "refusal": Right("I cannot help with that.", remark="refusal"),
    "think": Right(thoughts="Let me see.\n\nA plan."),
    "tool-noindex": ONE_CALL,
    "tool-noindex-par": TWO_CALLS,
    "tool-dict": ONE_CALL,
    "tool-fn-null": ONE_CALL,
    "tool-dup-id": TWO_CALLS,
    "tool-no-id": ONE_CALL,
    "tool-name-each": ONE_CALL,
    "usage-each": Right(usage=(50, 3)),
}
ANSWERS = {name: right for name, right in RIGHT.items() if not right.calls}
# The stock client knows nothing of refusals, and loses an event without its end.
STOCK = {name: right for name, right in ANSWERS.items() if name != "refusal"} | {
    "no-last-blank": Right("One two ", code="connection_lost")
}


def answer(name: str) -> bytes:
    kind = "application/json" if name.startswith("json") else "text/event-stream"
    return http(case(name), kind=kind)


def test_every_case_has_its_right_value() -> None:
    """None is forgotten."""
    assert {path.stem for path in CASES.iterdir()} == set(RIGHT)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ANSWERS)
async def test_a_chat(make_lab: MakeLab, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """The whole answer, or its failure: tried again where that may help, in the end told, and the text kept."""
    right = RIGHT[name]
    with raw_endpoint(answer(name)) as endpoint, provider(endpoint.base_url) as models:
        events = await make_lab(models, attempts=2).run("any")
    assert shown(events) == right.text
    check_end(events, right)
    assert [retry.code for retry in of(events, Retry)] == ([right.code] if right.code in RETRIED else [])
    assert right.words in caplog.text
    assert right.words in "".join(error.detail or "" for error in of(events, Error))


def check_end(events: list[StreamEvent], right: Right) -> None:
    done = end(events)
    assert (done.status, done.code) == (("failed", right.code) if right.code else ("completed", right.remark))
    assert "".join(event.content for event in of(events, Thinking)) == right.thoughts
    if right.usage and not right.code:
        assert done.usage is not None
        assert (done.usage.input_tokens, done.usage.output_tokens, done.usage.estimated) == (*right.usage, False)


def start_agent(lab: Lab, question: str = "go on") -> str:
    thread = Thread(InMemorySaver(), [HumanMessage(question)])
    return lab.runs.start(
        lambda: AgentAttempt(lambda: chat_agent(lab.models.chat_model("any", 0.0), "", thread.memory), thread)
    )


@pytest.mark.anyio
@pytest.mark.parametrize("name", RIGHT)
async def test_an_agent(make_lab: MakeLab, name: str) -> None:
    """The same, and each call with the result of its own input."""
    right = RIGHT[name]
    answers = (answer(name), http(sse("done"))) if right.calls else (answer(name),)
    with raw_endpoint(*answers) as endpoint, provider(endpoint.base_url) as models:
        lab = make_lab(models, attempts=2)
        events = await lab.read(start_agent(lab))
    if not right.calls:
        assert shown(events) == right.text
        check_end(events, right)
        return
    calls = {call.call_id: call for call in of(events, ToolCall)}
    results = {result.call_id: result for result in of(events, ToolResult)}
    assert {call.tool for call in calls.values()} == {"calculate"}
    assert sorted(call.input["expression"] for call in calls.values()) == sorted(right.calls)
    assert {id: result.result["expression"] for id, result in results.items()} == {
        id: call.input["expression"] for id, call in calls.items()
    }
    assert of(events, FinalAnswer)[0].content == "done"
    asked = [call["id"] for call in endpoint.requests[1]["messages"][-len(calls) - 1]["tool_calls"]]
    assert asked == [message["tool_call_id"] for message in endpoint.requests[1]["messages"][-len(calls) :]]


def observed(demo: DemoModel, *answers: bytes, **fields: Any) -> list[Observation]:
    with raw_endpoint(*answers) as endpoint:
        settings = Settings(_env_file=None, openai_base_url=HttpUrl(endpoint.base_url))
        plan = plan_of(**{"models": ("any",), "pairs": 1, "warm_ups": 0, "ways": ("stream", "astream")} | fields)
        with closing(measure(plan, settings, demo.base_url)) as stream:
            return list(stream)


@pytest.mark.parametrize("name", STOCK)
def test_a_measured_call(demo: DemoModel, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was cut is a failed one and not a fast one; what is thought is no text."""
    monkeypatch.setattr("streamlab.latency.calls.REPEATS", 0)
    right = STOCK[name]
    for seen in observed(demo, answer(name)):
        assert seen.error == right.code
        assert (seen.e2e is None) == (right.code is not None)
        if right.code is None:
            assert sum(seen.chunk_characters) == len(right.text)
            assert seen.sent_tokens == (right.usage and right.usage[1])
            assert seen.thought == bool(right.thoughts)
        if right.thoughts:
            assert seen.ttfe is not None
            assert seen.ttft is not None
            assert seen.ttfe < seen.ttft


@pytest.mark.parametrize("name", STOCK)
@pytest.mark.parametrize("topic", ["parsers", "calls"])
def test_a_capture(name: str, topic: Any) -> None:
    """Every mode ends alike, with the reason; the one that asks for no stream gets one all the same."""
    right = STOCK[name]
    with captures_of(answer(name)) as captures:
        found = read_captures(captures, topic, "any")
    for mode in ("message", "text", "stream", "astream", "events"):
        if mode in found:
            capture = found[mode]
            assert (capture.state, capture.code) == (("failed", right.code) if right.code else ("completed", None))
            assert right.words in (capture.detail or "")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("finish", "code"), [("length", "length"), ("MAX_TOKENS", "length"), ("content_filter", "content_filtered")]
)
@pytest.mark.parametrize("agent", [False, True])
async def test_an_answer_that_was_ended(make_lab: MakeLab, finish: str, code: str, agent: bool) -> None:
    """At its length or by a filter: an agent says so as a chat does, and the text stays."""
    with raw_endpoint(http(sse("half", finish=finish))) as endpoint, provider(endpoint.base_url) as models:
        lab = make_lab(models)
        events = await lab.read(start_agent(lab) if agent else lab.start("any"))
    assert (shown(events), end(events).code) == ("half", code)
    assert end(events).status == ("completed" if code == "length" else "failed")
    assert not of(events, Retry)


@pytest.mark.anyio
async def test_calls_of_later_steps_have_ids_of_their_own(make_lab: MakeLab) -> None:
    """Also from a server that begins to count anew in each."""
    first = http(case("tool-name-each"))
    with raw_endpoint(first, first, http(sse("done"))) as endpoint, provider(endpoint.base_url) as models:
        lab = make_lab(models)
        events = await lab.read(start_agent(lab))
    ids = [call.call_id for call in of(events, ToolCall)]
    assert len(set(ids)) == 2
    assert [result.call_id for result in of(events, ToolResult)] == ids
    assert {result.result["value"] for result in of(events, ToolResult)} == {42}
    assert json.dumps(endpoint.requests[2]).count(ids[1]) == 2


@pytest.mark.anyio
async def test_what_broke_off_is_void_when_the_next_attempt_answers(make_lab: MakeLab) -> None:
    """A clean cut is like any other."""
    with raw_endpoint(answer("cut-clean"), http(sse("whole"))) as endpoint, provider(endpoint.base_url) as models:
        events = await make_lab(models).run("any")
    assert [retry.code for retry in of(events, Retry)] == ["connection_lost"]
    assert [event.content for event in of(events, TextDelta)][-1] == "whole"
    assert of(events, FinalAnswer)[0].content == "whole"


def test_a_server_that_streams_whatever_is_asked_is_told_of(demo: DemoModel) -> None:
    """The stock client breaks on it; that is no fault of this program's."""
    (seen,) = observed(demo, http(sse("Hi")), ways=("invoke",))
    assert (seen.error, seen.e2e) == ("client_broke", None)


@pytest.mark.anyio
async def test_usage_of_which_a_step_is_missing_is_no_exact_sum(make_lab: MakeLab) -> None:
    """It is marked as estimated."""
    with raw_endpoint(http(case("tool-no-id")), http(sse("done"))) as endpoint, provider(endpoint.base_url) as models:
        lab = make_lab(models)
        usage = end(await lab.read(start_agent(lab))).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (7, 3, True)


@pytest.mark.anyio
async def test_a_call_that_was_cut_at_the_length_is_not_made(make_lab: MakeLab) -> None:
    """An agent says so instead of working out half a sum."""
    body = case("tool-name-each").replace(b'"finish_reason": "tool_calls"', b'"finish_reason": "length"')
    with raw_endpoint(http(body)) as endpoint, provider(endpoint.base_url) as models:
        lab = make_lab(models)
        events = await lab.read(start_agent(lab))
    assert not of(events, ToolCall)
    assert (end(events).status, end(events).code) == ("completed", "length")
