"""What AG-UI says of a run's events: https://docs.ag-ui.com/concepts/events

Checked with `ag-ui-protocol` and `@ag-ui/client` 1.0.0. The client verifies the order of what it gets and throws at the
first wrong event, so everything that is opened here is closed here.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, TypeAlias, assert_never, cast

from ag_ui.core import (
    BaseEvent,
    CustomEvent,
    ReasoningEndEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    StepFinishedEvent,
    StepStartedEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)

from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Piece,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    encode,
    first_seq,
    merge_deltas,
)
from streamlab.hub import Gap, Item, Snapshot

Part = Literal["text", "reasoning"]


class Content(NamedTuple):
    """A piece of an open message: as nearly all events are, so it is no model."""

    part: Part
    message: str
    delta: str


class Restated(NamedTuple):
    """Stands where all messages are to be said anew, for nothing else in AG-UI takes anything back.

    The text of the `void` message does not count; or all that was told before does not, and what is told `anew` does.
    """

    seq: int
    void: str = ""
    anew: "tuple[Told, ...] | None" = None


Told: TypeAlias = BaseEvent | Content | Restated


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a reader stands who was told a run so far: two who were told the same stand equally.

    `handed`: the calls are of functions of the caller's, and handed back to it. `message` is the id of what the model
    says in this step and attempt, `open` the part of it that is being written, `reasoning` the id of open reasoning.
    `calls` are those without a result, each with the id that it was told under; `used` are all such ids.
    """

    run: str
    handed: bool = False
    used: frozenset[str] = frozenset()
    step: int = 0
    message: str = ""
    open: Part | None = None
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    failure: Error | None = None
    end: Done | None = None

    def entered(self) -> list[Told]:
        """Say what is under way, to somebody who was told all messages at once."""
        told: list[Told] = [StepStartedEvent(step_name=_name(self.step))] if self.step else []
        return told + self.opened()

    def opened(self) -> list[Told]:
        """Say that the open part begins, or goes on, where the client has some of its message already."""
        if self.open == "text":
            return [TextMessageStartEvent(message_id=self.message, role="assistant")]
        if self.open == "reasoning":
            id = self.reasoning
            return [ReasoningStartEvent(message_id=id), ReasoningMessageStartEvent(message_id=id, role="reasoning")]
        return []


