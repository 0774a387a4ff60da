"""What each version of the AI SDK's packages makes of a run: its parts, its end, and what is awkward."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import strategies as st

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
from streamlab.gateway.protocols.ai_sdk.message import STOPPED, Version
from streamlab.gateway.protocols.ai_sdk.writer import MessageWriter
from streamlab.hub import Item
from tests.ai_sdk import READERS, Readers, check_chunks, check_read, chunks, framed, written
from tests.javascript import needs_node

pytestmark = needs_node

BEGUN = Thinking("", state="begun")
ONE_READER = st.sampled_from(READERS)
VERSIONS = get_args(Version)


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    with Readers.started() as readers:
        yield readers


TOOLS: list[StreamEvent] = [
    BEGUN,
    Thinking("Let me see."),
    TextDelta("I look it up. "),
    ToolCall("weather", "a", {"city": "Oslo"}),
    ToolCall("weather", "b", {"city": "Rome"}),
    ToolResult("weather", "b", {"sun": True}),
    TextDelta("Oslo ", step=2),
    ToolResult("weather", "a", "no such city", "failed"),
    TextDelta("is unknown.", step=2),
    FinalAnswer("Oslo is unknown.", step=2),
    Done("completed", usage=Usage(3, 4, reasoning_tokens=1, cached_tokens=2), step=2),
]


@pytest.mark.parametrize(("reader", "version"), READERS)
def test_reasoning_tools_and_steps(readers: Readers, reader: str, version: Version) -> None:
    """Parallel calls, one of which fails after the next step has begun."""
    read = readers.read(reader, written(framed(TOOLS), version))
    kinds = ["step-start", "reasoning", "text", "dynamic-tool", "dynamic-tool", "step-start", "text"]
    assert [part["type"] for part in read.parts] == kinds
    failed, given = read.tools
    assert (failed["toolName"], failed["state"], failed["errorText"]) == ("weather", "output-error", "no such city")
    assert (given["input"], given["state"], given["output"]) == ({"city": "Rome"}, "output-available", {"sun": True})
    assert read.finish == {"isAbort": False, "isDisconnect": False, "isError": False, "finishReason": "stop"}
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "estimated": False}
    usage |= {"reasoningTokens": 1, "cachedInputTokens": 2}
    assert read.state["messages"][-1]["metadata"] == {"usage": usage}


RETRIED: list[StreamEvent] = [TextDelta("Half"), Retry("connection_lost", 1.0), TextDelta("Whole"), Done("completed")]


@pytest.mark.parametrize(("reader", "version"), READERS)
def test_a_retry(readers: Readers, reader: str, version: Version) -> None:
    """Where the client can take parts back the void text is gone; in others it stands in a step that says so."""
    read = readers.read(reader, written(framed(RETRIED), version))
    assert read.answer == "Whole"
    why = {"code": "connection_lost", "message": "The connection to the model broke off.", "wait": 1.0}
    assert [part["data"] for part in read.state["data"]] == [why]
    void = [] if version == 7 else ["text", "data-retry", "step-start"]
    assert [part["type"] for part in read.parts] == ["step-start", *void, "text"]


@pytest.mark.parametrize(("reader", "version"), READERS)
def test_a_retry_before_there_was_text(readers: Readers, reader: str, version: Version) -> None:
    """It is told to the page, and leaves nothing in the message."""
    read = readers.read(reader, written(framed([BEGUN, *RETRIED[1:]]), version))
    assert [part["type"] for part in read.parts] == ["step-start", "text"]
    assert len(read.state["data"]) == 1


@pytest.mark.parametrize(("reader", "version"), READERS)
def test_a_retry_after_a_call_keeps_the_call(readers: Readers, reader: str, version: Version) -> None:
    """Whatever it gave is done; one that was stopped for the retry says so."""
    events: list[StreamEvent] = [
        ToolCall("weather", "a"),
        ToolCall("weather", "b"),
        ToolResult("weather", "a", 1),
        TextDelta("Half"),
        ToolResult("weather", "b", status="stopped"),
        *RETRIED[1:],
    ]
    read = readers.read(reader, written(framed(events), version))
    assert [tool.get("output", tool.get("errorText")) for tool in read.tools] == [1, STOPPED]
    assert read.answer == "Whole"


@pytest.mark.parametrize(
    ("done", "reasons"),
    [
        (Done("completed"), {"stop"}),
        (Done("completed", code="length"), {"length"}),
        (Done("completed", code="refusal"), {"content-filter"}),
        (Done("completed", code="of a later version"), {"other"}),
        (Done("stopped"), {"other", "interrupted"}),
        (Done("failed", code="auth"), {None}),  # the chat reads no further than the error
        (Done("lost"), {None}),
    ],
)
@pytest.mark.parametrize(("reader", "version"), READERS)
def test_why_it_ended(readers: Readers, done: Done, reasons: set[str | None], reader: str, version: Version) -> None:
    """In each version's own words, with all that was open ended."""
    items: list[Item] = [ToolCall("weather", "a"), TextDelta("Half"), done]
    body = written(framed(items), version)
    check_chunks(chunks(body))
    read = readers.read(reader, body)
    check_read(read, items)
    assert read.finish.get("finishReason") in reasons
    assert [tool["errorText"] for tool in read.tools] == [STOPPED]
    assert ("abort" in body.decode()) == (done.status == "stopped")


