"""Events as protobuf messages: they say what they say over the other protocols."""

import json
import math
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
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
    encode,
)
from streamlab.gateway.control import Close, ControlEvent, Drain, Open
from streamlab.gateway.protocols.grpc_events import message_of
from streamlab.hub import Gap, Snapshot
from streamlab.v1 import streamlab_pb2 as pb
from tests.gateway import delta
from tests.gateway import seqs as seqs_of
from tests.grpc_gateway import plain, seqs

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]


def sent(event: StreamEvent) -> pb.Event:
    return pb.Event.FromString(message_of(event, "t").SerializeToString())


EVENTS = [
    Thinking("配信 🎈", seq=1, at=0.5),
    TextDelta("\u2028\r\n\x00", 3, seq=9, at=0.5, step=2),
    ToolCall("t", "c", {"a": [1, 2.5, None, True, {"": "x"}]}, seq=1, at=0.5),
    ToolResult("t", "c", "391", "failed", seq=1, at=0.5),
    ToolResult("t", "c", seq=1, at=0.5),
    FinalAnswer("x" * 5_000_000, seq=1, at=0.5),
    Retry("timeout", 1.5, seq=1, at=0.5),
    Error("auth", "no", "HTTP 401", seq=1, at=0.5),
    Error("auth", seq=1, at=0.5),
    Done("failed", "length", Usage(1, 2, estimated=True), seq=1, at=0.5),
    Done("completed", usage=Usage(0, 0), seq=1, at=0.5),
    Done("completed", usage=Usage(1, 5, reasoning_tokens=0), seq=1, at=0.5),
    Done("completed", usage=Usage(1, 5, reasoning_tokens=3), seq=1, at=0.5),
    Done("completed", usage=Usage(9, 5, cached_tokens=0, cache_write_tokens=9), seq=1, at=0.5),
    Done("completed", usage=Usage(9, 5, reasoning_tokens=3, cached_tokens=8), seq=1, at=0.5),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_says_what_it_says_over_the_other_protocols(event: StreamEvent) -> None:
    """Field by field, by the same names."""
    message = sent(event)
    assert message.type == message.WhichOneof("body") == event.type
    assert plain(message) == json.loads(encode(event))


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_a_surrogate_is_replaced_one_by_one(content: str) -> None:
    """UTF-8 cannot say it; the deltas joined are still the final answer."""
    whole = sent(FinalAnswer(content, seq=1, at=0.0)).final_answer.content
    assert "".join(sent(delta(each)).text_delta.content for each in content) == whole
    assert len(whole) == len(content)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(values.filter(lambda value: value is not None))
def test_what_a_tool_gave_arrives_as_it_was(value: Any) -> None:
    """Any value of JSON."""
    message = sent(ToolResult("t", "c", value, seq=1, at=0.0))
    assert MessageToDict(message.tool_result.result) == value


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 10**400])
def test_a_number_that_a_double_cannot_hold_is_sent_by_its_digits(number: int) -> None:
    """A wrong one would be worse than a string."""
    message = sent(ToolResult("t", "c", [number], seq=1, at=0.0))
    assert message.tool_result.result.list_value.values[0].string_value == str(number)


def test_a_value_may_be_deeper_than_protobuf_reads() -> None:
    """From a depth on it is JSON in a string, so that every client can read the message, also in a snapshot."""
    deep: Any = "bottom"
    for _ in range(200):
        deep = {"a": deep}
    snapshot = Snapshot(1, 1, "", (ToolResult("t", "c", deep, seq=1, at=0.0),))
    message = pb.Event.FromString(message_of(snapshot).SerializeToString())
    value: Any = MessageToDict(message.snapshot.tools[0].tool_result.result)
    for _ in range(24):
        value = value["a"]
    for _ in range(200 - 24):
        value = (json.loads(value) if isinstance(value, str) else value)["a"]
    assert value == "bottom"


def test_every_body_is_made_from_its_control_event() -> None:
    """Those that no log holds; what is None is not set."""
    bodies: dict[str, ControlEvent] = {
        "open": Open("r", "e", None, "m"),
        "gap": Gap(1, 10**15 - 1),
        "drain": Drain(),
        "close": Close("expired"),
    }
    for name, event in bodies.items():
        message = pb.Event.FromString(message_of(event).SerializeToString())
        assert message.WhichOneof("body") == message.type == name
        assert not message.token
        told = {field: value for field, value in asdict(event).items() if value is not None}
        assert {field.name: value for field, value in getattr(message, name).ListFields()} == told


@pytest.mark.parametrize(
    ("said", "arrives"),
    [
        ((1, 2), [1, 2]),
        ({1: "a", False: "b", None: "c"}, {"1": "a", "false": "b", "null": "c"}),
        ([math.nan, -math.inf], ["nan", "-inf"]),
        ("\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"),
    ],
)
def test_a_value_arrives_as_over_the_other_protocols(said: Any, arrives: Any) -> None:
    """What a tool gave in Python's own ways is what its JSON says: tuples, names, numbers and halves of characters."""
    event = ToolResult("t", "c", said, seq=1, at=0.0)
    assert MessageToDict(sent(event).tool_result.result) == arrives
    assert json.loads(encode(event))["result"] == json.loads(json.dumps(arrives).replace("\\ufffd", "\\ud83d"))


def test_the_events_of_logs_are_those_of_the_merged_law() -> None:
    """The tests' own count of seqs agrees with the other protocols'."""
    events: list[StreamEvent] = [TextDelta("x", 3, seq=9), Done("completed", seq=10)]
    assert seqs([sent(event) for event in events]) == seqs_of(events)


def test_the_committed_code_is_made_from_the_description(tmp_path: Path) -> None:
    """`make protocol` would change nothing."""
    command = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-Iprotocol", *command, "streamlab/v1/streamlab.proto"],
        cwd=ROOT,
        check=True,
    )
    made = sorted((tmp_path / "streamlab" / "v1").iterdir())
    assert len(made) == 3
    for file in made:
        assert (ROOT / "streamlab" / "v1" / file.name).read_text() == file.read_text(), file.name
