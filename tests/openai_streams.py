"""Logs as OpenAI's clients are sent them: written frame by frame, and read as those clients read."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from streamlab.events.event import (
    Done,
    FinalAnswer,
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
from streamlab.gateway.protocols.openai.chat_writer import ChatForm, ChatWriter
from streamlab.gateway.protocols.openai.messages import read
from streamlab.gateway.protocols.openai.response import Head
from streamlab.gateway.protocols.openai.responses_request import AskedResponse
from streamlab.gateway.protocols.openai.responses_writer import ResponsesWriter
from streamlab.gateway.protocols.openai.text import json_of
from streamlab.gateway.protocols.sse import Body
from streamlab.gateway.writer import Packet, Writer
from streamlab.hub import Item, Log, Position
from streamlab.hub.log import Bounds
from tests.gateway import parse_stream

Json = dict[str, Any]

OPEN = Open("run", "0" * 16, None, "demo")
ASKED = read(AskedResponse, b'{"input":"What is streaming?"}')
HEAD = Head("run", 1_000, json_of(ASKED.told("run", "demo", 1_000))[1:-1])
HANDING = HEAD._replace(hands_back=True)
FORM = ChatForm("run", "demo", 1_000, usage=True)


def frames(*groups: Sequence[Item]) -> list[Frame]:
    """Make frames of the items, as a feed does for all who stand there."""
    return [
        Frame(list(group), Position("0" * 16, group[-1].seq), lambda _, event: encode(event), whole=False)
        for group in groups
        if group
    ]


def cut(items: Sequence[Item], places: Sequence[int]) -> list[Frame]:
    """Cut the items into frames at these places."""
    ends = [*sorted({place for place in places if place < len(items)}), len(items)]
    return frames(*(items[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)))


def sent(writer: Writer[Body], frames: Sequence[Frame]) -> bytes:
    """Return what a client is sent of a log that has its end."""
    packets: list[Packet[Body]] = [*writer.opening(OPEN)]
    for frame in frames:
        packets += writer.frame(frame)
    packets += writer.closing(None)
    assert all(each.size for each in packets), "an empty piece would end the body"
    return b"".join(each.data.message["body"] for each in packets)


def chat(frames: Sequence[Frame], form: ChatForm = FORM) -> "ChatRead":
    return ChatRead(data_of(sent(ChatWriter(form), frames)))


def respond(frames: Sequence[Frame], head: Head = HEAD, after: int = -1) -> list[Json]:
    """Return the events of a response; `[DONE]` is checked, and none of them."""
    *events, done = parse_stream(sent(ResponsesWriter(head, after), frames))
    assert done.data == "[DONE]"
    assert [each.type for each in events] == [each.json["type"] for each in events]
    return [each.json for each in events]


def data_of(stream: bytes) -> list[str]:
    return [each.data for each in parse_stream(stream)]


@dataclass(frozen=True)
class ChatRead:
    """The data of a chat's stream."""

    data: list[str]

    @property
    def chunks(self) -> list[Json]:
        return [chunk for chunk in map(json.loads, self.data[: -1 if self.whole else None]) if "error" not in chunk]

    @property
    def whole(self) -> bool:
        return self.data[-1] == "[DONE]"

    @property
    def error(self) -> Json | None:
        last: Json = {} if self.whole else json.loads(self.data[-1])
        return last.get("error")

    @property
    def deltas(self) -> Iterator[Json]:
        return (chunk["choices"][0]["delta"] for chunk in self.chunks if chunk["choices"])

    @property
    def contents(self) -> list[str]:
        return [delta["content"] for delta in self.deltas if delta.get("content")]

    @property
    def last_step(self) -> str:
        """What comes after the last blank line between two steps."""
        texts = self.contents
        places = [place for place, text in enumerate(texts, 1) if text == "\n\n"]
        return "".join(texts[places[-1] if places else 0 :])

    @property
    def finish(self) -> list[str]:
        return [
            choice["finish_reason"] for chunk in self.chunks for choice in chunk["choices"] if choice["finish_reason"]
        ]


def check_response(events: list[Json]) -> Json:
    """Check the order of a whole response's events, and return the object it ends with."""
    types = [event["type"] for event in events]
    assert types[:2] == ["response.created", "response.in_progress"]
    ends = ("response.completed", "response.failed", "response.incomplete")
    assert [type in ends for type in types] == [False] * (len(types) - 1) + [True], types
    open_items: dict[int, Json] = {}
    done: dict[int, Json] = {}
    deltas: dict[int, str] = {}
    for event in events[2:-1]:
        index = event["output_index"]
        match event["type"]:
            case "response.output_item.added":
                assert index == len(open_items) + len(done), "each item has the next number"
                assert event["item"]["status"] == "in_progress"
                open_items[index] = event["item"]
                deltas[index] = ""
            case "response.output_item.done":
                begun = open_items.pop(index)
                assert begun["id"] == event["item"]["id"]
                done[index] = event["item"]
            case type:
                assert event["item_id"] == open_items[index]["id"]
                if type.endswith(".delta"):
                    deltas[index] += event["delta"]
                elif type.endswith("_text.done"):
                    assert event["text"] == deltas[index]
                elif type.endswith("arguments.done"):
                    assert event["arguments"] == deltas[index]
    assert not open_items, "each start has its end"
    response: Json = events[-1]["response"]
    assert response["output"] == [done[index] for index in sorted(done)]
    return response


def numbers(events: list[Json]) -> list[int]:
    return [event["sequence_number"] for event in events]


def texts(response: Json) -> list[str]:
    """The texts of a response's messages, each of which is of a step."""
    return [item["content"][0]["text"] for item in response["output"] if item["type"] == "message"]


def final(events: Sequence[Item]) -> str | None:
    """The final answer of a run that completed; what comes after an end is none of its."""
    answers = [event.content for event in events if isinstance(event, FinalAnswer)]
    completed = any(isinstance(event, Done) and event.status == "completed" for event in events)
    return answers[-1] if answers and completed else None


# Runs

USAGE = Usage(3, 4, reasoning_tokens=1, cached_tokens=2)


def log_of(*events: StreamEvent, bounds: Bounds | None = None) -> Log:
    log = Log("run", bounds)
    for event in events:
        log.append(event)
    return log


def numbered(*events: StreamEvent) -> list[StreamEvent]:
    return log_of(*events).since(0)


def text(content: str, step: int = 1) -> StreamEvent:
    return TextDelta(content, step=step)


def completed(content: str, code: str | None = None, step: int = 1) -> list[StreamEvent]:
    return [FinalAnswer(content, step=step), Done("completed", code, USAGE, step=step)]


def call(id: str = "call_1", given: Any = None) -> list[StreamEvent]:
    return [ToolCall("weather", id, given), ToolResult("weather", id, status="stopped")]


BEGUN = Thinking("", state="begun")
PLAIN = numbered(BEGUN, text("Hel"), text("lo"), *completed("Hello"))
AGENT = numbered(
    BEGUN, text("Let me see."), *call(), text("It is ", 2), text("sunny.", 2), *completed("It is sunny.", step=2)
)
CALLS = numbered(
    BEGUN, text("Well."), ToolCall("weather", "a", {"city": "Kyōto"}), ToolCall("weather", "b", "{broken"),
    ToolResult("weather", "a", status="stopped"), ToolResult("weather", "b", status="stopped"),
    *completed("Well.", "tool_calls"),
)  # fmt: skip
THOUGHT = numbered(BEGUN, Thinking("Hm"), Thinking("."), text("Yes."), *completed("Yes."))