@pytest.mark.parametrize(("reader", "version"), READERS)
def test_a_failure(readers: Readers, reader: str, version: Version) -> None:
    """The page is told in a sentence, with the server's own words, and keeps what it has."""
    events: list[StreamEvent] = [TextDelta("Half"), Error("auth", detail="No such key."), Done("failed", code="auth")]
    read = readers.read(reader, written(framed(events), version))
    assert read.state["error"] == "The provider refused the key. No such key."
    assert read.answer == "Half"
    assert read.finish["isError"]


@pytest.mark.parametrize(("reader", "version"), READERS)
def test_calls_that_were_handed_to_the_caller_stay_open(readers: Readers, reader: str, version: Version) -> None:
    """The page is told that they are its own to answer, and not that they were stopped."""
    events: list[StreamEvent] = [
        ToolCall("weather", "a"),
        ToolResult("weather", "a", status="stopped"),
        FinalAnswer(""),
        Done("completed", code="tool_calls"),
    ]
    read = readers.read(reader, written(framed(events), version))
    assert [tool["state"] for tool in read.tools] == ["input-available"]
    assert read.finish["finishReason"] == "tool-calls"


AWKWARD: list[Any] = [
    {"__proto__": {"a": 1}},
    [{"constructor": {"prototype": 1}}],
    {"constructor": 1, "toString": "x"},
    float("inf"),
    "\ud83d",
    "a\r\n\ndata: [DONE]\n\n\u2028",
    10**30,
    None,
    json.loads("[" * 300 + "]" * 300),
]


@pytest.mark.parametrize("value", AWKWARD, ids=range(len(AWKWARD)))
def test_whatever_a_tool_gives(readers: Readers, value: Any) -> None:
    """Also what the SDK's reader of JSON takes for an attack, at which it would end the stream."""
    for status in ("completed", "failed"):
        items: list[Item] = [ToolCall("t", "__proto__", value), ToolResult("t", "__proto__", value, status)]
        for reader, version in READERS:
            read = readers.read(reader, written(framed([*items, TextDelta("ok"), Done("completed")]), version))
            assert (read.answer, read.state["status"]) == ("ok", "ready")


def test_a_frame_is_written_once_for_all_who_read_alike() -> None:
    """By the same version, from the beginning: they get the very same packets."""
    frames = framed([*TOOLS], range(len(TOOLS)))
    for version in VERSIONS:
        first, second = MessageWriter(version), MessageWriter(version)
        for frame in frames:
            assert first.frame(frame) is second.frame(frame)


@pytest.mark.parametrize("reader", ["5.0.92", "5", "6", "7"])
@pytest.mark.parametrize("event", [Drain(), Close("expired")])
def test_a_stream_that_ends_before_its_run(readers: Readers, reader: str, event: Drain | Close) -> None:
    """It is not taken for the whole answer: the page says why, and keeps what it has."""
    writer = MessageWriter(5)
    (frame,) = framed([TextDelta("Half")])
    packets = [*writer.frame(frame), *writer.closing(event)]
    start = b'data: {"type":"start","messageId":"run-1"}\n\n'
    read = readers.read(reader, start + b"".join(packet.data.message["body"] for packet in packets))
    assert read.state["status"] == "error"
    assert read.state["error"].endswith(".")
    assert read.answer == "Half"
