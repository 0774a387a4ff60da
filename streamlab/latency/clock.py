"""The clock that all times are taken from, how late this process wakes by it, and what a server wrote when by it."""

import threading
import time
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

import httpx2
import numpy as np

from streamlab.models.network import client_options, loopback

TICK = 0.01  # seconds; each waking takes a few microseconds
LOOK_BACK = (20, 1_000)  # requests: others may ask the same demo model meanwhile
TIMEOUT = 10.0  # seconds

now = time.perf_counter
"""Seconds of a monotonic clock. On Linux and macOS it is `time.monotonic()`; on Windows that steps by 16 ms until
Python 3.13, too coarse for this."""

SHARED_CLOCK = time.get_clock_info("perf_counter").implementation == time.get_clock_info("monotonic").implementation
"""Whether the demo model, which notes `time.monotonic()`, has the same clock: only then its times can be compared."""


class Ticker:
    """A thread that sleeps for 10 ms at a time, while the block runs, and notes by how much it overslept."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._running = True
        self._thread = threading.Thread(target=self._tick, name="ticker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._running = False
        self._thread.join()

    def restart(self) -> None:
        """Forget what was noted before."""
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


class ServerLog:
    """The log of the demo model at this `demo_url`, which ends in `/v1`. Asked between calls, never during one."""

    def __init__(self, demo_url: str) -> None:
        url = demo_url.rstrip("/").removesuffix("/v1")
        self._http = httpx2.Client(**client_options(), base_url=url, timeout=TIMEOUT)
        self._same_clock = SHARED_CLOCK and loopback(urlsplit(demo_url).hostname or "")

    def close(self) -> None:
        self._http.close()

    def written(self, answer_id: str | None, start: float, end: float) -> list[float] | None:
        """Return when the chunks of an answer were written, by the clock of this process; None when that is not known.

        `start` and `end` are when the call was made and over: a record from another time has another clock.
        """
        if answer_id is None or not self._same_clock:
            return None
        with suppress(httpx2.HTTPError, ValueError, KeyError, TypeError):
            for last in LOOK_BACK:
                records = self._http.get("/requests", params={"last": last}).raise_for_status().json()
                for record in reversed(records):
                    if record["id"] == answer_id:
                        return [float(at) for at in record["written"]] if start <= record["received"] <= end else None
        return None
