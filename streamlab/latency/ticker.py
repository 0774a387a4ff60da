"""How late this process wakes: how noisy the machine is while a call is measured."""

import threading
import time
from types import TracebackType
from typing import Self

import numpy as np

from streamlab.latency.clock import now

TICK = 0.01  # seconds; each waking takes a few microseconds


class Ticker:
    """A thread that sleeps for 10 ms at a time, while the block runs, and notes by how much it overslept."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._running = True
        self._thread = threading.Thread(target=self._tick, name="ticker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = False
        self._thread.join()

    def restart(self) -> None:
        self._late = []

    @property
    def late(self) -> float:
        """Seconds, 95th percentile since the restart; 0 before the first tick."""
        late = self._late[:]
        return float(np.percentile(late, 95)) if late else 0.0

    def _tick(self) -> None:
        while self._running:
            due = now() + TICK
            time.sleep(TICK)
            self._late.append(max(0.0, now() - due))
