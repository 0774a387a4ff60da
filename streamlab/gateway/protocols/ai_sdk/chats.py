"""Which run answers in a chat. The chat's id is of its page's making: of the same id each caller has one of its own."""

import hashlib
import json
from functools import partial

from streamlab.gateway.access import Grant
from streamlab.gateway.errors import unavailable
from streamlab.hub import HubUnreachable
from streamlab.hub.shared import DocumentType, Shared, Versioned

LAST = DocumentType("ai-sdk", str.encode, bytes.decode, 24 * 3600.0, 10_000)
"""The id of a chat's last run, at least as long as its log is there."""


class LastRuns:
    """The last run of each chat, as every process knows it that shares the hub."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._runs = shared.documents(LAST)

    async def get(self, grant: Grant, chat_id: str) -> str | None:
        """Return the id of the chat's last run. Raises Refusal."""
        found = await self._get(_key(grant, chat_id))
        return found.document if found else None

    async def put(self, grant: Grant, chat_id: str, run_id: str) -> str | None:
        """Note that this run answers in the chat now; return the run that did before, if another one did.

        Of several that come at once each learns of the one before it. While the store does not answer nothing is
        learnt, and the run is noted later.
        """
        key = _key(grant, chat_id)
        try:
            while True:
                known = await self._runs.get(key)
                if known and known.document == run_id:
                    return None
                written = self._runs.replace(key, known, run_id) if known else self._runs.add(key, run_id)
                if await written:
                    return known.document if known else None
        except HubUnreachable:
            self._shared.later(partial(self._runs.put, key, run_id))
            return None

    async def _get(self, key: str) -> Versioned[str] | None:
        try:
            return await self._runs.get(key)
        except HubUnreachable:
            raise unavailable() from None


def _key(grant: Grant, chat_id: str) -> str:
    return hashlib.sha256(json.dumps([grant.name, chat_id]).encode()).hexdigest()
