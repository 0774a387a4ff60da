"""A run's events as a sequence diagram: who told whom what, in order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from streamlab.events.event import Done, Error, FinalAnswer, Retry, StreamEvent, Thinking, ToolCall, ToolResult
from streamlab.timeline.rows import plain, short
from streamlab.timeline.spans import MODEL, result_status

SHORT = 80  # characters of a text
MESSAGES = 60  # of a diagram
USER = "user"

MessageKind = Literal["call", "reply", "failed", "note"]


@dataclass(frozen=True, slots=True)
class Message:
    """An arrow, or a note when there is no target; `seq` is of its event, None for the question.

    Both ends are "user", "model" or a tool's name after a colon.
    """

    kind: MessageKind
    source: str
    target: str | None
    text: str
    seq: int | None


Block = list[list[Message]]
"""Branches at the same time. One branch is no more than its messages."""


@dataclass(frozen=True, slots=True)
class Diagram:
    """The participants in the order in which they came, the blocks, and how many messages were left out at the end."""

    participants: tuple[str, ...]
    blocks: tuple[Block, ...]
    left_out: int


def diagram(events: Sequence[StreamEvent], labels: Mapping[str, str]) -> Diagram:
    """Tell the run as a sequence diagram of at most `MESSAGES` messages.

    `labels` are the words for "thinking", "answer", "retry", "error" and "stopped", and may have one for "question".
    """
    story = _Story(labels, [_alone(Message("call", USER, MODEL, labels.get("question", "…"), None))])
    for event in events:
        story.observe(event)
    blocks, room = list[Block](), MESSAGES
    for block in story.blocks:
        fitting = Block()
        for branch in block:
            fitting.append(branch[:room])
            room -= len(fitting[-1])
        blocks.append([branch for branch in fitting if branch])
    shown = [message for block in blocks for branch in block for message in branch]
    everyone = dict.fromkeys([USER, MODEL, *(end for each in shown for end in (each.source, each.target) if end)])
    told = sum(len(branch) for block in story.blocks for branch in block)
    return Diagram(tuple(everyone), tuple(block for block in blocks if block), max(0, told - MESSAGES))


@dataclass
class _Story:
    """A run's events as blocks. Calls that overlap are one block, at the place where the first of them began."""

    labels: Mapping[str, str]
    blocks: list[Block]
    _open: list[tuple[str, str, list[Message]]] = field(default_factory=list)  # call id, tool, its branch
    _calls: Block = field(default_factory=list)  # of the calls that are open
    _thought: int | None = None  # the step whose thinking was told

    def observe(self, event: StreamEvent) -> None:
        match event:
            case ToolCall():
                self._call(event)
            case ToolResult():
                self._returned(event)
            case Thinking() if event.state or self._thought == event.step:
                pass
            case _:
                self.blocks += [_alone(message) for message in _said(event, self.labels)]
                self._thought = event.step if isinstance(event, Thinking) else self._thought
        if isinstance(event, Retry):
            self._thought = None

    def _call(self, event: ToolCall) -> None:
        tool = f":{event.tool or 'tool'}"
        branch = [Message("call", MODEL, tool, _brief(event.input), event.seq)]
        if self._open:
            self._calls.append(branch)
        else:
            self._calls = [branch]
            self.blocks.append(self._calls)
        self._open.append((event.call_id, tool, branch))

    def _returned(self, event: ToolResult) -> None:
        call = next((call for call in self._open if call[0] == event.call_id), None)
        if call:
            self._open.remove(call)
            call[2].append(_result(call[1], event, self.labels))


def _alone(message: Message) -> Block:
    return [[message]]


def _result(tool: str, event: ToolResult, labels: Mapping[str, str]) -> Message:
    text, label = _brief(event.result), {"failed": "error", "stopped": "stopped"}.get(result_status(event))
    if label:
        return Message("failed", tool, MODEL, _joined(labels[label], text), event.seq)
    return Message("reply", tool, MODEL, text, event.seq)


def _said(event: StreamEvent, labels: Mapping[str, str]) -> Iterator[Message]:
    """Draw what an event of the model or the run itself shows."""
    match event:
        case Thinking():
            yield Message("note", MODEL, None, labels["thinking"], event.seq)
        case Retry():
            yield Message("failed", MODEL, MODEL, _joined(labels["retry"], event.code), event.seq)
        case Error():
            yield Message("failed", MODEL, USER, _joined(labels["error"], event.code), event.seq)
        case FinalAnswer():
            yield Message("reply", MODEL, USER, _joined(labels["answer"], short(event.content, SHORT)), event.seq)
        case Done(status="stopped"):
            yield Message("failed", MODEL, USER, _joined(labels["stopped"], event.code), event.seq)


def _brief(value: Any) -> str:
    """Write a call's input or result without the marks of JSON, where it is an object."""
    if isinstance(value, dict):
        value = ", ".join(f"{name}: {plain(inner)}" for name, inner in value.items())
    return short(plain(value), SHORT) or "…"


def _joined(label: str, text: str | None) -> str:
    return f"{label}: {text}" if text else label
