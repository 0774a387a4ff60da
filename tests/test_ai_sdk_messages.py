"""A run as the AI SDK's message: what each version of its packages makes of it, whole and cut into frames anywhere."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.conformance.server import load_cases
from clients.conformance.wire import encode_event
from streamlab.events.event import (
    EVENTS,
    Done,
    Error,
    FinalAnswer,
    Retry,
    StepText,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    event_of,
    first_seq,
    payload,
)
from streamlab.gateway.control import Close, Drain
from streamlab.gateway.protocols.ai_sdk.message import STOPPED, Version
from streamlab.gateway.protocols.ai_sdk.writer import MessageWriter
from streamlab.hub import Gap, Item, Snapshot
from tests.ai_sdk import READERS, Json, Read, Readers, chunks, framed, written
from tests.gateway import StreamParser
from tests.javascript import needs_node
from tests.recordings import runs

pytestmark = needs_node

BEGUN = Thinking("", state="begun")
ONE_READER = st.sampled_from(READERS)
VERSIONS = get_args(Version)


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    with Readers.started() as readers:
        yield readers


def items_of(case: Json) -> list[Item]:
    """What a log of a case holds, of which its server repeats or leaves out some in the answers that it cuts."""
    items: list[Item] = []
    seen: int | None = None
    for request in case["script"]:
        parser = StreamParser()
        for step in request["do"]:
            parser.feed(sent_by(step))
        parser.feed(b"\n")  # a CR at the end may be half of a line's end
        for sent in parser.events:
            with suppress(ValueError):  # of data that is broken on purpose
                item = item_of(sent.type, sent.json)
                if isinstance(item, Gap | Snapshot) or (item and seen in (None, first_seq(item) - 1)):
                    seen = item.seq
                    items.append(item)
                elif not item:  # of a type that is not known
                    seen = sent.json.get("seq", seen)
    end = next(at for at, item in enumerate(items) if isinstance(item, Done))
    return items[: end + 1]


def sent_by(step: Json) -> bytes:
    match step:
        case {"event": name}:
            data = dict(step["data"])
            if "fill" in step:
                data["content"] *= step["fill"]
            return encode_event(name, step.get("id"), data, websocket=False).encode()
        case {"send": str(text)}:
            return text.encode()
        case {"send_hex": text}:
            return bytes.fromhex(text)
    return b""


def item_of(name: str, data: Json) -> Item | None:
    match name:
        case "gap":
            return Gap(**data)
        case "snapshot":
            tools = tuple(event_of(tool) for tool in data.pop("tools"))
            assert all(isinstance(tool, ToolResult) for tool in tools)
            return Snapshot(**data, tools=tools)  # type: ignore[arg-type] # as was asserted
        case _ if kind := EVENTS.get(name):
            return event_of(
                {name: value for name, value in data.items() if name in {"type", "seq", "at", "step", *payload(kind)}}
            )
    return None


def is_played(case: Json) -> bool:
    """Whether a run is sent to its end, over this protocol."""
    ends = any(event["type"] == "done" for event in case["deliver"]["events"][-1:])
    return ends and case["client"].get("protocol") != "websocket"


CASES = {name: case for name, case in load_cases().items() if is_played(case)}


def check_chunks(told: list[Json]) -> None:
    """Each start has its end, parts and calls are of an open step, and nothing comes after the end."""
    open_parts: list[str] = []
    calls: Counter[str] = Counter()
    in_step = False
    assert [each["type"] for each in told].count("finish") == 1
    assert (told[0]["type"], told[-1]["type"]) == ("start", "finish")
    for chunk in told[1:]:
        kind, _, what = chunk["type"].rpartition("-")
        match what:
            case "step":
                assert not open_parts
                assert in_step == (chunk["type"] != "start-step")
                in_step = chunk["type"] != "finish-step"
            case "start":
                assert in_step
                assert not open_parts
                open_parts = [chunk["id"]]
            case "delta":
                assert open_parts == [chunk["id"]]
                assert chunk["delta"]
            case "end":
                assert open_parts.pop() == chunk["id"]
            case "available" if kind == "tool-input":
                assert in_step
                assert chunk["toolCallId"] not in calls
                calls[chunk["toolCallId"]] = 0
            case "available" | "error" if kind == "tool-output":
                calls[chunk["toolCallId"]] += 1
    assert not in_step
    assert not open_parts
    assert set(calls.values()) <= {1}


def check_read(read: Read, events: list[Item]) -> None:
    """The chat is at rest, and has all that was told."""
    done = events[-1]
    assert isinstance(done, Done)
    failed = done.status in ("failed", "lost") or any(isinstance(event, Error) for event in events)
    assert read.state["status"] == ("error" if failed else "ready")
    assert read.state["calls"] == 0  # the tools are none of the page's
    assert bool(read.state["errors"]) == failed
    assert {part["state"] for part in read.parts if "state" in part} <= {"done", "output-available", "output-error"}


def text_of(events: list[Item]) -> str:
    """The text that counts: of the last step, since its last retry."""
    text = StepText()
    for event in events:
        if isinstance(event, Snapshot):
            text = StepText(event.step, event.text)
        elif not isinstance(event, Gap):
            text.observe(event)
    return str(text)


@pytest.mark.parametrize(("reader", "version"), READERS)
def test_every_conformance_case(readers: Readers, reader: str, version: Version) -> None:
    """Each run of the cases that comes to its end, cut before every one of its events."""
    assert len(CASES) > 40
    for name, case in CASES.items():
        items = items_of(case)
        body = written(framed(items, range(len(items))), version)
        check_chunks(chunks(body))
        read = readers.read(reader, body)
        check_read(read, items)
        assert read.answer == text_of(items), name
        if isinstance(case["deliver"]["text"], str):
            assert read.answer == case["deliver"]["text"], name


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reader=ONE_READER, events=runs(), data=st.data())
def test_any_run_cut_anywhere(
    readers: Readers, reader: tuple[str, Version], events: list[StreamEvent], data: st.DataObject
) -> None:
    """However it was cut into frames, it is the same message, and its last step's text is the run's."""
    name, version = reader
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=8))
    items: list[Item] = [*events]
    whole, cut = (written(framed(items, at), version) for at in ((), cuts))
    check_chunks(chunks(cut))
    read = readers.read(name, cut)
    check_read(read, items)
    assert read.parts == readers.read(name, whole).parts
    assert json.dumps(read.answer) == json.dumps(text_of(items)) or not text_of(items)
    assert len(read.tools) == sum(isinstance(event, ToolCall) for event in events)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reader=ONE_READER, events=runs(), data=st.data())
def test_a_gap_anywhere(
    readers: Readers, reader: tuple[str, Version], events: list[StreamEvent], data: st.DataObject
) -> None:
    """Who missed events has the same text at the end, with no more of it void than must be."""
    name, version = reader
    begin = data.draw(st.integers(0, len(events) - 1))
    end = data.draw(st.integers(begin, len(events) - 1))
    text = StepText(events[0].step)
    for event in events[:end]:
        text.observe(event)
    tools = tuple(event for event in events[:end] if isinstance(event, ToolResult))
    snapshot = Snapshot(0, text.step, str(text), tools)
    items: list[Item] = [*events[:begin], Gap(0, 0), snapshot, *events[end:]]
    body = written(framed(items, [begin]), version)
    check_chunks(chunks(body))
    read = readers.read(name, body)
    check_read(read, items)
    assert json.dumps(read.answer) == json.dumps(text_of(items)) or not text_of(items)
    if not any(isinstance(event, Retry) for event in events):
        assert not read.state["data"]


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
    Done("completed", usage=Usage(3, 4, reasoning_tokens=1), step=2),
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
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "estimated": False, "reasoningTokens": 1}
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
