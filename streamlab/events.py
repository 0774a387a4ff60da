"""The one shape that every layer passes on. Encoding and decoding live only here."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

EventType = Literal["thinking", "text_delta", "tool_call", "tool_result", "final_answer", "error", "retry", "done"]
Status = Literal["completed", "stopped", "failed", "lost"]

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

    A `text_delta` with `seq_from` stands for the deltas `seq_from` … `seq`, merged for a follower that lags.
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


_READABLE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ESCAPED = json.JSONEncoder(separators=(",", ":"))
_NONE = (None,) * 5
_OPTIONAL = tuple(field.name for field in fields(StreamEvent) if field.name not in ("type", "seq", "at", "step"))


def encode(event: StreamEvent) -> bytes:
    """One line of UTF-8 JSON with the fields that are set. Non-ASCII text stays readable."""
    try:
        return _line(event, _READABLE).encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 form, but a JSON escape
        return _line(event, _ESCAPED).encode()


def _line(event: StreamEvent, json_of: json.JSONEncoder) -> str:
    at = round(event.at, 6)
    if _is_only_text(event):  # as nearly all are; several times as fast as what follows
        content = json_of.encode(event.content)
        return f'{{"type":"{event.type}","seq":{event.seq},"at":{at},"step":{event.step},"content":{content}}}'
    data: dict[str, Any] = {"type": event.type, "seq": event.seq, "at": at, "step": event.step}
    for name in _OPTIONAL:
        value = getattr(event, name)
        if value is not None:
            data[name] = asdict(value) if name == "usage" else value
    return json_of.encode(data)


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
    """Adjacent text_deltas of one step become one; everything else stays as it is."""
    merged: list[StreamEvent] = []
    group: list[StreamEvent] = []
    length = 0

    def close() -> None:
        if group:
            merged.append(_joined(group))
            group.clear()

    for event in events:
        fits = event.type == "text_delta" and length + len(event.content or "") <= MERGED_CHARACTERS
        if group and not (fits and event.step == group[0].step):
            close()
        if event.type == "text_delta":
            length = len(event.content or "") + (length if group else 0)
            group.append(event)
        else:
            merged.append(event)
    close()
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


def _joined(group: list[StreamEvent]) -> StreamEvent:
    if len(group) == 1:
        return group[0]
    first = group[0].seq_from or group[0].seq
    return replace(group[-1], seq_from=first, content="".join(event.content or "" for event in group))
