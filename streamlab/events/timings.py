"""What the times of a run's events say. All times are seconds since the run began."""

from collections.abc import Iterable
from dataclasses import dataclass

from streamlab.events.event import Retry, StreamEvent, TextDelta


@dataclass(frozen=True, slots=True)
class Timings:
    """One answer in figures.

    - `ttft`: time to first token, here to the first visible text of the attempt that is shown; None without any text
    - `total`: end to end (E2E), until `done`
    """

    ttft: float | None
    total: float

    def tokens_per_second(self, tokens: int) -> float | None:
        """(tokens - 1) / (E2E - TTFT), the reciprocal of TPOT as vLLM's `bench serve` defines it."""
        if self.ttft is None or tokens < 2 or self.total <= self.ttft:
            return None
        return (tokens - 1) / (self.total - self.ttft)


class Stopwatch:
    """Takes a run's events one by one, so that the figures do not need the log."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0

    def observe(self, event: StreamEvent) -> None:
        self._last = event.at
        if isinstance(event, TextDelta):
            if self._first is None:
                self._first = event.at
        elif isinstance(event, Retry):
            self._first = None

    @property
    def timings(self) -> Timings:
        return Timings(self._first, self._last)


def timings(events: Iterable[StreamEvent]) -> Timings:
    stopwatch = Stopwatch()
    for event in events:
        stopwatch.observe(event)
    return stopwatch.timings
