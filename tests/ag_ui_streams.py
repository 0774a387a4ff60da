"""What the tests of AG-UI share: runs, their streams as AG-UI has them, and the client that reads these."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ag_ui.core import BaseEvent, Event
from hypothesis import strategies as st
from pydantic import TypeAdapter

from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Retry,
    Status,
    StepText,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    encode,
)
from streamlab.gateway.control import Open
from streamlab.gateway.feed import Frame
from streamlab.gateway.protocols.ag_ui.conversation import Conversation
from streamlab.gateway.protocols.ag_ui.writer import AgUiWriter
from streamlab.gateway.protocols.sse import Body
from streamlab.gateway.writer import Packet
from streamlab.hub import Item, Log, Position
from streamlab.hub.log import Bounds
from tests.javascript import ROOT

FOLDER = ROOT / "tests/frontends/ag_ui"
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
SAID: list[dict[str, Any]] = [
    {"id": "u1", "role": "user", "content": [{"type": "text", "text": "Grüße "}]},
    {"id": "r1", "role": "reasoning", "content": "Hm."},
    {
        "id": "a1",
        "role": "assistant",
        "content": "Let me see.",
        "toolCalls": [{"id": "call 0", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
    },
    {"id": "t1", "role": "tool", "toolCallId": "call 0", "content": "sunny"},
    {"id": "u2", "role": "user", "content": "And now?", "metadata": {"own": [1, None]}},
]
CONVERSATION = Conversation("t", "r", json.dumps(SAID), ("call 0",), version="1.0")
CLIENT, FORMER = "@ag-ui/client", "ag-ui-client-before"  # 1.0, and that which CopilotKit 1.75 has

Json = dict[str, Any]


class Reader:
    """A client's way through a log: what is written for it by now."""

    def __init__(self, log: Log, conversation: Conversation = CONVERSATION, *, taken_up: bool = False) -> None:
        self.log = log
        self.writer = AgUiWriter(log, conversation, taken_up=taken_up)
        self.position = self.writer.after or Position(log.epoch, 0)
        self.written: list[bytes] = []
        self.events = 0
        self._take(self.writer.opening(Open(log.run_id, log.epoch, None, "demo")))

    def read(self) -> None:
        """Read all that is there, as one frame."""
        if items := self.log.follow(self.position).read():
            self.position = Position(self.log.epoch, items[-1].seq)
            self.take(frame(items, self.position))

    def take(self, frame: Frame) -> None:
        self._take(self.writer.frame(frame))

    def end(self) -> list[bytes]:
        """Read the rest, and hear that the run is over; return all that was written."""
        self.read()
        self._take(self.writer.closing(None))
        return self.written

    def _take(self, packets: Sequence[Packet[Body]]) -> None:
        for packet in packets:
            assert packet.size == len(packet.data.message["body"])
            self.written.append(packet.data.message["body"])
            self.events += packet.events


def log_of(events: Sequence[StreamEvent], bounds: Bounds | None = None) -> Log:
    log = Log("run", bounds)
    for event in events:
        log.append(event)
    return log


def whole(events: Sequence[StreamEvent], frames: int, conversation: Conversation = CONVERSATION) -> list[bytes]:
    """Write a run whose events come so many at a time."""
    reader = Reader(Log("run"), conversation)
    for number, event in enumerate(events):
        reader.log.append(event)
        if number % frames == 0:
            reader.read()
    return reader.end()


def frame(items: Iterable[Item], position: Position) -> Frame:
    return Frame(list(items), position, lambda place, event: encode(event), whole=False)


def told(written: Sequence[bytes]) -> list[BaseEvent]:
    """Decode what was written by AG-UI's own package for Python, which must know every field."""
    blocks = [block for block in b"".join(written).split(b"\n\n") if block and not block.startswith(b":")]
    events = [EVENT.validate_python(json.loads(block.removeprefix(b"data: "))) for block in blocks]
    assert not any(event.model_extra for event in events)
    return list(events)


def replayed(streams: Sequence[Sequence[Sequence[bytes]]], client: str = CLIENT) -> list[Json]:
    """Have the client read them: each time a run's stream, and those by which it took the same run up again."""
    asked = [{"said": SAID, "streams": [[base64.b64encode(b).decode() for b in s] for s in each]} for each in streams]
    command = [str(shutil.which("node")), "replay.mjs", client]
    done = subprocess.run(
        command, cwd=FOLDER, input=json.dumps(asked), capture_output=True, text=True, encoding="utf-8", timeout=240
    )
    assert done.returncode == 0, done.stderr
    outcomes: list[Json] = json.loads(done.stdout)
    return outcomes


# Runs as the server writes them: the text of the last step since its last retry equals the final answer.

words = st.text('a é\n\u2028日😀"\\', max_size=6)
written = words.filter(bool)  # the server writes no empty deltas
usages = st.none() | st.builds(Usage, st.integers(0, 99), st.integers(0, 99), st.booleans(), st.none() | st.just(3))


@st.composite
def attempts(draw: st.DrawFn, step: int, *, calls: bool) -> list[StreamEvent]:
    """Draw what a model does in a step: it thinks and writes, and may call tools, of which some answer late."""
    pieces = draw(st.lists(st.builds(Thinking, written) | st.builds(TextDelta, written), max_size=5))
    events: list[StreamEvent] = [replace(piece, step=step, at=0.0) for piece in pieces]
    if calls:
        ids = [f"call {number}" for number in range(draw(st.integers(1, 3)))]
        value = draw(st.none() | words | st.just({"a": [1, None]}))
        events += [ToolCall("weather", id, value, step=step) for id in ids]
        status: st.SearchStrategy[Status] = st.sampled_from(["completed", "failed", "stopped"])
        results = [ToolResult("weather", id, value, draw(status), step=step) for id in ids]
        events += draw(st.permutations(results))
    return events


@st.composite
def lawful_runs(draw: st.DrawFn) -> list[StreamEvent]:
    events: list[StreamEvent] = [Thinking("", state="begun")]
    steps = draw(st.integers(1, 3))
    if steps > 1 and draw(st.booleans()):  # the agent begins anew with its first step
        events += [*draw(attempts(1, calls=True)), *draw(attempts(2, calls=False)), Retry("timeout", 0.5, step=2)]
    for step in range(1, steps + 1):
        for _ in range(draw(st.integers(0, 2))):
            events += draw(attempts(step, calls=False))
            events.append(Retry("timeout", draw(st.sampled_from([None, 0.5])), step=step))
        events += draw(attempts(step, calls=step < steps))
    text = StepText()
    for event in events:
        text.observe(event)
    ways: list[list[StreamEvent]] = [
        [FinalAnswer(str(text), step=steps), Done("completed", draw(st.none() | st.just("length")), draw(usages))],
        [Error("internal", step=steps), Done("failed", "internal", step=steps)],
        [Error("producer_lost", step=steps), Done("lost", "producer_lost", step=steps)],
        [Done("stopped", draw(st.none() | st.just("unwatched")), step=steps)],
    ]
    return [*events, *draw(st.sampled_from(ways))]


def handed_back(calls: Sequence[ToolCall]) -> list[StreamEvent]:
    """Make a run whose model called functions of the caller's."""
    results = [ToolResult(call.tool, call.call_id, status="stopped") for call in calls]
    begin: list[StreamEvent] = [Thinking("", state="begun"), TextDelta("Wait.")]
    return [*begin, *calls, *results, FinalAnswer("Wait."), Done("completed", "tool_calls")]
