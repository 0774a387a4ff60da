"""Events as protobuf messages, made from the one JSON that every protocol sends."""

import json
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

from streamlab.gateway.feed import Entry
from streamlab.v1 import streamlab_pb2 as pb

EXACT = 2**53  # beyond it a double cannot hold every whole number
LEVELS = 24  # of a free value; each takes up to three messages, and clients read a hundred within each other

_SURROGATE = re.compile("[\ud800-\udfff]")

Json = dict[str, Any]


def encode_events(entries: list[Entry]) -> list[bytes]:
    """A frame as it is sent; all clients share it."""
    return [encode_event(entry) for entry in entries]


def encode_event(entry: Entry) -> bytes:
    return _event(entry.name, json.loads(entry.data), entry.token).SerializeToString()


def _event(name: str, data: Json, token: str | None = None) -> pb.Event:
    event = pb.Event(type=name, **{name: _BODIES[name](data)})  # type: ignore[arg-type] # the body is the type's own
    if token:
        event.token = token
    if "at" in data:  # it stands in a log, and has what every event has
        event.seq, event.at, event.step = data["seq"], data["at"], data["step"]
        if "seq_from" in data:
            event.seq_from = data["seq_from"]
    return event


def _text(data: Json, name: str) -> str | None:
    """The field as UTF-8 can say it; None, which protobuf takes for unset, when it is not there."""
    value: str | None = data.get(name)
    return _readable(value) if value is not None else None


def _readable(text: str) -> str:
    """One character for each, so that the deltas of an answer still make the answer."""
    return _SURROGATE.sub("\ufffd", text)


def _free(data: Json, name: str) -> Value | None:
    return _value(data[name], LEVELS) if name in data else None


def _value(value: Any, levels: int) -> Value:
    """A free value of JSON with nothing lost, but for what the protocol's description says of its limits."""
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case bool():
            return Value(bool_value=value)
        case str():
            return Value(string_value=_readable(value))
        case int() if abs(value) > EXACT:
            return Value(string_value=str(value))
        case int() | float():
            return Value(number_value=value)
        case _ if levels == 0:
            return Value(string_value=_readable(json.dumps(value, ensure_ascii=False)))
        case list():
            return Value(list_value=ListValue(values=[_value(each, levels - 1) for each in value]))
        case _:
            fields = {_readable(name): _value(each, levels - 1) for name, each in value.items()}
            return Value(struct_value=Struct(fields=fields))


def _snapshot(data: Json) -> pb.Snapshot:
    tools = [_event("tool_result", tool) for tool in data["tools"]]
    return pb.Snapshot(seq=data["seq"], step=data["step"], text=_text(data, "text"), tools=tools)


def _done(data: Json) -> pb.Done:
    usage = pb.Usage(**data["usage"]) if "usage" in data else None
    return pb.Done(status=_text(data, "status"), code=_text(data, "code"), usage=usage)


def _tool_call(data: Json) -> pb.ToolCall:
    return pb.ToolCall(tool=_text(data, "tool"), call_id=_text(data, "call_id"), input=_free(data, "input"))


def _tool_result(data: Json) -> pb.ToolResult:
    return pb.ToolResult(
        tool=_text(data, "tool"),
        call_id=_text(data, "call_id"),
        result=_free(data, "result"),
        status=_text(data, "status"),
    )


_BODIES: dict[str, Callable[[Json], Message]] = {
    "thinking": lambda data: pb.Thinking(content=_text(data, "content")),
    "text_delta": lambda data: pb.TextDelta(content=_text(data, "content")),
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "final_answer": lambda data: pb.FinalAnswer(content=_text(data, "content")),
    "retry": lambda data: pb.Retry(code=_text(data, "code"), wait=data.get("wait")),
    "error": lambda data: pb.Error(code=_text(data, "code"), message=_text(data, "message")),
    "done": _done,
    "open": lambda data: pb.Open(**data),
    "gap": lambda data: pb.Gap(**data),
    "snapshot": _snapshot,
    "drain": lambda data: pb.Drain(),
    "close": lambda data: pb.Close(**data),
}
