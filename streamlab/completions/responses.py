"""Answers that stay to be fetched and gone on from: what each was asked, and what came of its run."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from streamlab.browsers.items import BEGINNING, recorded
from streamlab.events.event import StreamEvent, TextDelta, decode, merge_deltas
from streamlab.events.outcome import Outcome
from streamlab.events.recording import write_recording
from streamlab.hub import Hub, HubFull, Log, UnknownRun
from streamlab.hub.shared import DocumentType

KEPT = 30 * 86_400.0  # seconds after the last use
CAPACITY = 64 * 1024 * 1024  # bytes of all that one process holds


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """What the caller `owner` asked, as JSON in the words of its protocol, and the events of the run that answers.

    It goes on from the response `previous`, "" for none. Without events it is live: if its run has no log at the
    moment `until`, by the store's clock, it is lost.
    """

    run_id: str
    owner: str
    previous: str
    asked: bytes
    until: float
    events: bytes = b""

    @property
    def live(self) -> bool:
        return not self.events

    @property
    def size(self) -> int:
        return len(self.asked) + len(self.events)

    @property
    def request(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.asked)
        return read

    @property
    def recorded(self) -> list[StreamEvent]:
        """Return the events, adjacent deltas as one."""
        return [decode(line) for line in self.events.splitlines()]


def _encode(kept: KeptResponse) -> bytes:
    head = json.dumps([kept.run_id, kept.owner, kept.previous, kept.until])
    return b"\n".join([head.encode(), kept.asked, kept.events])


def _decode(written: bytes) -> KeptResponse:
    head, asked, events = written.split(b"\n", 2)
    run_id, owner, previous, until = json.loads(head)
    return KeptResponse(run_id, owner, previous, asked, until, events)


RESPONSES = DocumentType(
    "response",
    _encode,
    _decode,
    KEPT,
    CAPACITY,
    lambda kept: kept.size,
    lambda kept: kept.live,
    lasting=True,
    holds=lambda kept: [kept.run_id],
)


class Responses:
    """Belongs to one event loop. What asks the store raises HubUnreachable when it does not answer.

    Each is closed by the process that produced its run, or that ended its log in the place of one that died, and else
    by who opens it first.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._documents = hub.shared.documents(RESPONSES)
        self._live: set[str] = set()  # those whose runs are produced here
        hub.on_taken_over.append(self._settle_later)

    def begun(self, run_id: str, owner: str, previous: str, asked: bytes) -> KeptResponse:
        """Make the response of a run that has begun."""
        return KeptResponse(run_id, owner, previous, asked, self._hub.shared.now() + BEGINNING)

    async def keep(self, kept: KeptResponse) -> KeptResponse:
        """Keep a response whose run was begun here, and return it, or the one that is kept of this run already."""
        self._live.add(kept.run_id)
        if not await self._documents.add(kept.run_id, kept):
            return await self.find(kept.run_id) or kept
        if kept.run_id in self._hub and self._hub.log(kept.run_id).done:
            self._settle_later(kept.run_id)
        return kept

    async def find(self, run_id: str) -> KeptResponse | None:
        """Return the response as it stands, with the events of its run if that has ended."""
        while known := await self._documents.get(run_id):
            kept = known.document
            events = await recorded(self._hub, run_id, kept.until, summary) if kept.live else None
            if events is None:
                return kept
            closed = replace(kept, events=write_recording(events))
            if whole := await self._documents.replace(run_id, known, closed):
                return whole.document
        return None

    async def remove(self, run_id: str) -> None:
        self._live.discard(run_id)
        await self._documents.remove(run_id)

    def ended(self, run_id: str, outcome: Outcome) -> None:
        """Hear that a run of this process has ended."""
        if run_id in self._live:
            self._settle_later(run_id)

    def _settle_later(self, run_id: str) -> None:
        self._live.discard(run_id)
        self._hub.shared.later(partial(self._settle, run_id))

    async def _settle(self, run_id: str) -> None:
        """Close the response when the end of its run is where others read it."""
        with suppress(UnknownRun, HubFull):
            log = await self._hub.open(run_id)
            while not log.done:
                await log.grown()
        await self.find(run_id)


def summary(log: Log) -> list[StreamEvent]:
    """Return the events of a log, adjacent deltas as one; of those that left it the text of their last step."""
    left = log.snapshot()
    text: list[StreamEvent] = []
    if left.text:
        text = [TextDelta(left.text, seq=left.seq, seq_from=1, at=0.0, step=left.step)]
    return merge_deltas([*text, *log.since(0)])
