"""What each thing that happens in a run is in AG-UI's words."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from ag_ui.core import MessagesSnapshotEvent, ToolCallResultEvent, ToolCallStartEvent

from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from streamlab.gateway.control import Close, Drain
from streamlab.gateway.protocols.ag_ui.conversation import Conversation
from tests.ag_ui_streams import FOLDER, FORMER, SAID, Json, Reader, handed_back, log_of, replayed, told, whole
from tests.javascript import install, needs_node


def kinds(written: Sequence[bytes]) -> list[str]:
    return [event.type.value for event in told(written)]


def test_a_run_with_reasoning_and_tools_in_words() -> None:
    """Each start has its end; a call belongs to the message before it; what failed says so."""
    events: list[StreamEvent] = [
        Thinking("", state="begun"),
        Thinking("Two tools."),
        TextDelta("Let me see."),
        ToolCall("add", "c1", {"a": 1}),
        ToolCall("time", "c2"),
        ToolResult("time", "c2", "noon"),
        ToolResult("add", "c1", {"sum": 3}, "failed"),
        TextDelta("It is ", step=2),
        TextDelta("noon.", step=2),
        FinalAnswer("It is noon.", step=2),
        Done("completed", "length", Usage(3, 4, reasoning_tokens=1, cached_tokens=2, cache_write_tokens=0), step=2),
    ]
    written = whole(events, 1)
    call = ["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"]
    assert kinds(written) == [
        "RUN_STARTED",
        "STEP_STARTED",
        *("REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT"),
        *("REASONING_MESSAGE_END", "REASONING_END"),
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
        *(call + call),
        *("TOOL_CALL_RESULT", "TOOL_CALL_RESULT"),
        *("STEP_FINISHED", "STEP_STARTED"),
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
        "STEP_FINISHED",
        "RUN_FINISHED",
    ]
    answers = [event for event in told(written) if isinstance(event, ToolCallResultEvent)]
    assert [(each.content, each.metadata) for each in answers] == [("noon", None), ('{"sum": 3}', {"status": "failed"})]
    end = told(written)[-1].model_dump(by_alias=True)
    assert end["usage"] == [
        {
            "inputTokens": 3,
            "outputTokens": 4,
            "totalTokens": 7,
            "reasoningTokens": 1,
            "cachedInputTokens": 2,
            "cacheWriteInputTokens": 0,
        }
    ]
    assert (end["metadata"], end["outcome"]) == ({"finishReason": "length"}, {"type": "success"})


def test_a_retry_takes_its_text_back_and_nothing_else() -> None:
    """The messages that the client has of before, and those of earlier steps, are told again with the rest."""
    events: list[StreamEvent] = [
        TextDelta("Let me see."),
        ToolCall("add", "c1", {}),
        ToolResult("add", "c1", 3),
        TextDelta("Hel", step=2),
        Retry("connection_lost", 0.5, step=2),
        TextDelta("Three.", step=2),
    ]
    snapshots = [event for event in told(whole(events, 1)) if isinstance(event, MessagesSnapshotEvent)]
    assert len(snapshots) == 1
    messages = [message.model_dump(by_alias=True) for message in snapshots[0].messages]
    assert messages[: len(SAID)] == SAID
    called, result = messages[len(SAID) :]
    assert (called["content"], called["toolCalls"][0]["id"]) == ("Let me see.", "c1")
    assert (result["role"], result["content"]) == ("tool", "3")


def test_functions_of_the_caller_are_handed_back() -> None:
    """Their calls have no result, and the end names them; ids that the history has already are made others."""
    calls = [ToolCall("paint", "call 0", {"color": "red"}), ToolCall("paint", ""), ToolCall("paint", "", "no JSON")]
    conversation = Conversation("t", "r", calls=("call 0",), handed=True, version="1.0")
    reader = Reader(log_of(handed_back(calls)), conversation)
    events = told(reader.end())
    assert not [event for event in events if isinstance(event, ToolCallResultEvent)]
    ids = [event.tool_call_id for event in events if isinstance(event, ToolCallStartEvent)]
    assert (len(ids), len(set(ids)), "call 0" in ids) == (3, 3, False)
    end = events[-1].model_dump(by_alias=True)
    assert end["outcome"] == {"type": "success", "pendingToolCallIds": ids}
    assert end["metadata"] == {"finishReason": "tool_calls"}


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Drain(), {"type": "RUN_ERROR", "code": "drain"}),
        (Close("expired"), {"type": "RUN_ERROR", "code": "expired"}),
        (Close("revoked"), {"type": "RUN_ERROR", "code": "revoked"}),
    ],
)
def test_a_client_that_is_sent_away_does_not_take_it_for_the_end(end: Drain | Close, said: Json) -> None:
    """The package would resolve a run whose stream merely ends as if it were whole."""
    reader = Reader(log_of([TextDelta("Hel")]))
    reader.read()
    (packet,) = reader.writer.closing(end)
    (event,) = told([packet.data.message["body"]])
    assert said.items() <= event.model_dump(mode="json").items()


@pytest.mark.parametrize("status", ["stopped", "failed", "lost"])
def test_how_a_run_ended_that_did_not_complete(status: Any) -> None:
    """One that was stopped was cancelled; one that failed is an error with our code; both close what is open."""
    failed = status != "stopped"
    error: list[StreamEvent] = [Error("timeout")] if failed else []
    events = told(whole([TextDelta("Hel"), *error, Done(status, "timeout" if failed else "unwatched")], 1))
    assert [event.type.value for event in events[-3:-1]] == ["TEXT_MESSAGE_END", "STEP_FINISHED"]
    end = events[-1].model_dump(mode="json", by_alias=True)
    if failed:
        assert (end["type"], end["code"]) == ("RUN_ERROR", "timeout")
        assert end["message"].endswith(".")
    else:
        assert (end["outcome"], end["metadata"]) == ({"type": "cancelled"}, {"finishReason": "unwatched"})


@needs_node
def test_a_client_of_before_is_told_the_end_without_what_it_does_not_know() -> None:
    """It says no version of the protocol, and takes for a failure what it was not made for."""
    install(FOLDER)
    conversation = Conversation("t", "r", json.dumps(SAID))
    handed = Reader(log_of(handed_back([ToolCall("paint", "c1")])), replace(conversation, handed=True))
    streams = [whole([TextDelta("Hel"), Done("stopped")], 1, conversation), handed.end()]
    for written, reason, outcome in zip(
        streams, ("stopped", "tool_calls"), replayed([[each] for each in streams], FORMER), strict=True
    ):
        assert (outcome["error"], outcome["warnings"]) == (None, [])
        end = told(written)[-1].model_dump(mode="json", by_alias=True)
        assert (end["type"], end.get("outcome"), end["metadata"]) == ("RUN_FINISHED", None, {"finishReason": reason})


def test_what_no_encoding_writes_is_escaped() -> None:
    """Half a character, and numbers that JSON does not have, reach the client as something that it can read."""
    half = "\ud83d"
    events: list[StreamEvent] = [
        TextDelta(half),
        ToolCall(half, half, {"a": float("nan")}),
        ToolResult(half, half, float("inf")),
        Retry(half),
    ]
    text = b"".join(whole([*events, Error(half, half), Done("failed")], 1))
    assert b"NaN" not in text
    assert b"Infinity" not in text
    assert rb"\ud83d" in text
    assert len(told([text])) == text.count(b"data: ")
