"""Measurements as they are kept: from when each is asked for, and while it goes on."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from streamlab.browsers.items import MEASUREMENT, Item, Items
from streamlab.browsers.tombstones import Tombstones
from streamlab.hub import Hub
from streamlab.latency.measurement import write_measurement
from streamlab.latency.measurements import Measurements, Measuring, new_measurement_id
from streamlab.latency.plan import GatewayAddress, Plan

PACE = 1.0  # seconds between two writings of what has been measured
BYTES_PER_SECOND = 1024 * 1024  # of a large measurement, which is therefore written less often
TICK = 0.1  # seconds between two looks whether it has ended
LAPSE = 5.0  # seconds for which a writing may be late until the measurement counts as lost


class KeptMeasurements:
    """Belongs to one event loop. A measurement that somebody has deleted ends."""

    def __init__(self, measurements: Measurements, hub: Hub) -> None:
        self._measurements = measurements
        self._shared = hub.shared
        self._tombstones = Tombstones(hub.shared)
        self.items = Items(MEASUREMENT, hub, measurements.stop)

    async def ask(self, plan: Plan, gateway: GatewayAddress | None = None, browser: str = "", name: str = "") -> str:
        """Begin a measurement as `Measurements.start` does. Raises TooManyMeasurements or HubUnreachable."""
        id = new_measurement_id()
        body = write_measurement((), plan, datetime.now(UTC), complete=False, summary=False)
        item = Item(browser, name, body, until=self._until(body))
        async with self.items.begun(id, item):
            await asyncio.to_thread(self._measurements.start, plan, gateway, id)
        self._shared.later(partial(self._write, id, item))
        return id

    async def _write(self, id: str, item: Item) -> None:
        """Write what has been measured, again and again, until the measurement has ended."""
        documents, known = self.items.documents, None
        while made := self._measurements.find(id):
            if not known and await self._tombstones.has(id):
                self._measurements.stop(id)
                return
            known = known or await documents.get(id) or await documents.add(id, item)
            body = await asyncio.to_thread(_written, made)
            until = 0.0 if made.ended else self._until(body)
            known = known and await documents.replace(id, known, replace(item, body=body, until=until))
            if known and made.ended:
                return
            await self._pause(id, body)

    async def _pause(self, id: str, body: bytes) -> None:
        """Wait until it is time to write again, or it has ended."""
        until = time.monotonic() + _pause(body)
        while time.monotonic() < until and not self._has_ended(id):  # noqa: ASYNC110 # it does on another thread
            await asyncio.sleep(TICK)

    def _has_ended(self, id: str) -> bool:
        made = self._measurements.find(id)
        return made is None or made.ended is not None

    def _until(self, body: bytes) -> float:
        """Return the moment by which a measurement that goes on will have been written again."""
        return self._shared.now() + 2 * _pause(body) + LAPSE


def _pause(body: bytes) -> float:
    return max(PACE, len(body) / BYTES_PER_SECOND)


def _written(made: Measuring) -> bytes:
    complete = len(made.observations) == made.expected
    return write_measurement(made.observations, made.plan, made.made_at, complete=complete, summary=False)
