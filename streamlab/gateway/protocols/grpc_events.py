"""Events as protobuf messages: protocol/streamlab/v1/streamlab.proto."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeVar, assert_never

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

from streamlab.events.event import (
    PIECES,
    Done,
    Error,
    Event,
    FinalAnswer,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
)
from streamlab.gateway.control import Close, ControlEvent, Drain, Open, name_of
from streamlab.gateway.feed import Frame
from streamlab.gateway.writer import Packet, Writer
from streamlab.hub import Gap, Snapshot
from streamlab.v1 import streamlab_pb2 as pb

EXACT = 2**53  # beyond it a double cannot hold every whole number
LEVELS = 24  # of a free value; each takes up to three messages, and clients read a hundred within each other

_SURROGATE = re.compile("[\ud800-\udfff]")
_Text = TypeVar("_Text", str, str | None)


class MessageWriter(Writer[bytes]):
    """Writes each event as one message."""

    name = "grpc"

    def opening(self, event: Open) -> Sequence[Packet[bytes]]:
        return [_packet(event)]

    def frame(self, frame: Frame) -> Sequence[Packet[bytes]]:
        return frame.form(_packets)

    def sign_of_life(self) -> Sequence[Packet[bytes]]:
        return STILL_HERE

    def closing(self, event: Drain | Close | None) -> Sequence[Packet[bytes]]:
        return [_packet(event)] if event else []


STILL_HERE = [Packet(pb.Event().SerializeToString(), 0)]


def _packets(frame: Frame) -> list[Packet[bytes]]:
    return [_packet(item, str(frame.place(item)) if isinstance(item, Event) else "") for item in frame.items]


def _packet(event: StreamEvent | ControlEvent, token: str = "") -> Packet[bytes]:
    data = message_of(event, token).SerializeToString()
    return Packet(data, len(data), int(isinstance(event, Event)))


def message_of(event: StreamEvent | ControlEvent, token: str = "") -> pb.Event:
    """Put an event into its message. Control events have no token, nor what every event of a log has."""
    if not isinstance(event, Event):
        return _control_message(event)
    message = _log_message(event)
    message.type, message.token = event.type, token
    message.seq, message.at, message.step = event.seq, round(event.at, 6), event.step  # to the microsecond, as in JSON
    if isinstance(event, PIECES) and event.seq_from is not None:
        message.seq_from = event.seq_from
    return message


def _log_message(event: StreamEvent) -> pb.Event:
    match event:
        case TextDelta():
            return pb.Event(text_delta=pb.TextDelta(content=_readable(event.content)))
        case Thinking():
            return pb.Event(thinking=pb.Thinking(content=_readable(event.content), state=event.state))
        case FinalAnswer():
            return pb.Event(final_answer=pb.FinalAnswer(content=_readable(event.content)))
        case ToolCall():
            tool, call_id = _readable(event.tool), _readable(event.call_id)
            return pb.Event(tool_call=pb.ToolCall(tool=tool, call_id=call_id, input=_free(event.input)))
        case ToolResult():
            tool, call_id, result = _readable(event.tool), _readable(event.call_id), _free(event.result)
            told = pb.ToolResult(tool=tool, call_id=call_id, result=result, status=event.status)
            return pb.Event(tool_result=told)
        case Retry():
            return pb.Event(retry=pb.Retry(code=_readable(event.code), wait=event.wait))
        case Error():
            code, message, detail = _readable(event.code), _readable(event.message), _readable(event.detail)
            return pb.Event(error=pb.Error(code=code, message=message, detail=detail))
        case Done():
            usage = pb.Usage(**asdict(event.usage)) if event.usage else None
            return pb.Event(done=pb.Done(status=event.status, code=_readable(event.code), usage=usage))
        case _:
            assert_never(event)


def _control_message(event: ControlEvent) -> pb.Event:
    name = name_of(event)
    match event:
        case Open():
            told = {"conversation": event.conversation, "model": event.model}
            return pb.Event(type=name, open=pb.Open(run_id=event.run_id, epoch=event.epoch, **told))
        case Gap():
            return pb.Event(type=name, gap=pb.Gap(after=event.after, seq=event.seq))
        case Snapshot():
            tools = [message_of(tool) for tool in event.tools]
            sum_ = pb.Snapshot(seq=event.seq, step=event.step, text=_readable(event.text), tools=tools)
            return pb.Event(type=name, snapshot=sum_)
        case Drain():
            return pb.Event(type=name, drain=pb.Drain())
        case Close():
            return pb.Event(type=name, close=pb.Close(code=event.code))
        case _:
            assert_never(event)


def _readable(text: _Text) -> _Text:
    """Make it what UTF-8 can say: pairs of surrogates are joined, as JSON's readers do, and lone ones replaced, one
    character for each, so that the deltas of an answer still make the answer.
    """
    if text is None or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _free(value: Any) -> Value | None:
    return None if value is None else _value(value, LEVELS)


def _value(value: Any, levels: int) -> Value:
    """Put a free value of JSON into its message, with nothing lost but for what the protocol's description says of its
    limits.
    """
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case bool():
            return Value(bool_value=value)
        case str():
            return Value(string_value=_readable(value))
        case int() if abs(value) > EXACT:
            return Value(string_value=str(value))
        case float() if not math.isfinite(value):  # which JSON does not have: a string there, too
            return Value(string_value=str(value))
        case int() | float():
            return Value(number_value=value)
        case _ if levels == 0:
            return Value(string_value=_readable(_json(value)))
        case list() | tuple():
            return Value(list_value=ListValue(values=[_value(each, levels - 1) for each in value]))
        case _:
            fields = {_readable(_key(name)): _value(each, levels - 1) for name, each in value.items()}
            return Value(struct_value=Struct(fields=fields))


def _key(name: Any) -> str:
    """Name a field as JSON does, whose names are strings."""
    return name if isinstance(name, str) else json.dumps(name)


def _json(value: Any) -> str:
    """Encode what is too deep, with strings for the numbers that JSON does not have."""
    finite = json.loads(json.dumps(value), parse_constant=lambda name: str(float(name)))
    return json.dumps(finite, ensure_ascii=False)
