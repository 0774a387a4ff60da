"""What was asked last in a conversation that its front end keeps, and names.

The name is of the front end's making: of the same one each caller has a conversation of its own.
"""

import hashlib
import json
from functools import partial
from typing import Generic, TypeVar

from streamlab.gateway.access import Grant
from streamlab.gateway.errors import Refusal, unavailable
from streamlab.hub import HubUnreachable
from streamlab.hub.shared import DocumentType, Shared

T = TypeVar("T")


class LastRuns(Generic[T]):
    """The last run of each conversation, as every process knows it that shares the hub."""

    def __init__(self, kind: DocumentType[T], shared: Shared) -> None:
        self._shared = shared
        self._runs = shared.documents(kind)

    async def get(self, grant: Grant, name: str) -> T | None:
        """Return what is known of the last run of the caller's conversation. Raises Refusal."""
        try:
            found = await self._runs.get(_key(grant, name))
        except HubUnreachable:
            raise unavailable() from None
        return found.document if found else None

    async def put(self, grant: Grant, name: str, run: T) -> T | None:
        """Note that this run is the last now; return the one that was before, if another one was.

        Of several that come at once each learns of the one before it. While the store does not answer nothing is
        learnt, and the run is noted later.
        """
        key, unreadable = _key(grant, name), False
        try:
            while True:
                known = await self._runs.get(key)
                if known and known.document == run:
                    return None
                if unreadable and not known:  # something of another version is in the place
                    await self._runs.put(key, run)
                    return None
                if await (self._runs.replace(key, known, run) if known else self._runs.add(key, run)):
                    return known.document if known else None
                unreadable = not known
        except HubUnreachable:
            self._shared.later(partial(self._runs.put, key, run))
            return None


def check_name(name: str) -> None:
    """Refuse a name that cannot be part of an address, by which its conversation is taken up and stopped."""
    if name in (".", "..") or not name.isprintable():
        raise Refusal(422, "invalid_request", "The id of the conversation cannot be part of an address.")


def _key(grant: Grant, name: str) -> str:
    return hashlib.sha256(json.dumps([grant.name, name]).encode()).hexdigest()
