"""The one shape that every layer passes on. Encoding and decoding live only here."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from pydantic_core import PydanticSerializationError, to_json

EventType = Literal["thinking", "text_delta", "tool_call", "tool_result", "final_answer", "error", "retry", "done"]
Status = Literal["completed", "stopped", "failed", "lost"]

PIECES = ("text_delta", "thinking")  # text that comes bit by bit, and is merged for those who lag
ENVELOPE = 80  # bytes of an encoded text event besides its text
MERGED_CHARACTERS = 64 * 1024  # a merged delta stays far below the bound of one event


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one run. `estimated` is true when the server did not report them."""

    input_tokens: int
    output_tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One entry of a run's log.

    `seq` counts 1, 2, 3 … within the run; `at` is seconds since the run began, by a monotonic clock; `step` is the
    model's turn within the run. Of the rest, each type fills what it needs:

    - `thinking`, `text_delta`, `final_answer`: `content`
    - `tool_call`: `tool`, `call_id`, `input`; `tool_result`: `tool`, `call_id`, `result`, `status` ("failed" if it did)
    - `retry`: the attempt failed with `code` and the text of its step is void; the next begins after `wait` seconds
    - `error`: `code`, and `message` for the log's reader (never shown to people, who get a sentence made from `code`)
    - `done`: `status`, `usage`, and `code` when the run was ended for a reason ("unwatched", "length")

    A `text_delta` or `thinking` with `seq_from` stands for those from `seq_from` to `seq`, merged for a follower that
    lags.
    """

    type: EventType
    seq: int
    at: float
    step: int = 1
    seq_from: int | None = None
    content: str | None = None
    tool: str | None = None
    call_id: str | None = None
    input: Any = None
    result: Any = None
    code: str | None = None
    message: str | None = None
    wait: float | None = None
    status: Status | None = None
    usage: Usage | None = None


_READABLE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPED = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_NONE = (None,) * 5
_OPTIONAL = tuple(field.name for field in fields(StreamEvent) if field.name not in ("type", "seq", "at", "step"))


def encode(event: StreamEvent) -> bytes:
    """One line of UTF-8 JSON with the fields that are set. Non-ASCII text stays readable."""
    try:
        return _text_line(event) if _is_only_text(event) else _line(event, _READABLE).encode()
    except (UnicodeEncodeError, PydanticSerializationError):  # a lone surrogate has no UTF-8 form, but a JSON escape
        return _line(event, _ESCAPED).encode()


def _text_line(event: StreamEvent) -> bytes:
    """As nearly all are: several times as fast, also for a text of a whole answer."""
    head = f'{{"type":"{event.type}","seq":{event.seq},"at":{round(event.at, 6)},"step":{event.step},"content":'
    return b"%s%s}" % (head.encode(), to_json(event.content))


def _line(event: StreamEvent, json_of: json.JSONEncoder) -> str:
    data: dict[str, Any] = {"type": event.type, "seq": event.seq, "at": round(event.at, 6), "step": event.step}
    for name in _OPTIONAL:
        value = getattr(event, name)
        if value is not None:
            data[name] = asdict(value) if name == "usage" else value
    try:
        return json_of.encode(data)
    except ValueError:
        return json_of.encode(_finite(data))


def _finite(value: Any) -> Any:
    """What a tool gave, with strings for the numbers that JSON does not have."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {_finite(name): _finite(each) for name, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
    return value


def _is_only_text(event: StreamEvent) -> bool:
    rest = (event.seq_from, event.tool, event.call_id, event.input, event.result)
    ends = (event.code, event.message, event.wait, event.status, event.usage)
    return event.content is not None and rest == _NONE and ends == _NONE


def wire_size(event: StreamEvent) -> int:
    """About how many bytes `encode` makes of it. Text is not encoded for that, and counted without its escapes."""
    if event.type in ("text_delta", "thinking", "final_answer"):
        return len((event.content or "").encode("utf-8", "surrogatepass")) + ENVELOPE
    return len(encode(event))


def numbered(event: StreamEvent, seq: int) -> StreamEvent:
    """The event as number `seq`. For each event of every run, where `dataclasses.replace` takes twice as long."""
    return StreamEvent(
        event.type,
        seq,
        event.at,
        event.step,
        event.seq_from,
        event.content,
        event.tool,
        event.call_id,
        event.input,
        event.result,
        event.code,
        event.message,
        event.wait,
        event.status,
        event.usage,
    )


def decode(line: bytes | str) -> StreamEvent:
    """The event that `encode` wrote. Raises ValueError with a reason for anything else."""
    data = json.loads(line)
    if not isinstance(data, dict) or data.get("type") not in get_args(EventType):
        raise ValueError("not an event: no known type")
    usage = data.pop("usage", None)
    try:
        return StreamEvent(**data, usage=Usage(**usage) if usage else None)
    except TypeError as error:
        raise ValueError(f"not an event: {error}") from None


def merge_deltas(events: Iterable[StreamEvent]) -> list[StreamEvent]:
    """Adjacent text_deltas of one step become one, and so does adjacent thinking; everything else stays as it is."""
    merged: list[StreamEvent] = []
    first: StreamEvent | None = None
    last: StreamEvent
    texts: list[str] = []  # of the deltas from the first to the last, which become one
    length = 0
    for event in events:
        text = event.content or ""
        length += len(text)
        if first and event.type == first.type and event.step == first.step and length <= MERGED_CHARACTERS:
            last = event
            texts.append(text)
            continue
        if first:
            merged.append(_joined(first, last, texts))
            first = None
        if event.type in PIECES:
            first = last = event
            texts, length = [text], len(text)
        else:
            merged.append(event)
    if first:
        merged.append(_joined(first, last, texts))
    return merged


class StepText:
    """The text that counts: what the model wrote in its current step, since the last retry."""

    def __init__(self) -> None:
        self.step = 1
        self._parts: list[str] = []

    def observe(self, event: StreamEvent) -> None:
        if event.type == "tool_result":  # of the step of its call, which may be over
            return
        if event.step != self.step or event.type == "retry":
            self.step = event.step
            self._parts.clear()
        if event.type == "text_delta":
            self._parts.append(event.content or "")

    def __str__(self) -> str:
        return "".join(self._parts)


def _joined(first: StreamEvent, last: StreamEvent, texts: list[str]) -> StreamEvent:
    if first is last:
        return first
    return replace(last, seq_from=first.seq_from or first.seq, content="".join(texts))
