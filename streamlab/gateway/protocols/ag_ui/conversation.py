"""What a front end calls its conversation and its run, and which run of ours that is."""

import hashlib
import json
from dataclasses import dataclass
from functools import partial

from streamlab.gateway.access import Grant
from streamlab.gateway.errors import unavailable
from streamlab.hub import HubUnreachable
from streamlab.hub.shared import DocumentType, Shared, json_form

SECONDS = 3600.0  # after the last use: longer than any run lasts, and than its log is kept after that
BYTES = 64 * 1024 * 1024  # that one process keeps of what was said


@dataclass(frozen=True, slots=True)
class Conversation:
    """The last run of a thread. `said` are the messages before it, a line of JSON, and `calls` the ids of the calls in
    them. `handed`: the client has functions of its own. `version` is the protocol's that it speaks, "" before 1.0.
    """

    thread_id: str
    run_id: str
    said: str = "[]"
    calls: tuple[str, ...] = ()
    handed: bool = False
    version: str = ""
    run: str = ""


CONVERSATION = DocumentType(
    "ag-ui", *json_form(Conversation), SECONDS, BYTES, size=lambda conversation: 1_000 + len(conversation.said)
)


class Conversations:
    """The last run of each thread, as every process knows it that shares the hub."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._known = shared.documents(CONVERSATION)

    async def get(self, grant: Grant, thread_id: str) -> Conversation | None:
        """Find a thread of the caller's. Raises Refusal."""
        try:
            found = await self._known.get(_place(grant, thread_id))
        except HubUnreachable:
            raise unavailable() from None
        return found.document if found else None

    async def put(self, grant: Grant, conversation: Conversation) -> Conversation | None:
        """Note the thread's last run; return what was the last before. While the store does not answer none is known,
        and it is noted later.
        """
        place = _place(grant, conversation.thread_id)
        try:
            former = await self._known.get(place)
            await self._known.put(place, conversation)
        except HubUnreachable:
            self._shared.later(partial(self._known.put, place, conversation))
            return None
        return former.document if former else None


def _place(grant: Grant, thread_id: str) -> str:
    """Say where a caller's thread is kept: another's of the same id is another."""
    return hashlib.sha256(json.dumps([grant.name, thread_id]).encode()).hexdigest()
