"""What happens in a run: one type for each kind of event, with just its fields. Encoding and decoding live only here.

What the gateway, the recordings, gRPC and the clients know of an event follows from these types, or is checked against
them by `tests/test_event_schema.py`. Whoever branches on the types ends with `assert_never`: a type that is added here
is an error of the type checker in every place that has to know it.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeGuard, TypeVar, get_args

from pydantic import Field, TypeAdapter
from pydantic_core import PydanticSerializationError, to_json

from streamlab.events.codes import sentence_of

Status = Literal["completed", "stopped", "failed", "lost"]

ENVELOPE = 80  # bytes of an encoded text event besides its text
MERGED_CHARACTERS = 64 * 1024  # a merged delta stays far below the bound of one event

# As they are checked when they come from elsewhere.
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Number = Annotated[int, Field(strict=True, ge=1)]  # counts from 1
Moment = Annotated[float, Field(strict=True, ge=-sys.float_info.max, le=sys.float_info.max)]
Seconds = Annotated[float, Field(strict=True, ge=0, le=sys.float_info.max)]


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts the tokens of one run. `estimated` is true when the server did not report them.

    `output_tokens` is all that the model wrote; `reasoning_tokens` of them were reasoning, None when that is not known.
    Likewise `cached_tokens` of the input were read out of the provider's cache, and `cache_write_tokens` put into it.
    """

    input_tokens: Whole
    output_tokens: Whole
    estimated: Flag = False
    reasoning_tokens: Whole | None = None
    cached_tokens: Whole | None = None
    cache_write_tokens: Whole | None = None

    def visible(self, *, thought: bool) -> int | None:
        """Return the tokens without reasoning; None where that is not known.

        `thought`: reasoning was sent. A server that sends some and counts none of it has not counted.
        """
        if self.reasoning_tokens is None or (thought and not self.reasoning_tokens):
            return None
        return max(0, self.output_tokens - self.reasoning_tokens)

    def sent(self, *, thought: bool) -> int:
        """Return the tokens that a reader was sent: all, without reasoning that was counted and not sent."""
        return self.output_tokens if thought else max(0, self.output_tokens - (self.reasoning_tokens or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Has what every entry of a run's log has.

    `seq` counts 1, 2, 3 … within the run, and is 0 until the log has the event; `at` is seconds since the run began, by
    a monotonic clock; `step` is the model's turn within the run.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 # read by pydantic, and a field if it were annotated
    type: ClassVar[str]

    seq: Number = 0
    at: Moment = 0.0
    step: Number = 1


@dataclass(frozen=True, slots=True)
class Thinking(Event):
    """A piece of the model's reasoning. With `seq_from` it stands for those from there to `seq`, merged for a follower
    that lags.

    With a `state` it is no piece: `begun`, the first event of every run, says that work has begun, with no content.
    """

    type: ClassVar[Literal["thinking"]] = "thinking"
    content: Text
    seq_from: Number | None = None
    state: Literal["begun"] | None = None


@dataclass(frozen=True, slots=True)
class TextDelta(Event):
    """A piece of the answer's text, merged like `Thinking`."""

    type: ClassVar[Literal["text_delta"]] = "text_delta"
    content: Text
    seq_from: Number | None = None


@dataclass(frozen=True, slots=True)
class ToolCall(Event):
    """The model calls a tool. Exactly one result with the same `call_id` follows."""

    type: ClassVar[Literal["tool_call"]] = "tool_call"
    tool: Text
    call_id: Text
    input: Any = None


@dataclass(frozen=True, slots=True)
class ToolResult(Event):
    """What a call gave, also where it failed or nobody waits for it any more."""

    type: ClassVar[Literal["tool_result"]] = "tool_result"
    tool: Text
    call_id: Text
    result: Any = None
    status: Status = "completed"


@dataclass(frozen=True, slots=True)
class FinalAnswer(Event):
    """The whole text of the last step."""

    type: ClassVar[Literal["final_answer"]] = "final_answer"
    content: Text


@dataclass(frozen=True, slots=True)
class Retry(Event):
    """The attempt failed with `code` and the text of its step is void; the next begins after `wait` seconds."""

    type: ClassVar[Literal["retry"]] = "retry"
    code: Text
    wait: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Error(Event):
    """The run failed. `message` is a sentence for people, made from `code` where none is given; `detail` is what the
    model's server itself said, without secrets.
    """

    type: ClassVar[Literal["error"]] = "error"
    code: Text
    message: Text = ""
    detail: Text | None = None

    def __post_init__(self) -> None:
        if not self.message:
            object.__setattr__(self, "message", sentence_of(self.code))

    @property
    def said(self) -> str | None:
        """Return the server's own words. In a log of before `detail` was there they are the message."""
        if self.detail is None and self.message != sentence_of(self.code):
            return self.message
        return self.detail


@dataclass(frozen=True, slots=True)
class Done(Event):
    """The end of every log. `code` says why, when the run was ended for a reason ("unwatched", "length", "refusal")."""

    type: ClassVar[Literal["done"]] = "done"
    status: Status
    code: Text | None = None
    usage: Usage | None = None


StreamEvent: TypeAlias = Thinking | TextDelta | ToolCall | ToolResult | FinalAnswer | Retry | Error | Done
EventType = Literal["thinking", "text_delta", "tool_call", "tool_result", "final_answer", "retry", "error", "done"]
Piece: TypeAlias = Thinking | TextDelta
"""Text that comes bit by bit, and is merged for those who lag."""

E = TypeVar("E", bound=StreamEvent)

EVENTS: dict[str, type[StreamEvent]] = {kind.type: kind for kind in get_args(StreamEvent)}
PIECES = (TextDelta, Thinking)  # the types; whether an event is one is for `is_piece` to say
_TEXT_TYPES = (TextDelta, Thinking, FinalAnswer)
_COMMON = tuple(field.name for field in fields(Event))


def payload(kind: type[Event]) -> tuple[str, ...]:
    """List the fields that a type has besides those of every event."""
    return tuple(field.name for field in fields(kind) if field.name not in _COMMON)


_PAYLOADS = {kind: payload(kind) for kind in EVENTS.values()}
_ADAPTERS: dict[str, TypeAdapter[StreamEvent]] = {name: TypeAdapter(kind) for name, kind in EVENTS.items()}

_READABLE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPED = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def encode(event: StreamEvent) -> bytes:
    """Write the event as one line of UTF-8 JSON with the fields that are set. Non-ASCII text stays readable."""
    try:
        return _text_line(event) if isinstance(event, _TEXT_TYPES) else _line(event, _READABLE).encode()
    except (UnicodeEncodeError, PydanticSerializationError):  # a lone surrogate has no UTF-8 form, but a JSON escape
        return _line(event, _ESCAPED).encode()


def _text_line(event: TextDelta | Thinking | FinalAnswer) -> bytes:
    """Write an event of text, as nearly all are, several times as fast, also for a text of a whole answer."""
    first = f'"seq_from":{event.seq_from},' if not isinstance(event, FinalAnswer) and event.seq_from is not None else ""
    head = f'{{"type":"{event.type}","seq":{event.seq},"at":{round(event.at, 6)},"step":{event.step},{first}"content":'
    state = b',"state":%s' % to_json(event.state) if isinstance(event, Thinking) and event.state else b""
    return b"%s%s%s}" % (head.encode(), to_json(event.content), state)


def _line(event: StreamEvent, json_of: json.JSONEncoder) -> str:
    data: dict[str, Any] = {"type": event.type, "seq": event.seq, "at": round(event.at, 6), "step": event.step}
    for name in _PAYLOADS[type(event)]:
        value = getattr(event, name)
        if value is not None:
            data[name] = _told(value) if isinstance(value, Usage) else value
    try:
        return json_of.encode(data)
    except ValueError:
        return json_of.encode(_finite(data))


def _told(usage: Usage) -> dict[str, Any]:
    """Return the fields of a usage that are known."""
    return {name: value for name, value in asdict(usage).items() if value is not None}


def _finite(value: Any) -> Any:
    """Replace the numbers that JSON does not have, which a tool may give, by strings."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {_finite(name): _finite(each) for name, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
    return value


def wire_size(event: StreamEvent) -> int:
    """Tell about how many bytes `encode` makes of it. Text is not encoded for that, and counted without its escapes."""
    if isinstance(event, _TEXT_TYPES):
        return len(event.content.encode("utf-8", "surrogatepass")) + ENVELOPE
    return len(encode(event))


def numbered(event: E, seq: int) -> E:
    """Copy the event as number `seq`. For each event of every run, where `dataclasses.replace` takes twice as long."""
    kind = type(event)
    return kind(*_PAYLOAD_OF[kind](event), seq=seq, at=event.at, step=event.step)


def _getter(names: tuple[str, ...]) -> Callable[[Any], Iterable[Any]]:
    """Read several fields at once; of a single one `attrgetter` gives the value without a tuple."""
    return attrgetter(*names) if len(names) > 1 else lambda event: (getattr(event, names[0]),)


_PAYLOAD_OF: dict[type[Event], Callable[[Any], Iterable[Any]]] = {
    kind: _getter(names) for kind, names in _PAYLOADS.items()
}


def decode(line: bytes | str) -> StreamEvent:
    """Read the event that `encode` wrote. Raises ValueError with a reason for anything else."""
    return event_of(json.loads(line))


def event_of(data: object) -> StreamEvent:
    """Make an event of its JSON, in which null stands for what an event of its type need not have.

    Raises ValueError where a field is missing, of another type, out of its range, or not one of the event's.
    """
    if not isinstance(data, dict):
        raise ValueError("not an event: no object")
    given = {name: value for name, value in data.items() if value is not None or name in _COMMON}
    kind = given.pop("type", None)
    if not isinstance(kind, str) or kind not in _ADAPTERS:
        raise ValueError("not an event: no known type")
    if not given.keys() >= {"seq", "at"}:
        raise ValueError("not an event: without its number or its time")
    event = _ADAPTERS[kind].validate_python(given)
    if isinstance(event, PIECES) and event.seq_from is not None and event.seq_from > event.seq:
        raise ValueError("not an event: it ends before it begins")
    return event


def is_piece(event: object) -> TypeGuard[Piece]:
    """Tell whether it is text that comes bit by bit: what says that work has begun is not."""
    return isinstance(event, TextDelta) or (isinstance(event, Thinking) and event.state is None)


def first_seq(event: StreamEvent) -> int:
    """Return the seq of the first event that this one stands for, which is its own unless it was merged."""
    return event.seq_from or event.seq if isinstance(event, PIECES) else event.seq


def merge_deltas(events: Iterable[StreamEvent]) -> list[StreamEvent]:
    """Merge adjacent text_deltas of one step, and likewise adjacent thinking; everything else stays as it is."""
    merged: list[StreamEvent] = []
    first: Piece | None = None
    pieces: list[Piece] = []  # from the first on, which become one
    length = 0
    for event in events:
        if first:
            if is_piece(event) and event.type == first.type and event.step == first.step:
                length += len(event.content)
                if length <= MERGED_CHARACTERS:
                    pieces.append(event)
                    continue
            merged.append(_joined(pieces) if len(pieces) > 1 else first)
            first = None
        if is_piece(event):
            first, pieces, length = event, [event], len(event.content)
        else:
            merged.append(event)
    if first:
        merged.append(_joined(pieces) if len(pieces) > 1 else first)
    return merged


def _joined(pieces: list[Piece]) -> Piece:
    return replace(pieces[-1], seq_from=first_seq(pieces[0]), content="".join([piece.content for piece in pieces]))


class StepText:
    """Gathers the text that counts: what the model wrote in its current step, since the last retry."""

    def __init__(self, step: int = 1, text: str = "") -> None:
        self.step = step
        self._parts = [text] if text else []

    def observe(self, event: StreamEvent) -> None:
        """Take the next event of the run."""
        if isinstance(event, TextDelta) and event.step == self.step:
            self._parts.append(event.content)
            return
        if isinstance(event, ToolResult):  # of the step of its call, which may be over
            return
        if event.step != self.step or isinstance(event, Retry):
            self.step = event.step
            self._parts.clear()
        if isinstance(event, TextDelta):
            self._parts.append(event.content)

    def __str__(self) -> str:
        return "".join(self._parts)
