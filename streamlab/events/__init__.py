"""What happens in a run: the events that every layer passes on, and what they amount to."""

from streamlab.events.event import (
    ENVELOPE,
    MERGED_CHARACTERS,
    PIECES,
    EventType,
    Status,
    StepText,
    StreamEvent,
    Usage,
    decode,
    encode,
    merge_deltas,
    numbered,
    wire_size,
)

__all__ = [
    "ENVELOPE",
    "MERGED_CHARACTERS",
    "PIECES",
    "EventType",
    "Status",
    "StepText",
    "StreamEvent",
    "Usage",
    "decode",
    "encode",
    "merge_deltas",
    "numbered",
    "wire_size",
]
