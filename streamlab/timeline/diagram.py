"""A run's events as a sequence diagram, in Mermaid's language."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamlab.events.event import Done, Error, FinalAnswer, Retry, StreamEvent, Thinking, ToolCall, ToolResult
from streamlab.timeline.rows import plain, short
from streamlab.timeline.spans import MODEL, result_status

SHORT = 40  # characters of a text
MESSAGES = 60  # of a diagram


def mermaid(events: Sequence[StreamEvent], labels: Mapping[str, str]) -> str:
    """Write the run as a Mermaid sequence diagram, of at most `MESSAGES` messages and a note of those left out.

    `labels` are the words for "user", "model", "answer", "thinking", "retry", "error" and "stopped", and may have one
    for "question". No text can break the diagram: what Mermaid might read as a mark is written as an entity code.
    """
    story = _Story(labels, [_alone(_Message("user", "->>", MODEL, labels.get("question", "…")))])
    for event in events:
        story.observe(event)
    diagram = _Diagram()
    for block in story.blocks:
        diagram.add(block)
    return diagram.source(labels)


@dataclass(frozen=True, slots=True)
class _Message:
    """An arrow, or a note when there is no target. Both ends are "user", "model" or a tool's name after a colon."""

    source: str
    arrow: str
    target: str | None
    text: str


_Block = list[tuple[str, list[_Message]]]
"""Branches at the same time: a label and messages each. One branch is no more than its messages."""


@dataclass
class _Story:
    """A run's events as blocks. Calls that overlap are one block, at the place where the first of them began."""

    labels: Mapping[str, str]
    blocks: list[_Block]
    _open: list[tuple[str, str, list[_Message]]] = field(default_factory=list)  # call id, tool, its branch
    _calls: _Block = field(default_factory=list)  # of the calls that are open
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
        branch = [_Message(MODEL, "->>", tool, _brief(event.input))]
        if self._open:
            self._calls.append((tool, branch))
        else:
            self._calls = [(tool, branch)]
            self.blocks.append(self._calls)
        self._open.append((event.call_id, tool, branch))

    def _returned(self, event: ToolResult) -> None:
        call = next((call for call in self._open if call[0] == event.call_id), None)
        if call:
            self._open.remove(call)
            call[2].append(_result(call[1], event, self.labels))


def _alone(message: _Message) -> _Block:
    return [("", [message])]


def _result(tool: str, event: ToolResult, labels: Mapping[str, str]) -> _Message:
    text, label = _brief(event.result), {"failed": "error", "stopped": "stopped"}.get(result_status(event))
    return _Message(tool, "--x", MODEL, _joined(labels[label], text)) if label else _Message(tool, "-->>", MODEL, text)


def _said(event: StreamEvent, labels: Mapping[str, str]) -> Iterator[_Message]:
    """Draw what an event of the model or the run itself shows."""
    match event:
        case Thinking():
            yield _Message(MODEL, "", None, labels["thinking"])
        case Retry():
            yield _Message(MODEL, "--x", MODEL, _joined(labels["retry"], event.code))
        case Error():
            yield _Message(MODEL, "--x", "user", _joined(labels["error"], event.code))
        case FinalAnswer():
            yield _Message(MODEL, "-->>", "user", _joined(labels["answer"], short(event.content, SHORT)))
        case Done(status="stopped"):
            yield _Message(MODEL, "--x", "user", _joined(labels["stopped"], event.code))


def _brief(value: Any) -> str:
    """Write a call's input or result without the marks of JSON, where it is an object."""
    if isinstance(value, dict):
        value = ", ".join(f"{name}: {plain(inner)}" for name, inner in value.items())
    return short(plain(value), SHORT)


def _joined(label: str, text: str | None) -> str:
    return f"{label}: {text}" if text else label


class _Diagram:
    """The lines of a diagram, as far as there is room."""

    def __init__(self) -> None:
        self._ids = {"user": "user", MODEL: "model"}  # a participant -> its name in the source
        self._lines: list[str] = []
        self._room = MESSAGES
        self._left_out = 0

    def add(self, block: _Block) -> None:
        shown = []
        for label, messages in block:
            if fitting := messages[: self._room]:
                shown.append((label, fitting))
            self._room -= len(fitting)
            self._left_out += len(messages) - len(fitting)
        parallel = len(shown) > 1
        for number, (label, messages) in enumerate(shown):
            if parallel:
                self._lines.append(f"{'and' if number else 'par'} {_escaped(label[1:])}")
            self._lines += [self._line(message) for message in messages]
        if parallel:
            self._lines.append("end")

    def source(self, labels: Mapping[str, str]) -> str:
        lines = ["sequenceDiagram", f"actor user as {_escaped(labels['user'])}"]
        for name, id_ in list(self._ids.items())[1:]:
            alias = labels["model"] if name == MODEL else name[1:]
            lines.append(f"participant {id_} as {_escaped(alias)}")
        lines += self._lines
        if self._left_out:
            lines.append(f"Note over user,model: … {self._left_out}")
        return "\n".join(lines) + "\n"

    def _line(self, message: _Message) -> str:
        text = _escaped(message.text, _UNSAFE_IN_MESSAGE)
        if message.target is None:
            return f"Note over {self._id(message.source)}: {text}"
        return f"{self._id(message.source)}{message.arrow}{self._id(message.target)}: {text}"

    def _id(self, name: str) -> str:
        return self._ids.setdefault(name, f"tool{len(self._ids) - 1}")


# Letters and digits of any script are safe, but for two that Mermaid uses as marks, and the word that ends a block.
# After the colon of a message more is: Mermaid measures an entity code as wide as it is written, so few are used.
_UNSAFE = re.compile(r"\bend\b|[^\w .,、。…]|[ßﬂ]", re.IGNORECASE)
_UNSAFE_IN_MESSAGE = re.compile(r"\bend\b|[^\w .,、。…:()+*/=?!'\"{}\[\]|@¥€£-]|[ßﬂ]", re.IGNORECASE)


def _escaped(text: str, unsafe: re.Pattern[str] = _UNSAFE) -> str:
    """Write unsafe characters as Mermaid's entity codes, in decimal: https://mermaid.js.org/syntax/sequenceDiagram.html#entity-codes"""
    line = short(text, 2 * SHORT) or "…"
    return unsafe.sub(lambda found: f"#{ord(found[0][0])};{found[0][1:]}", line)
