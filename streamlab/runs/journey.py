"""How far a run's first text has come, and when: from the model into the log, and to the page that follows it."""

import time
from dataclasses import dataclass

from streamlab.events.event import Done, Retry, Status, StreamEvent, TextDelta, is_piece


@dataclass
class Journey:
    """The stations of one run. Times are seconds since it began; None where its text has not been, or not been seen.

    - `read`: the run had read the model's first text; `written`: that stood in the log
    - `followed`: a page script of this process had it from the log
    - `chunks`: what the model has sent; `total`: until the run's end
    """

    run_id: str
    began: float  # by the monotonic clock
    read: float | None = None
    written: float | None = None
    followed: float | None = None
    chunks: int = 0
    total: float | None = None
    status: Status | None = None

    def observe(self, event: StreamEvent) -> None:
        """Take an event that was just written."""
        self.chunks += is_piece(event)
        if isinstance(event, TextDelta):
            if self.read is None:
                self.read, self.written = event.at, self._now()
        elif isinstance(event, Retry):
            self.read = self.written = self.followed = None
            self.chunks = 0
        elif isinstance(event, Done):
            self.total, self.status = event.at, event.status

    def follow(self) -> None:
        """Take that a page has read on; the first time counts that it found the text."""
        if self.followed is None and self.written is not None:
            self.followed = self._now()

    def _now(self) -> float:
        return time.monotonic() - self.began
