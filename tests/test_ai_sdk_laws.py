"""Any run as the AI SDK's message: the conformance cases and generated ones, cut into frames anywhere, with gaps."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.conformance.server import load_cases
from clients.conformance.wire import encode_event
from streamlab.events.event import (
    EVENTS,
    Done,
    Retry,
    StepText,
    StreamEvent,
    Thinking,
    ToolCall,
    ToolResult,
    event_of,
    first_seq,
    payload,
)
from streamlab.gateway.protocols.ai_sdk.message import Version
from streamlab.hub import Gap, Item, Snapshot
from tests.ai_sdk import READERS, Json, Readers, check_chunks, check_read, chunks, framed, written
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


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
