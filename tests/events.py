"""What tests ask of a run's events."""

from collections.abc import Sequence
from typing import TypeVar

from streamlab.events.event import Done, Event, FinalAnswer, StreamEvent, first_seq
from streamlab.hub import Item

K = TypeVar("K", bound=Event)


def of(events: Sequence[Item], kind: type[K]) -> list[K]:
    """Return the events of one type."""
    return [event for event in events if isinstance(event, kind)]


def end(events: Sequence[StreamEvent]) -> Done:
    """Return the last event, which must be the end of a log."""
    assert isinstance(events[-1], Done)
    return events[-1]


def answer(events: Sequence[StreamEvent]) -> str:
    """Return the text of the final answer, which must stand before the end."""
    assert isinstance(events[-2], FinalAnswer)
    return events[-2].content


def content(event: Item) -> str:
    """Return the text of an event; nothing for one that has none."""
    return getattr(event, "content", "")


def span(event: StreamEvent) -> range:
    """Return the seqs that an event stands for."""
    return range(first_seq(event), event.seq + 1)
