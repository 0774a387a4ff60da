"""What was asked of the demo model and when it wrote what: the truth that tests and measurements compare with."""

from array import array
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

KEPT = 1_000


@dataclass(slots=True)
class Record:
    """One chat request. Times are seconds of `time.monotonic()`, which all processes of a host share."""

    id: str
    """The `id` of the answer, too."""
    model: str
    stream: bool
    received: float
    messages: int
    user: str
    """The last user message, its first 1,000 characters."""
    ended: str = "running"
    """`running`, `completed`, `disconnected` or `fault:<name>`. A client that left a stall `disconnected`."""
    written: "array[float]" = field(default_factory=lambda: array("d"))
    """When each content or argument chunk was handed to the socket. An answer that is not streamed is one chunk."""
    calls: list[str] = field(default_factory=list)
    """The names of the tools that the answer calls."""

    def end(self, how: str) -> None:
        """Note how the request ended, unless it had ended before."""
        if self.ended == "running":
            self.ended = how

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "model": self.model,
            "stream": self.stream,
            "received": self.received,
            "written": self.written.tolist(),
            "ended": self.ended,
            "calls": self.calls,
            "prompt": {"messages": self.messages, "user": self.user},
        }


class RequestLog:
    """The last 1,000 requests, oldest first."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=KEPT)

    def add(self, record: Record) -> None:
        self._records.append(record)

    def as_json(self, last: int = KEPT) -> list[dict[str, Any]]:
        records = list(self._records)
        return [record.as_json() for record in records[max(0, len(records) - last) :]]


class FaultCounter:
    """Counts faults by id, for the 1,000 ids used last; one that was forgotten starts again."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()

    def strikes(self, id: str, times: int | None) -> bool:
        """Count a request, and tell whether it is among the first `times` of its id."""
        if times is None:
            return True
        seen = self._seen.pop(id, 0)
        self._seen[id] = seen + 1
        if len(self._seen) > KEPT:
            self._seen.popitem(last=False)
        return seen < times
