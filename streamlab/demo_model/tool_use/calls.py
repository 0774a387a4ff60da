"""Calls of tools, what came of them, and the pieces in which a call travels."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, Self

from streamlab.demo_model.chunks import cut
from streamlab.demo_model.request import Message


@dataclass(frozen=True, slots=True)
class Call:
    """Equal when tool and arguments are. The arguments are JSON, unless they are broken."""

    tool: str
    arguments: str

    @classmethod
    def of(cls, tool: str, **arguments: Any) -> Self:
        """Make a call whose arguments are JSON."""
        return cls(tool, _spell(arguments))


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool answered: its `text`, and either the JSON object in it or what went wrong."""

    text: str
    value: dict[str, Any]
    error: str | None = None


ToolAnswers = dict[Call, ToolAnswer]


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A part of the arguments of the call at `index`. The first piece of a call has its name and no text."""

    index: int
    text: str
    name: str | None = None


def read_answers(messages: Sequence[Message]) -> ToolAnswers:
    """Read what the calls since the last question brought, oldest first."""
    last = max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)
    calls: dict[str | None, Call] = {}
    answers: ToolAnswers = {}
    for message in messages[last + 1 :]:
        if message.role == "tool":
            answers[calls[message.tool_call_id]] = _answer(message.text)
        for call in message.tool_calls or []:
            calls[call.id] = Call(call.function.name, _respell(call.function.arguments))
    return answers


def cut_calls(calls: Sequence[Call], size: int | None, *, interleave: bool) -> list[CallPiece]:
    """Cut names, then arguments: a piece of each call in turn, or one call after the other."""
    queues = [
        [CallPiece(index, "", call.tool), *(CallPiece(index, text) for text in cut(call.arguments, size))]
        for index, call in enumerate(calls)
    ]
    if not interleave:
        return list(chain(*queues))
    return [piece for row in zip_longest(*queues) for piece in row if piece]


def _answer(text: str) -> ToolAnswer:
    """Read a result. A tool that failed says so in a sentence or as `{"error": …}`."""
    try:
        value = json.loads(text)
    except ValueError:
        return ToolAnswer(text, {}, text.strip() or "…")
    if not isinstance(value, dict):
        return ToolAnswer(text, {"value": value})
    error = value.get("error")
    if isinstance(error, dict):
        error = error.get("message", text)
    return ToolAnswer(text, value, str(error) if error else None)


def _spell(arguments: Any) -> str:
    return json.dumps(arguments, ensure_ascii=False)


def _respell(arguments: str) -> str:
    """Undo other spaces and escapes, with which clients may send arguments back."""
    try:
        return _spell(json.loads(arguments))
    except ValueError:
        return arguments
