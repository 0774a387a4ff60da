"""What a run came to: the sum of its events, which outlives its log."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

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
)
from streamlab.events.timings import Stopwatch, Timings

UNKNOWN = Usage(0, 0, estimated=True)


@dataclass(frozen=True, slots=True)
class ToolUse:
    """Is a call and what became of it; `seconds` from the call to its result."""

    tool: str
    input: Any
    result: Any
    status: Status
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Is what is left of a run when its log is gone. Text, thinking and tools are those of the attempt that counts."""

    status: Status
    code: str | None
    detail: str | None
    text: str
    thinking: str
    usage: Usage
    timings: Timings
    retries: int
    tools: tuple[ToolUse, ...] = ()

    @property
    def visible_tokens(self) -> int | None:
        """The tokens of the text and the calls, without reasoning; None where that is not known."""
        return self.usage.visible(thought=bool(self.thinking))

    @property
    def tokens_per_second(self) -> float | None:
        """The speed of what was seen to be written: reasoning counts where it was sent, and not where it was hidden."""
        return self.timings.tokens_per_second(self.usage.sent(thought=bool(self.thinking)))


@dataclass
class Account:
    """Takes a run's events one by one, and knows at any time what they amount to."""

    text: StepText = field(default_factory=StepText)
    retries: int = 0
    open_calls: dict[str, ToolCall] = field(default_factory=dict)
    _thinking: list[str] = field(default_factory=list)
    _tools: list[ToolUse] = field(default_factory=list)
    _stopwatch: Stopwatch = field(default_factory=Stopwatch)
    _detail: str | None = None
    _done: Done | None = None

    def observe(self, event: StreamEvent) -> None:
        self.text.observe(event)
        self._stopwatch.observe(event)
        match event:
            case TextDelta() | FinalAnswer() | Thinking(state="begun"):
                pass
            case Thinking():
                self._thinking.append(event.content)
            case ToolCall():
                self.open_calls[event.call_id] = event
            case ToolResult():
                self._returned(event)
            case Retry():
                self.retries += 1
                self._thinking.clear()
                self._tools.clear()
            case Error():
                self._detail = event.said
            case Done():
                self._done = event
            case _:
                assert_never(event)

    @property
    def outcome(self) -> Outcome:
        """Sum up a run that has ended; without its `done`, it was lost."""
        done = self._done or Done("lost", "internal")
        return Outcome(
            done.status,
            done.code,
            self._detail,
            str(self.text),
            "".join(self._thinking),
            done.usage or UNKNOWN,
            self._stopwatch.timings,
            self.retries,
            tuple(self._tools),
        )

    def _returned(self, event: ToolResult) -> None:
        if call := self.open_calls.pop(event.call_id, None):
            self._tools.append(ToolUse(call.tool, call.input, event.result, event.status, event.at - call.at))


def outcome_of(events: Iterable[StreamEvent]) -> Outcome:
    account = Account()
    for event in events:
        account.observe(event)
    return account.outcome
