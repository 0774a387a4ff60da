"""An answer as the AI SDK's UI message stream tells it: chunks of a message, its steps and their parts.

https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol, and what the package `ai` reads. A chunk that it does not know ends
the stream with an exception, so each version is told in its own words only.
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, assert_never

from pydantic_core import to_json

from streamlab.events.codes import UNKNOWN_CODE, sentence_of
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
from streamlab.hub import Gap, Item, Snapshot

Version = Literal[5, 6, 7]
"""The major version of `ai` that reads. What is told to 5 is understood by all of them."""

Json: TypeAlias = dict[str, Any]
Part = Literal["text", "reasoning"]

STOPPED = "The call was stopped."
REMARKS = {None: "stop", "length": "length", "refusal": "content-filter", "tool_calls": "tool-calls"}


def encode_chunk(chunk: Json) -> bytes:
    """Encode a chunk as an event of data alone, on one line. Half a character has no UTF-8 form, but a JSON escape."""
    try:
        line = to_json(chunk)
    except ValueError:  # as it is when the chunk is nested deeper than pydantic goes
        line = json.dumps(chunk).encode()
    return b"data: %s\n\n" % line


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader of this version was told: which part is open, which calls have no result, and which text there is.

    It is equal for all who have read alike, and small whatever they have read: of the text of the step only its length
    and checksum are kept, by which text that is told anew is known.
    """

    version: Version
    step: int = 0  # of the run, in which the message's open step is; 0 when none is open
    part: Part | None = None
    parts: int = 0
    written: bool = False  # there is text or reasoning in the open step,
    called: bool = False  # or a call
    length: int = 0
    checksum: int = 0
    calls: tuple[tuple[str, str], ...] = ()  # without a result: the id in the run, and in the message
    ids: frozenset[str] = frozenset()  # of all calls of the message
    failed: bool = False


