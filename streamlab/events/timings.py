"""What the times of a run's events say. All times are seconds since the run began."""

from collections.abc import Iterable
from dataclasses import dataclass

from streamlab.events.event import Retry, StreamEvent, TextDelta, ToolCall, is_piece

# Something on the way may hold an answer back and hand it on in one burst. Its times then say nothing of the writing.
SHORTEST_WRITING = 0.05  # seconds
FASTEST_WRITING = 20_000  # tokens a second, more than any hardware is known to write for one reader


@dataclass(frozen=True, slots=True)
class Timings:
    """One answer in figures, those of the attempt that is shown.

    - `ttft`: time to first token, here to the first visible text; None without any text
    - `total`: end to end (E2E), until `done`
    - `first`, `last`: the first and the last event with something that the model wrote, which is reasoning, text or a
      call of a tool; None without any
    """

    ttft: float | None
    total: float
    first: float | None = None
    last: float | None = None

    def tokens_per_second(self, tokens: int) -> float | None:
        """Return (tokens - 1) / (last - first): the first token came with the first event. `tokens` are all of them.

        None for what came in one burst: in less than SHORTEST_WRITING, or faster than FASTEST_WRITING.
        The reciprocal of the inter-token latency of aiperf (`InterTokenLatencyMetric`) and guidellm
        (`inter_token_latency_ms`), who count reasoning as well.
        """
        if self.first is None or self.last is None or tokens < 2:
            return None
        span = self.last - self.first
        return (tokens - 1) / span if span >= max(SHORTEST_WRITING, (tokens - 1) / FASTEST_WRITING) else None


class Stopwatch:
    """Takes a run's events one by one, so that the figures do not need the log."""

    def __init__(self) -> None:
        self._total = 0.0
        self._text: float | None = None
        self._first: float | None = None
        self._last: float | None = None

    def observe(self, event: StreamEvent) -> None:
        self._total = event.at
        if is_piece(event) or isinstance(event, ToolCall):
            self._last = event.at
            if self._first is None:
                self._first = event.at
            if self._text is None and isinstance(event, TextDelta):
                self._text = event.at
        elif isinstance(event, Retry):
            self._text = self._first = self._last = None

    @property
    def timings(self) -> Timings:
        return Timings(self._text, self._total, self._first, self._last)


def timings(events: Iterable[StreamEvent]) -> Timings:
    stopwatch = Stopwatch()
    for event in events:
        stopwatch.observe(event)
    return stopwatch.timings
