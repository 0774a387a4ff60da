"""What a run's events are in OpenAI's words: each kind of them, and each end."""

import json
import re
from dataclasses import replace

import pytest

from streamlab.events.codes import CODES
from streamlab.events.event import Done, Error, Retry, Thinking
from streamlab.gateway.control import Close, Drain
from streamlab.gateway.errors import Refusal
from streamlab.gateway.protocols.openai.chat_writer import ChatWriter
from streamlab.gateway.protocols.openai.errors import refused
from streamlab.gateway.protocols.openai.responses_writer import ResponsesWriter
from streamlab.gateway.protocols.openai.routes import failed
from tests.openai_streams import (
    AGENT,
    BEGUN,
    CALLS,
    FORM,
    HANDING,
    HEAD,
    OPEN,
    PLAIN,
    THOUGHT,
    USAGE,
    chat,
    check_response,
    completed,
    data_of,
    frames,
    numbered,
    respond,
    text,
    texts,
)
from tests.programs import ROOT


def test_a_chat_says_what_openai_says() -> None:
    read = chat(frames(PLAIN))
    assert [(choice["delta"], choice["finish_reason"]) for chunk in read.chunks for choice in chunk["choices"]] == [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        ({"content": "Hel"}, None),
        ({"content": "lo"}, None),
        ({}, "stop"),
    ]
    assert [chunk["usage"] for chunk in read.chunks[:-1]] == [None] * 4
    assert read.chunks[-1]["choices"] == []
    assert read.chunks[-1]["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    assert {(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in read.chunks} == {
        ("chatcmpl-run", "chat.completion.chunk", 1_000, "demo")
    }
    assert not any("usage" in chunk for chunk in chat(frames(PLAIN), FORM._replace(usage=False)).chunks)


def test_the_steps_of_the_agent_are_separated_and_its_tools_not_shown() -> None:
    read = chat(frames(AGENT))
    assert read.contents == ["Let me see.", "\n\n", "It is ", "sunny."]
    assert not any("tool_calls" in delta for delta in read.deltas)
    response = check_response(respond(frames(AGENT)))
    assert texts(response) == ["Let me see.", "It is sunny."]
    assert [item["type"] for item in response["output"]] == ["message", "message"]


def test_calls_of_the_callers_tools_are_handed_back() -> None:
    """With arguments as JSON in a text, or as the model wrote them where they are none."""
    read = chat(frames(CALLS), FORM._replace(hands_back=True))
    called = [delta["tool_calls"][0] for delta in read.deltas if "tool_calls" in delta]
    assert [(each["index"], each["id"], each["type"]) for each in called] == [
        (0, "a", "function"),
        (1, "b", "function"),
    ]
    assert [each["function"]["arguments"] for each in called] == ['{"city":"Kyōto"}', "{broken"]
    assert read.finish == ["tool_calls"]
    response = check_response(respond(frames(CALLS), HANDING))
    assert [item["type"] for item in response["output"]] == ["message", "function_call", "function_call"]
    assert [item["call_id"] for item in response["output"][1:]] == ["a", "b"]
    assert response["status"] == "completed"


def test_reasoning_is_told_beside_the_text() -> None:
    read = chat(frames(THOUGHT))
    assert [delta["reasoning_content"] for delta in read.deltas if "reasoning_content" in delta] == ["Hm", "."]
    reasoning, message = check_response(respond(frames(THOUGHT)))["output"]
    assert (reasoning["type"], reasoning["summary"]) == ("reasoning", [{"type": "summary_text", "text": "Hm."}])
    assert message["content"][0]["text"] == "Yes."


DONES = {
    "completed": (Done("completed"), "stop", "completed"),
    "cut at its length": (Done("completed", "length"), "length", "incomplete"),
    "declined": (Done("completed", "refusal"), "stop", "completed"),
    "stopped": (Done("stopped"), "stop", "cancelled"),
    "unwatched": (Done("stopped", "unwatched"), None, "failed"),
    "shut down": (Done("stopped", "shutdown"), None, "failed"),
    "lost": (Done("lost", "producer_lost"), None, "failed"),
}


@pytest.mark.parametrize(("done", "finish", "status"), DONES.values(), ids=DONES)
def test_every_end_has_its_word(done: Done, finish: str | None, status: str) -> None:
    """An answer that is whole is told apart from one that is not."""
    events = numbered(text("Hel"), replace(done, usage=USAGE))
    read = chat(frames(events))
    assert (read.finish, bool(read.error)) == ([finish] if finish else [], finish is None)
    response = check_response(respond(frames(events)))
    assert response["status"] == status
    assert texts(response) == ["Hel"]
    assert response["usage"]["total_tokens"] == 7


ERRORS = [
    ("rate_limited", "rate_limit_exceeded", "rate_limit_exceeded"),
    ("context_too_long", "context_length_exceeded", "context_length_exceeded"),
    ("quota", "insufficient_quota", "insufficient_quota"),
    ("model_not_found", "model_not_found", "invalid_prompt"),
    ("connection_lost", "connection_lost", "server_error"),
]


