"""A run's events as rows of a table, and values on one line."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from streamlab.events.event import (
    Done,
    Error,
    EventType,
    FinalAnswer,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
)
from streamlab.timeline.spans import is_cut

PREVIEW = 80  # characters of a row's preview


@dataclass(frozen=True, slots=True)
class Row:
    """One event. `at` is seconds since the run began, `since` since the event before; `preview` is one short line."""

    seq: int
    at: float
    since: float
    type: EventType
    tool: str | None
    preview: str


def row(events: Sequence[StreamEvent], index: int) -> Row:
    """Return an event as one row of a table."""
    event = events[index]
    before = events[index - 1].at if index else event.at if is_cut(events) else 0.0
    since = max(0.0, event.at - before)
    tool = event.tool if isinstance(event, ToolCall | ToolResult) else None
    return Row(event.seq, event.at, since, event.type, tool, short(_preview(event), PREVIEW))


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def plain(value: Any) -> str:
    """Write a value as text: text as it is, nothing for None, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else as_json(value)


def _preview(event: StreamEvent) -> str:
    match event:
        case Thinking(state="begun" as state):
            return state
        case Thinking() | TextDelta() | FinalAnswer():
            return event.content
        case ToolCall():
            return plain(event.input)
        case ToolResult():
            return plain(event.result) or event.status
        case Retry():
            return f"{event.code} {event.wait or 0:.1f} s"
        case Error():
            return event.code
        case Done():
            return " ".join(filter(None, (event.status, event.code)))
        case _:
            assert_never(event)


def short(text: str, characters: int) -> str:
    """Write a text as one line of printable characters, its end left out where it is longer."""
    head = text.lstrip()[: 4 * characters]
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in head).split())
    whole = len(line) <= characters and len(head) == len(text.lstrip())
    return line if whole else f"{line[: characters - 1]}…"
