"""How much one caller may ask for."""

import math
import secrets
from functools import partial

from streamlab.gateway.errors import Refused
from streamlab.hub.shared import Roll, Shared

BODY = 1024 * 1024  # bytes of a request's body
MINUTE = 60.0
LEASE = 30.0  # seconds after which the live runs of a process that died are counted no more
LIVE_RETRY = 5  # seconds after which a caller with too many live runs may ask again


class Limits:
    """Live runs and runs in a minute, by the caller's name, of all processes that share the hub.

    Each run has a place in two rolls. Its process renews the one among the live runs until the run has ended.
    """

    def __init__(self, shared: Shared, live: int, per_minute: int) -> None:
        self._shared = shared
        self._live = live
        self._per_minute = per_minute
        self._places: dict[str, tuple[Roll, str]] = {}  # by the runs that are live here

    async def enter(self, name: str) -> str:
        """A place for another run of the caller. Raises Refused or HubUnreachable."""
        place = secrets.token_hex(8)
        live, minute = self._rolls(name)
        full = await self._shared.enter([live, minute], place)
        if full and full.roll == live:
            raise _too_many_live(self._live)
        if full:
            raise _too_many(self._per_minute, full.seconds)
        return place

    async def leave(self, name: str, place: str) -> None:
        """No run came of it."""
        await self._shared.surely(partial(self._shared.leave, self._rolls(name), place))

    def began(self, name: str, place: str, run_id: str) -> None:
        """The place's run is live, from now on until it has `ended`."""
        self._places[run_id] = self._rolls(name)[0], place

    def ended(self, run_id: str) -> None:
        """Whoever started it."""
        if found := self._places.pop(run_id, None):
            roll, place = found
            self._shared.later(partial(self._shared.leave, [roll], place))

    async def renew(self) -> None:
        """The runs that are live here still are. Raises HubUnreachable."""
        places: dict[Roll, list[str]] = {}
        for roll, place in self._places.values():
            places.setdefault(roll, []).append(place)
        for roll, names in places.items():
            await self._shared.enter([Roll(roll.name, roll.seconds)], *names)

    def _rolls(self, name: str) -> tuple[Roll, Roll]:
        return Roll(f"{{{name}}}:live", LEASE, self._live), Roll(f"{{{name}}}:minute", MINUTE, self._per_minute)


def _too_many_live(limit: int) -> Refused:
    return Refused(
        429,
        "too_many_live_runs",
        f"{limit} of your runs are live, and no more may be.",
        "Stop one of them, or wait for its end.",
        retry_after=LIVE_RETRY,
    )


def _too_many(limit: int, seconds: float) -> Refused:
    return Refused(
        429,
        "too_many_runs",
        f"{limit} of your runs began within a minute, and no more may.",
        "Ask again when Retry-After is over.",
        retry_after=max(1, math.ceil(seconds)),
    )
