"""A run's log that Redis keeps, as far as this process has it."""

from streamlab.events.event import StreamEvent
from streamlab.hub.committed import CommittedLog
from streamlab.hub.hub import Stop
from streamlab.hub.log import Bounds


class RedisLog(CommittedLog):
    """Written here, or read from Redis while another process writes it."""

    def __init__(self, run_id: str, bounds: Bounds | None = None, stop: Stop | None = None) -> None:
        super().__init__(run_id, bounds, stop)
        self.loaded = False  # of a log that is read: the reader goes on from its `seq`
        self.due = 0.0  # when it is looked after next, by the monotonic clock
        self.lapsed_since: float | None = None
        self.ended_here = False  # and others may have gone on with it

    @property
    def read(self) -> bool:
        """Tell whether more of it is to come from another process."""
        return self.writer is None and self.done is None

    def end_as_lost(self) -> None:
        self.ended_here = self.done is None
        super().end_as_lost()

    def feed(self, events: list[StreamEvent]) -> bool:
        """Take what was read, known or new. False when some are missing before one: then nothing after is taken.

        A log that is written here by now has its events from its writer.
        """
        for event in events:
            if not self.read:
                break
            if event.seq > self.seq + 1:
                return False
            if event.seq == self.seq + 1:
                self._keep(event, self.admitted(event))
        return True
