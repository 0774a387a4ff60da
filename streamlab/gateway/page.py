"""A page of a run's events as JSON, for those who would rather ask again than follow."""

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field

from streamlab.events import encode
from streamlab.gateway.feed import control, plain_snapshot
from streamlab.hub import Gap, Log, Position, Snapshot


class Page(BaseModel):
    """`gap` and `snapshot` are null unless what was asked for cannot be had any more."""

    events: list[dict[str, Any]]
    next: str | None = Field(description="send it as `after` for what follows; null when the run has ended here")
    gap: dict[str, Any] | None
    snapshot: dict[str, Any] | None


def page_of(log: Log, after: Position | None, limit: int) -> bytes:
    """At most `limit` events after the position, as JSON. Each event is the bytes that every other protocol sends."""
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
        control(asdict(gap)) if gap else b"null",
        control(plain_snapshot(snapshot)) if snapshot else b"null",
    )
