"""The hub's memory engine: the logs of this process."""

import time
from collections.abc import Callable
from typing import Self

from streamlab.hub.errors import HubFull, UnknownRun
from streamlab.hub.hub import Notice, Outage, Stop
from streamlab.hub.log import Bounds, Follower, Log, Position
from streamlab.hub.memory.shared import MemoryShared
from streamlab.hub.shared import Shared

KEPT_AFTER_DONE = 300.0  # seconds
CAPACITY = 512 * 1024 * 1024  # bytes
CLOSING = 5.0  # seconds that what is still to be done has


class MemoryHub:
    """Logs by run id. Finished ones leave `kept` seconds after their end, or earlier when the hub is full."""

    durable = False

    def __init__(
        self, *, bounds: Bounds | None = None, kept: float = KEPT_AFTER_DONE, capacity: int = CAPACITY
    ) -> None:
        self._bounds = bounds
        self._kept = kept
        self._capacity = capacity
        self._logs: dict[str, Log] = {}
        self.shared: Shared = MemoryShared()
        self.notice: Notice | None = None
        self.taken_over = 0
        self.on_taken_over: list[Callable[[str], None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Give what is still to be done `CLOSING` seconds."""
        await self.shared.close(CLOSING)

    def __len__(self) -> int:
        return len(self._logs)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._logs

    @property
    def size(self) -> int:
        """Return the bytes of all events that are kept."""
        return sum(log.size for log in self._logs.values())

    @property
    def followers(self) -> tuple[int, ...]:
        """Return how many follow each log now."""
        return tuple(log.followers for log in list(self._logs.values()))

    @property
    def reachable(self) -> bool:
        return True

    async def try_write(self) -> None:
        """Do nothing: memory takes what is written."""

    def create(self, run_id: str, stop: Stop | None = None) -> Log:
        """Make a new, empty log. Raises HubFull when there is no room that finished runs could give."""
        self.sweep()
        self._make_room()
        log = self._logs[run_id] = Log(run_id, self._bounds)
        return log

    def log(self, run_id: str) -> Log:
        try:
            return self._logs[run_id]
        except KeyError:
            raise UnknownRun(run_id) from None

    async def open(self, run_id: str) -> Log:
        """Return the log; other engines may have to fetch it from elsewhere."""
        return self.log(run_id)

    def follow(self, run_id: str, after: Position | None = None) -> Follower:
        return self.log(run_id).follow(after)

    def stop(self, run_id: str) -> None:
        """Do nothing: no other process produces it."""

    async def disconnect(self) -> Outage:
        """Do nothing: there is nothing to be disconnected from."""
        return Outage(0, 0.0)

    def sweep(self) -> None:
        """Let go of the finished runs whose time is over and that nobody follows."""
        now = time.monotonic()
        for log in list(self._logs.values()):
            if log.done and not log.followers and self._is_over(log, now - log.began - log.done.at):
                self._drop(log)

    def _make_room(self) -> None:
        size = self.size
        for log in list(self._logs.values()):
            if size < self._capacity:
                return
            if self._may_leave(log):
                size -= log.size
                self._drop(log)
        if size >= self._capacity:
            raise HubFull(f"{size} bytes of unfinished runs, at most {self._capacity} are allowed")

    def _count_taken_over(self, run_id: str) -> None:
        """Tell that a run of a process that died was ended here."""
        self.taken_over += 1
        for tell in self.on_taken_over:
            tell(run_id)

    def _drop(self, log: Log) -> None:
        del self._logs[log.run_id]

    def _is_over(self, log: Log, ended: float) -> bool:
        """Tell whether the time of a run that `ended` so many seconds ago is over."""
        return ended > self._kept

    def _may_leave(self, log: Log) -> bool:
        return log.done is not None
