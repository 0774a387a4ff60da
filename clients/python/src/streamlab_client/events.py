"""The events of a run, as their reader gets them. `event.type` tells them apart, for programs and type checkers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

Status = Literal["completed", "stopped", "failed", "lost"]
Json: TypeAlias = Mapping[str, Any]

RUN_FAILED = "The answer could not be completed."  # said for a server of before, which might say nothing


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a run; `estimated` when the model's server did not report them.

    `output_tokens` is all that the model wrote; `reasoning_tokens` of them were reasoning, None when that is not known.
    Likewise `cached_tokens` of the input were read out of the server's cache, and `cache_write_tokens` put into it.
    """

    input_tokens: int
    output_tokens: int
    estimated: bool = False
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


@dataclass(slots=True)
class _LogEvent:
    """What every event of a log has: `seq` counts 1, 2, 3 … within the run, `at` is seconds since the run began, `step`
    is the model's turn within the run.
    """

    seq: int
    at: float
    step: int


@dataclass(slots=True)
class Thinking(_LogEvent):
    """A piece of the model's reasoning. With `seq_from` it stands for the pieces from there to `seq`.

    With the `state` "begun", the first event of a run, it says that work has begun, and has no content.
    """

    type: ClassVar[Literal["thinking"]] = "thinking"
    content: str
    seq_from: int | None = None
    state: str | None = None


@dataclass(slots=True)
class TextDelta(_LogEvent):
    """A piece of the answer. With `seq_from` it stands for the deltas from there to `seq`."""

    type: ClassVar[Literal["text_delta"]] = "text_delta"
    content: str
    seq_from: int | None = None


@dataclass(slots=True)
class ToolCall(_LogEvent):
    """The model asks for a tool; the result has the same `call_id`."""

    type: ClassVar[Literal["tool_call"]] = "tool_call"
    tool: str
    call_id: str
    input: Any


@dataclass(slots=True)
class ToolResult(_LogEvent):
    """`status` is "failed" or "stopped"; None when all went well."""

    type: ClassVar[Literal["tool_result"]] = "tool_result"
    tool: str
    call_id: str
    result: Any
    status: str | None = None


@dataclass(slots=True)
class FinalAnswer(_LogEvent):
    """The whole text of the answer."""

    type: ClassVar[Literal["final_answer"]] = "final_answer"
    content: str


@dataclass(slots=True)
class Retry(_LogEvent):
    """An attempt failed: the text of its step is void, and another attempt begins in `wait` seconds."""

    type: ClassVar[Literal["retry"]] = "retry"
    code: str
    wait: float


@dataclass(slots=True)
class RunError(_LogEvent):
    """The run failed; `done` follows. `message` is a sentence for people; `detail` is what the model's server itself
    said, where it said something.
    """

    type: ClassVar[Literal["error"]] = "error"
    code: str
    message: str
    detail: str | None = None


@dataclass(slots=True)
class Done(_LogEvent):
    """The last event of every run. `code` says why it ended as it did, where that is to be told."""

    type: ClassVar[Literal["done"]] = "done"
    status: Status
    code: str | None = None
    usage: Usage | None = None


@dataclass(slots=True)
class Gap:
    """The events up to `seq` cannot be had any more; a snapshot comes next."""

    type: ClassVar[Literal["gap"]] = "gap"
    after: int
    seq: int


@dataclass(slots=True)
class Snapshot:
    """What the events up to `seq` amount to. It replaces what the reader has: `text` is that of the current `step`."""

    type: ClassVar[Literal["snapshot"]] = "snapshot"
    seq: int
    step: int
    text: str
    tools: tuple[ToolResult, ...] = field(default=())


LogEvent: TypeAlias = Thinking | TextDelta | ToolCall | ToolResult | FinalAnswer | Retry | RunError | Done
Event: TypeAlias = LogEvent | Gap | Snapshot


def _parse_tool_result(data: Json) -> ToolResult:
    return ToolResult(
        data["seq"], data["at"], data["step"], data["tool"], data["call_id"], data.get("result"), data.get("status")
    )


def _parse_error(data: Json) -> RunError:
    message = data.get("message") or RUN_FAILED
    return RunError(data["seq"], data["at"], data["step"], data["code"], message, data.get("detail"))


def _parse_done(data: Json) -> Done:
    usage = data.get("usage")
    tokens = parse_usage(usage) if usage else None
    return Done(data["seq"], data["at"], data["step"], data["status"], data.get("code"), tokens)


def parse_usage(data: Json) -> Usage:
    parts = (data.get(name) for name in ("reasoning_tokens", "cached_tokens", "cache_write_tokens"))
    return Usage(data["input_tokens"], data["output_tokens"], data.get("estimated", False), *parts)


_PARSERS: dict[str, Callable[[Json], LogEvent]] = {
    "thinking": lambda data: Thinking(
        data["seq"], data["at"], data["step"], data["content"], data.get("seq_from"), data.get("state")
    ),
    "text_delta": lambda data: TextDelta(data["seq"], data["at"], data["step"], data["content"], data.get("seq_from")),
    "tool_call": lambda data: ToolCall(
        data["seq"], data["at"], data["step"], data["tool"], data["call_id"], data.get("input")
    ),
    "tool_result": _parse_tool_result,
    "final_answer": lambda data: FinalAnswer(data["seq"], data["at"], data["step"], data["content"]),
    "retry": lambda data: Retry(data["seq"], data["at"], data["step"], data["code"], data.get("wait", 0.0)),
    "error": _parse_error,
    "done": _parse_done,
}
LOG_TYPES = frozenset(_PARSERS)


def parse_event(name: str, data: Json) -> LogEvent:
    """Read an event of a log from its JSON. Raises KeyError or TypeError when it is none."""
    return _PARSERS[name](data)


def parse_gap(data: Json) -> Gap:
    return Gap(data["after"], data["seq"])


def parse_snapshot(data: Json) -> Snapshot:
    return Snapshot(data["seq"], data["step"], data["text"], tuple(map(_parse_tool_result, data["tools"])))


class StepText:
    """The text that counts: what the model wrote in its current step, since the last retry."""

    def __init__(self) -> None:
        self.step = 1
        self._parts: list[str] = []

    def feed(self, event: Event) -> bool:
        """Add the event; return whether the text before it is void now."""
        if isinstance(event, Gap | ToolResult):  # a result is of the step of its call, which may be over
            return False
        void = event.step != self.step or isinstance(event, Retry | Snapshot)
        if void:
            self.step = event.step
            self._parts.clear()
        if isinstance(event, TextDelta):
            self._parts.append(event.content)
        elif isinstance(event, Snapshot):
            self._parts.append(event.text)
        return void

    def __str__(self) -> str:
        return "".join(self._parts)
