"""How much one caller may ask for."""

import math
import time
from collections import deque
from dataclasses import dataclass, field

from streamlab.gateway.errors import Refused
from streamlab.hub import Log

BODY = 1024 * 1024  # bytes of a request's body
MINUTE = 60.0
LIVE_RETRY = 5  # seconds after which a caller with too many live runs may ask again


@dataclass
class _Use:
    """What one caller has begun."""

    logs: list[Log] = field(default_factory=list)
    begun: deque[float] = field(default_factory=deque)

    def forget(self, now: float) -> None:
        self.logs = [log for log in self.logs if not log.done]
        while self.begun and now - self.begun[0] >= MINUTE:
            self.begun.popleft()


class Limits:
    """Live runs and runs in a minute, by the caller's name. There are as many names as tokens."""

    def __init__(self, live: int, per_minute: int) -> None:
        self._live = live
        self._per_minute = per_minute
        self._uses: dict[str, _Use] = {}

    def check(self, name: str) -> None:
        """Whether the caller may begin another run now. Raises Refused."""
        use, now = self._use(name), time.monotonic()
        if len(use.logs) >= self._live:
            raise Refused(
                429,
                "too_many_live_runs",
                f"{len(use.logs)} of your runs are live, and no more may be.",
                "Stop one of them, or wait for its end.",
                retry_after=LIVE_RETRY,
            )
        if len(use.begun) >= self._per_minute:
            raise Refused(
                429,
                "too_many_runs",
                f"{len(use.begun)} of your runs began within a minute, and no more may.",
                "Ask again when Retry-After is over.",
                retry_after=max(1, math.ceil(use.begun[0] + MINUTE - now)),
            )

    def count(self, name: str, log: Log) -> None:
        """The caller has begun a run."""
        use = self._use(name)
        use.logs.append(log)
        use.begun.append(time.monotonic())

    def _use(self, name: str) -> _Use:
        use = self._uses.setdefault(name, _Use())
        use.forget(time.monotonic())
        return use