@dataclass
class Telling:
    """Takes items in their order and gathers what is `told` of them."""

    standing: Standing
    told: list[Told] = field(default_factory=list)

    def tell_all(self, items: Iterable[Item]) -> None:
        """Take several, of which adjacent deltas become one: to a client each event costs a copy of all messages."""
        for item in cast("Sequence[Item]", merge_deltas(cast("Iterable[StreamEvent]", items))):
            self.tell(item)

    def tell(self, item: Item) -> None:
        match item:
            case Thinking(state="begun"):
                self._step(item.step)
            case Thinking() | TextDelta():
                self._write(item)
            case ToolCall():
                self._call(item)
            case ToolResult():
                self._answer(item)
            case FinalAnswer():
                self._close()
            case Retry():
                self._void(item)
            case Error():
                self._stand(failure=item)
            case Done():
                self._step(0)
                self._stand(end=item)
            case Gap():
                pass  # its snapshot comes next
            case Snapshot():
                self._restate(item)
            case _:
                assert_never(item)

    def _stand(self, **changes: Any) -> None:
        self.standing = replace(self.standing, **changes)

    def _step(self, step: int) -> None:
        """Begin the step, unless it is the one that is under way; 0 begins none."""
        before = self.standing.step
        if step == before:
            return
        self._close()
        if before:
            self.told.append(StepFinishedEvent(step_name=_name(before)))
        if step:
            self.told.append(StepStartedEvent(step_name=_name(step)))
        self._stand(step=step, message="")

    def _close(self) -> None:
        """End the open part."""
        standing = self.standing
        if standing.open == "text":
            self.told.append(TextMessageEndEvent(message_id=standing.message))
        elif standing.open == "reasoning":
            id = standing.reasoning
            self.told += [ReasoningMessageEndEvent(message_id=id), ReasoningEndEvent(message_id=id)]
        else:
            return
        self._stand(open=None, reasoning="")

    def _write(self, piece: Piece) -> None:
        self._step(piece.step)
        if not piece.content:
            return
        part: Part = "text" if isinstance(piece, TextDelta) else "reasoning"
        if self.standing.open != part:
            self._close()
            id = f"{self.standing.run}-{first_seq(piece)}"
            new = {"message": self.standing.message or id} if part == "text" else {"reasoning": id}
            self._stand(open=part, **new)
            self.told += self.standing.opened()
        standing = self.standing
        self.told.append(Content(part, standing.message if part == "text" else standing.reasoning, piece.content))

    def _call(self, call: ToolCall) -> None:
        self._step(call.step)
        self._close()
        id = self._named(call)
        message = self.standing.message or f"{self.standing.run}-{call.seq}"
        self._stand(message=message, calls=(*self.standing.calls, (call.call_id, id)))
        self.told += [
            ToolCallStartEvent(tool_call_id=id, tool_call_name=call.tool, parent_message_id=message),
            ToolCallArgsEvent(tool_call_id=id, delta=_arguments(call)),
            ToolCallEndEvent(tool_call_id=id),
        ]

    def _answer(self, result: ToolResult) -> None:
        """Tell what a tool gave. What stands in the log for a call that was handed back is no answer to it."""
        if self.standing.handed:
            return
        for call in self.standing.calls:
            if call[0] == result.call_id:
                self._stand(calls=tuple(each for each in self.standing.calls if each is not call))
                self.told.append(self._result(result, call[1]))
                return
        self.told += self._called(result)

    def _called(self, result: ToolResult) -> list[Told]:
        """Tell a call with its result, where the call itself cannot be had any more, nor what it asked."""
        id = self._named(result)
        return [
            ToolCallStartEvent(tool_call_id=id, tool_call_name=result.tool),
            ToolCallArgsEvent(tool_call_id=id, delta="{}"),
            ToolCallEndEvent(tool_call_id=id),
            self._result(result, id),
        ]

    def _named(self, call: ToolCall | ToolResult) -> str:
        """Give a call an id that none before has: some servers count anew in each turn, or name none."""
        id = call.call_id
        if not id or id in self.standing.used:
            id = f"{id or 'call'}-{call.seq}"
        self._stand(used=self.standing.used | {id})
        return id

    def _result(self, result: ToolResult, call_id: str) -> ToolCallResultEvent:
        """Say what a tool gave. For how it ended AG-UI has no word but the metadata."""
        return ToolCallResultEvent(
            message_id=f"{self.standing.run}-{result.seq}",
            tool_call_id=call_id,
            content=_written(_plain(result).get("result", "")),
            role="tool",
            metadata=None if result.status == "completed" else {"status": result.status},
        )

    def _void(self, retry: Retry) -> None:
        self._step(retry.step)
        self._close()
        value = {"code": retry.code, "wait": retry.wait, "step": retry.step}
        self.told.append(CustomEvent(name=Retry.type, value=value))
        if self.standing.message:
            self.told.append(Restated(retry.seq, void=self.standing.message))
            self._stand(message="")

    def _restate(self, snapshot: Snapshot) -> None:
        """Tell all anew that a snapshot has. Calls that it does not have are told with their results."""
        self._step(snapshot.step)
        self._close()
        message = f"{self.standing.run}-{snapshot.seq}-text" if snapshot.text else ""
        self._stand(message=message, open="text" if message else None, calls=())
        self.told.append(Restated(snapshot.seq, anew=tuple(self._summed_up(snapshot))))
        self.told += self.standing.opened()

    def _summed_up(self, snapshot: Snapshot) -> Iterator[Told]:
        for result in () if self.standing.handed else snapshot.tools:
            yield from self._called(result)
        if snapshot.text:
            yield Content("text", self.standing.message, snapshot.text)


def _name(step: int) -> str:
    return f"step {step}"


def _arguments(call: ToolCall) -> str:
    """Write the arguments as a model does; those that were no JSON are as it wrote them."""
    return _written(_plain(call).get("input", {}))


def _plain(event: ToolCall | ToolResult) -> dict[str, Any]:
    """Return the fields as JSON has them: without numbers that it does not have."""
    fields: dict[str, Any] = json.loads(encode(event))
    return fields


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