class Message:
    """Tells the next items to whoever was told that much before: in `chunks`, after which `told` is known."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.chunks: list[Json] = []

    def tell(self, items: Iterable[Item]) -> None:
        for item in items:
            match item:
                case Snapshot():
                    self._sum_up(item)
                case Gap():  # its snapshot says what was missed
                    pass
                case _:
                    self._tell(item)

    def _tell(self, event: StreamEvent) -> None:
        match event:
            case Thinking():
                self._write("reasoning", event.step, event.content)
            case TextDelta():
                self._write("text", event.step, event.content)
            case ToolCall():
                self._call(event)
            case ToolResult():
                self._answer(event)
            case Retry():
                self._void(event.step, {"code": event.code, "message": sentence_of(event.code), "wait": event.wait})
            case Error():
                self._fail(f"{event.message} {event.detail or ''}".strip())
            case FinalAnswer():  # was told piece by piece
                pass
            case Done():
                self._end(event)
            case _:
                assert_never(event)

    def _add(self, type: str, /, **fields: Any) -> None:
        self.chunks.append({"type": type, **fields})

    def _note(self, **changes: Any) -> None:
        self.told = replace(self.told, **changes)

    def _write(self, part: Part, step: int, content: str) -> None:
        """Write a piece of text or reasoning. An empty one, as every run begins with, says nothing."""
        if not content:
            return
        self._enter(step)
        if self.told.part != part:
            self._close_part()
            self._note(part=part, parts=self.told.parts + 1, written=True)
            self._add(f"{part}-start", id=self._part_id)
        self._add(f"{part}-delta", id=self._part_id, delta=content)
        if part == "text":
            self._note(length=self.told.length + len(content), checksum=zlib.crc32(_bytes(content), self.told.checksum))

    @property
    def _part_id(self) -> str:
        return f"{self.told.part}-{self.told.parts}"

    def _enter(self, step: int) -> None:
        """Begin the step, unless it is open; one that is open ends before."""
        if self.told.step != step:
            self._leave()
            self._add("start-step")
            self._note(step=step)

    def _leave(self) -> None:
        self._close_part()
        if self.told.step:
            self._add("finish-step")
            self._note(step=0, written=False, called=False, length=0, checksum=0)

    def _close_part(self) -> None:
        if self.told.part:
            self._add(f"{self.told.part}-end", id=self._part_id)
            self._note(part=None)

    def _call(self, event: ToolCall) -> None:
        """Tell of a call. It runs here: were it not `providerExecuted`, a page might take it for one that is its own.

        Not all models give each call of a run an id of its own, but to the SDK it is the call's name.
        """
        self._enter(event.step)
        self._close_part()
        id = event.call_id
        while id in self.told.ids:
            id = f"{event.call_id}~{len(self.told.ids)}"
        self._add(
            "tool-input-available",
            toolCallId=id,
            toolName=event.tool,
            input=_value(event, "input"),
            providerExecuted=True,
            dynamic=True,
        )
        self._note(called=True, calls=(*self.told.calls, (event.call_id, id)), ids=self.told.ids | {id})

    def _answer(self, event: ToolResult) -> None:
        """Tell what a call gave. That it was stopped is told with the run's end: it may be the caller's own to make."""
        call = next((call for call in self.told.calls if call[0] == event.call_id), None)
        if call is None or event.status == "stopped":
            return
        self._note(calls=tuple(each for each in self.told.calls if each != call))
        result = _value(event, "result")
        if event.status == "completed":
            self._add("tool-output-available", toolCallId=call[1], output=result, providerExecuted=True, dynamic=True)
        else:
            said = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
            self._answer_error(call[1], said if result is not None else "The tool failed.")

    def _answer_error(self, id: str, said: str) -> None:
        self._add("tool-output-error", toolCallId=id, errorText=said, providerExecuted=True, dynamic=True)

    def _stop_calls(self) -> None:
        for _, id in self.told.calls:
            self._answer_error(id, STOPPED)
        self._note(calls=())

    def _void(self, step: int, why: Json) -> None:
        """Void what the step has told by now, if anything, and say why.

        From 7 on the client takes the parts of a step back. The older ones cannot: there `data-retry` stands in the
        message, and what stands before it in its step is void. It ends the step, so that the answer is the last one.
        """
        self._stop_calls()
        self._close_part()
        if self.told.step != step or not self.told.written:
            self._add("data-retry", data=why, transient=True)
        elif self.told.version >= 7 and not self.told.called:  # a call and its result stay
            self._add("reset-step")
            self._add("data-retry", data=why, transient=True)
            self._note(written=False, length=0, checksum=0)
        else:
            self._add("data-retry", data=why)
            self._leave()

    def _sum_up(self, snapshot: Snapshot) -> None:
        """Tell what the events amount to that the reader missed, and of it only what it was not told before."""
        open_calls = {call_id for call_id, _ in self.told.calls}
        for result in snapshot.tools:
            if result.call_id not in open_calls | self.told.ids:
                self._call(ToolCall(result.tool, result.call_id, step=result.step))
            self._answer(result)
        known = snapshot.text[: self.told.length]
        if self.told.step != snapshot.step:
            self._write("text", snapshot.step, snapshot.text)
        elif (len(known), zlib.crc32(_bytes(known))) == (self.told.length, self.told.checksum):
            self._write("text", snapshot.step, snapshot.text[self.told.length :])
        else:
            self._void(snapshot.step, {"code": "gap", "message": "The answer is told anew.", "wait": None})
            self._write("text", snapshot.step, snapshot.text)

    def _fail(self, said: str) -> None:
        self._stop_calls()
        self._close_part()
        self._add("error", errorText=said)
        self._note(failed=True)

    def _end(self, event: Done) -> None:
        """End whatever is open and say why the run ended. Calls that were handed to the caller stay open."""
        if event.code != "tool_calls":
            self._stop_calls()
        if event.status in ("failed", "lost") and not self.told.failed:
            self._fail(sentence_of(event.code) if event.code else UNKNOWN_CODE)
        self._leave()
        if event.status == "stopped":
            self._add("abort", **({"reason": event.code or "stopped"} if self.told.version >= 6 else {}))
        usage = {"messageMetadata": {"usage": _usage(event.usage)}} if event.usage else {}
        self._add("finish", finishReason=self._finish_reason(event), **usage)

    def _finish_reason(self, event: Done) -> str:
        match event.status:
            case "completed":
                return REMARKS.get(event.code, "other")
            case "stopped":
                return "interrupted" if self.told.version >= 7 else "other"
            case "failed" | "lost":
                return "error"
            case _:
                assert_never(event.status)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _value(event: ToolCall | ToolResult, name: str) -> Any:
    """Return a tool's value as JSON has it, or as text where the SDK's reader of JSON would end the stream for it."""
    value = json.loads(encode(event)).get(name)
    return json.dumps(value, ensure_ascii=False) if _changes_prototypes(value) else value


def _changes_prototypes(value: Any) -> bool:
    match value:
        case dict():
            constructor = value.get("constructor")
            changes = "__proto__" in value or (isinstance(constructor, dict) and "prototype" in constructor)
            return changes or any(map(_changes_prototypes, value.values()))
        case list():
            return any(map(_changes_prototypes, value))
    return False


def _usage(usage: Usage) -> Json:
    """Name the figures as the SDK does."""
    figures = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "estimated": usage.estimated,
    }
    parts = {"reasoningTokens": usage.reasoning_tokens, "cachedInputTokens": usage.cached_tokens}
    return figures | {name: count for name, count in parts.items() if count is not None}
