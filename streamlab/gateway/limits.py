"""How much one caller may ask for, and how much is read of all."""

import math
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from streamlab.gateway.errors import Refusal
from streamlab.hub.shared import Membership, Shared

BODY = 1024 * 1024  # bytes of a request's body, besides files in it
WITH_FILES = 8 * BODY  # with them, in base64
BODIES = 64 * BODY  # of all bodies that are being read
MINUTE = 60.0
LEASE = 30.0  # seconds after which the live runs of a process that died are counted no more
LIVE_RETRY = 5  # seconds after which a caller with too many live runs may ask again


class Limits:
    """Live runs and runs in a minute, by the caller's name, of all processes that share the hub.

    Each run has a slot in two sets. Its process renews the one among the live runs until the run has ended.
    """

    def __init__(self, shared: Shared, live: int, per_minute: int) -> None:
        self._shared = shared
        self._live = live
        self._per_minute = per_minute
        self._slots: dict[str, tuple[Membership, str]] = {}  # by the runs that are live here

    async def enter(self, name: str) -> str:
        """Take a slot for another run of the caller. Raises Refusal or HubUnreachable."""
        slot = secrets.token_hex(8)
        live, minute = self._memberships(name)
        full = await self._shared.enter([live, minute], slot)
        if full and full.membership == live:
            raise Refusal(
                429,
                "too_many_live_runs",
                f"{self._live} of your runs are live, and no more may be.",
                "Stop one of them, or wait for its end.",
                retry_after=LIVE_RETRY,
            )
        if full:
            raise Refusal(
                429,
                "too_many_runs",
                f"{self._per_minute} of your runs began within a minute, and no more may.",
                "Ask again when Retry-After is over.",
                retry_after=max(1, math.ceil(full.seconds)),
            )
        return slot

    async def leave(self, name: str, slot: str) -> None:
        """Give the slot back: no run came of it."""
        await self._shared.now_or_later(partial(self._shared.leave, self._memberships(name), slot))

    def began(self, name: str, slot: str, run_id: str) -> None:
        """Keep the slot for its run, which is live until it has `ended`."""
        self._slots[run_id] = self._memberships(name)[0], slot

    def ended(self, run_id: str) -> None:
        """Give back the slot of a run that has ended, whoever started it."""
        if found := self._slots.pop(run_id, None):
            membership, slot = found
            self._shared.later(partial(self._shared.leave, [membership], slot))

    async def renew(self) -> None:
        """Renew the slots of the runs that are live here. Raises HubUnreachable."""
        slots: dict[Membership, list[str]] = {}
        for membership, slot in self._slots.values():
            slots.setdefault(membership, []).append(slot)
        for membership, names in slots.items():
            await self._shared.enter([Membership(membership.name, membership.seconds)], *names)

    def _memberships(self, name: str) -> tuple[Membership, Membership]:
        return Membership(f"{{{name}}}:live", LEASE, self._live), Membership(
            f"{{{name}}}:minute", MINUTE, self._per_minute
        )


class Bodies:
    """The bodies that are being read, of all callers: together they have at most BODIES bytes.

    Then the one that was begun first, which has taken longest, is given up.
    """

    def __init__(self) -> None:
        self._sizes: dict[object, tuple[int, Callable[[], None]]] = {}  # the first one first
        self._total = 0

    @contextmanager
    def reading(self, give_up: Callable[[], None]) -> Iterator[Callable[[int], None]]:
        """Yield what is to be told how large each piece is; `give_up` is to end the reading."""
        reading = object()

        def grow(size: int) -> None:
            if reading in self._sizes:  # it was not given up
                self._add(reading, size)
            while self._total > BODIES:
                self._remove(next(iter(self._sizes)))()

        self._sizes[reading] = 0, give_up
        try:
            yield grow
        finally:
            if reading in self._sizes:
                self._remove(reading)

    def _add(self, reading: object, size: int) -> None:
        known, give_up = self._sizes[reading]
        self._sizes[reading] = known + size, give_up
        self._total += size

    def _remove(self, reading: object) -> Callable[[], None]:
        size, give_up = self._sizes.pop(reading)
        self._total -= size
        return give_up