@pytest.mark.parametrize(("code", "named", "of_response"), ERRORS)
def test_a_failure_is_an_error_and_then_nothing(code: str, named: str, of_response: str) -> None:
    """Also no `[DONE]` in a chat: whoever knows no errors would take the answer for whole."""
    events = numbered(text("Hel"), Error(code, detail="so it is"), Done("failed", code))
    read = chat(frames(events))
    assert read.error
    assert (read.error["code"], read.finish) == (named, [])
    assert read.error["message"].endswith("It said: so it is")
    assert check_response(respond(frames(events)))["error"]["code"] == of_response


ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| `(\w+)` \| `(\w+)` \|(.*)\|$", re.MULTILINE)
FAILURES = ROW.findall((ROOT / "docs" / "frontends.md").read_text(encoding="utf-8"))


def test_every_failure_of_a_run_is_documented() -> None:
    assert sorted(code for code, *_ in FAILURES) == sorted([*CODES, "shutdown", "unwatched"])


@pytest.mark.parametrize(("code", "status", "type", "named", "remark"), FAILURES)
@pytest.mark.parametrize("begun", [True, False])
def test_a_failure_of_a_run_is_the_one_that_is_documented(
    code: str, status: str, type: str, named: str, remark: str, begun: bool
) -> None:
    """Also whether it is of use to ask again: never by a key that has the run already."""
    told = [text("Hel")] if begun else []
    ending = Done("stopped", code) if code in ("shutdown", "unwatched") else Done("failed", code)
    events = numbered(
        *told, Retry("timeout", 1.5), *told, *([Error(code)] if ending.status == "failed" else []), ending
    )
    answer = failed(events, repeatable=True)
    assert answer
    error = json.loads(bytes(answer.body))["error"]
    assert (str(answer.status_code), error["type"], error["code"], error["param"]) == (status, type, named, None)
    assert error["message"].endswith(".")
    again = "*again*" in remark and (begun or "if" not in remark)
    assert answer.headers.get("x-should-retry") == (None if again else "false")
    assert answer.headers.get("retry-after") == ("2" if code == "rate_limited" else None)
    keyed = failed(events, repeatable=False)
    assert keyed
    assert keyed.headers["x-should-retry"] == "false"


def test_a_retry_is_not_told_before_text_and_ends_the_answer_after_it() -> None:
    """What was sent cannot be taken back. Reasoning of a void attempt is no part of an answer."""
    before = numbered(BEGUN, Thinking("Hm"), Retry("timeout"), Thinking("So"), text("Yes."), *completed("Yes."))
    read = chat(frames(before))
    assert ("".join(read.contents), read.error) == ("Yes.", None)
    first, second, message = check_response(respond(frames(before)))["output"]
    assert (first["status"], second["status"], message["status"]) == ("incomplete", "completed", "completed")
    after = numbered(text("No"), Retry("timeout"), text("Yes."), *completed("Yes."))
    read = chat(frames(after))
    assert (read.contents, read.finish) == (["No"], [])
    assert read.error
    assert check_response(respond(frames(after)))["status"] == "failed"


def test_a_stream_that_ends_before_its_run_says_so() -> None:
    """A chat with an error; a response with one that has the last number, after which it can be gone on."""
    for event in (Drain(), Close("expired")):
        writer = ChatWriter(FORM)
        writer.opening(OPEN)
        (packet,) = writer.closing(event)
        assert "error" in json.loads(data_of(packet.data.message["body"])[0])
        responses = ResponsesWriter(HEAD)
        responses.opening(OPEN)
        (packet,) = responses.closing(event)
        told = json.loads(data_of(packet.data.message["body"])[0])
        assert (told["type"], told["sequence_number"]) == ("error", 1)


REFUSALS = [
    (Refusal(401, "unauthorized", "A.", "B."), 401, "invalid_request_error", "invalid_api_key", None),
    (Refusal(401, "access_code_needed", "A."), 401, "invalid_request_error", "access_code_needed", None),
    (Refusal(403, "foreign_origin", "A."), 403, "request_forbidden", "foreign_origin", None),
    (Refusal(409, "idempotency_conflict", "A."), 409, "invalid_request_error", "idempotency_conflict", None),
    (Refusal(422, "unknown_model", "A."), 404, "invalid_request_error", "model_not_found", "model"),
    (Refusal(422, "invalid_request", "A."), 400, "invalid_request_error", "invalid_request", None),
    (Refusal(429, "too_many_runs", "A."), 429, "requests", "rate_limit_exceeded", None),
    (Refusal(503, "at_capacity", "A."), 503, "server_error", "at_capacity", None),
]


@pytest.mark.parametrize(("refusal", "status", "type", "code", "field"), REFUSALS)
def test_a_refusal_has_openais_status_type_and_code(
    refusal: Refusal, status: int, type: str, code: str, field: str | None
) -> None:
    """Where OpenAI has none, those of the gateway; with what to do next in the sentence."""
    response = refused(refusal)
    said = " ".join(filter(None, ("A.", refusal.details.hint)))
    assert response.status_code == status
    assert json.loads(bytes(response.body)) == {"error": {"message": said, "type": type, "param": field, "code": code}}
    assert json.loads(bytes(refused(refusal, "a field").body))["error"]["param"] == "a field"
