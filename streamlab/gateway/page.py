"""A page of a run's events as JSON, for those who would rather ask again than follow."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from streamlab.events.event import encode
from streamlab.gateway.control import control_json
from streamlab.gateway.schema import ref
from streamlab.hub import Gap, Log, Position, Snapshot


class EventPage(BaseModel):
    """`gap` and `snapshot` are null unless what was asked for cannot be had any more."""

    events: list[Annotated[dict[str, Any], WithJsonSchema(ref("LogEvent"))]]
    next: str | None = Field(description="send it as `after` for what follows; null when the run has ended here")
    gap: Annotated[dict[str, Any], WithJsonSchema(ref("gap"))] | None
    snapshot: Annotated[dict[str, Any], WithJsonSchema(ref("snapshot"))] | None


def page_of(log: Log, after: Position | None, limit: int) -> bytes:
    """Encode at most `limit` events after the position. Each is the bytes that the other protocols of JSON send."""
    gap: Gap | None = None
    snapshot: Snapshot | None = None
    seq = after.seq if after else 0
    if (after and (after.epoch != log.epoch or seq > log.seq)) or seq < log.first - 1:
        gap, snapshot = Gap(seq, log.first - 1), log.snapshot()
        seq = gap.seq
    events = log.since(seq)[:limit]
    reached = events[-1].seq if events else seq
    ended = log.done is not None and reached == log.seq
    return b'{"events":[%s],"next":%s,"gap":%s,"snapshot":%s}' % (
        b",".join(map(encode, events)),
        b"null" if ended else f'"{Position(log.epoch, reached)}"'.encode(),
        control_json(gap) if gap else b"null",
        control_json(snapshot) if snapshot else b"null",
    )
