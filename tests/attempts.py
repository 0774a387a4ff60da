"""Attempts that do what they are told, and what is asked of the logs they made."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from streamlab.events.event import Event, StreamEvent, TextDelta, Usage
from streamlab.runs.chain import Clock

ENDLESS = {"chunks": 100_000, "rate": 50}
TEXT = "Streaming は、届いた順に。\n\n🙂 **OK**?  \u2028 end"


def types(events: list[StreamEvent]) -> list[str]:
    return [event.type for event in events]


def codes(events: list[StreamEvent]) -> list[str | None]:
    """Return why attempts failed, in order."""
    return [event.code for event in events if event.type in ("retry", "error")]


@dataclass
class Script:
    """An attempt that does what it is told: events, pauses in seconds, exceptions."""

    acts: list[StreamEvent | float | Exception]
    remark: str | None = None
    usage: Usage = field(default=Usage(1, 2))

    async def events(self, clock: Clock) -> AsyncIterator[list[StreamEvent]]:
        for act in self.acts:
            match act:
                case Event():
                    yield [replace(act, at=clock())]
                case Exception():
                    raise act
                case _:
                    await anyio.sleep(act)


def delta(text: str, step: int = 1) -> StreamEvent:
    return TextDelta(text, at=0, step=step)


def ended_by(records: list[dict[str, Any]]) -> list[str]:
    return [record["ended"] for record in records]
