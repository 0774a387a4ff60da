"""What the demo model says about when it wrote what."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx2

from streamlab.latency.clock import SHARED

LOOK_BACK = (20, 1_000)  # requests: others may ask the same demo model meanwhile
TIMEOUT = 10.0  # seconds


class Truth:
    """The log of the demo model at this `demo_url`, which ends in `/v1`. Asked between calls, never during one."""

    def __init__(self, demo_url: str) -> None:
        self._http = httpx2.Client(base_url=demo_url.rstrip("/").removesuffix("/v1"), timeout=TIMEOUT)
        host = urlsplit(demo_url).hostname or ""
        self._same_clock = SHARED and (host in ("localhost", "::1") or host.startswith("127."))

    def close(self) -> None:
        self._http.close()

    def written(self, answer_id: str | None, start: float, end: float) -> list[float] | None:
        """When the chunks of an answer were written, by the clock of this process; None when that is not known.

        `start` and `end` are when the call was made and over: a record from another time has another clock.
        """
        if answer_id is None or not self._same_clock:
            return None
        with suppress(httpx2.HTTPError, ValueError, KeyError, TypeError):
            for last in LOOK_BACK:
                if record := self._record(answer_id, last):
                    return [float(at) for at in record["written"]] if start <= record["received"] <= end else None
        return None

    def _record(self, answer_id: str, last: int) -> dict[str, Any] | None:
        records: list[dict[str, Any]] = self._http.get("/requests", params={"last": last}).raise_for_status().json()
        return next((record for record in reversed(records) if record["id"] == answer_id), None)
