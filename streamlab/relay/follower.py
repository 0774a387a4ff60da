"""A client of the gRPC service, on this server's own loop: for who watches it from where gRPC cannot be spoken."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Any, Literal

from streamlab_client import (
    AsyncClient,
    Backoff,
    Event,
    FinalAnswer,
    Gap,
    Snapshot,
    StreamlabError,
    TextDelta,
    Thinking,
    ToolResult,
)

from streamlab import hub
from streamlab.events import event as events
from streamlab.events.event import Status
from streamlab.gateway.protocols.grpc_events import message_of

BACKOFF = Backoff(attempts=1_000, first=1.0, longest=1.0)  # as long as somebody looks
UNSEEN = 30.0  # seconds without a look after which it leaves: nobody is there any more

FollowerState = Literal["connecting", "open", "cut", "lost", "refused", "whole", "differs", "ended"]


@dataclass
class Look:
    """What the client has by now. `missing` and `twice` are events that it was not given, or more than once.

    `late`: how many seconds its last event came later than it would have as fast as the fastest.
    """

    state: FollowerState = "connecting"
    seq: int = 0
    at: float = 0.0
    late: float = 0.0
    text: str = ""
    bytes: int = 0
    resumes: int = 0
    merged: int = 0
    gaps: int = 0
    missing: int = 0
    twice: int = 0
    status: Status | None = None


def local_address(host: str, port: int) -> str:
    """Return where this machine reaches a server that listens on this host."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class GrpcFollower:
    """Follows one run by the project's own client. `token` gives a follow token. Belongs to one event loop."""

    def __init__(self, address: str, run_id: str, token: Callable[[], str]) -> None:
        self.run_id = run_id
        self._client = AsyncClient(address, token, protocol="grpc", backoff=BACKOFF)
        self._stream = self._client.follow(run_id)
        self._look = Look()
        self._answer: str | None = None
        self._offset = inf  # of the run's clock to ours, by the event that came fastest
        self._connections = 0  # of the stream, before it was connected the last time
        self._task: asyncio.Task[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None

    async def look(self) -> Look:
        """Return what the client has by now, and let it stay for another while."""
        self._stay()
        stream = self._stream
        resumes = max(0, stream.connections - 1)
        return replace(self._look, state=self._state(), text=stream.answer, resumes=resumes, status=stream.status)

    async def connect(self) -> None:
        """Begin, or go on after the last event. What goes on already is left as it is."""
        if not self._following:
            self._connections = self._stream.connections
            self._look.state = "cut"  # what it is in as soon as the task is cancelled
            self._task = asyncio.create_task(self._follow(), name=f"grpc follower {self.run_id}")
            self._stay()

    async def cut(self) -> None:
        """Close the connection. What has ended has nothing to cut."""
        if self._task and self._following:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def _following(self) -> bool:
        return self._task is not None and not self._task.done()

    def _stay(self) -> None:
        """Leave when nobody has looked for UNSEEN seconds from now on."""
        if self._leaving:
            self._leaving.cancel()
        if self._task:
            self._leaving = asyncio.get_running_loop().call_later(UNSEEN, self._task.cancel)

    async def _follow(self) -> None:
        """Take every event until the run's end; the client comes back by itself whenever the connection is lost."""
        try:
            async with self._client, self._stream:
                async for event in self._stream:
                    self._take(event)
        except StreamlabError:
            self._look.state = "refused"

    def _take(self, event: Event) -> None:
        """Count the event."""
        look = self._look
        look.bytes += size_of(event, self._stream.token)
        if isinstance(event, Gap):
            look.gaps += 1
            return
        if isinstance(event, Snapshot):
            look.seq = event.seq
            return
        if isinstance(event, FinalAnswer):
            self._answer = event.content
        seq_from = event.seq_from if isinstance(event, TextDelta | Thinking) else None
        first = seq_from or event.seq
        look.missing += max(0, first - look.seq - 1)
        look.twice += max(0, min(look.seq, event.seq) - first + 1)
        look.merged += event.seq - first + 1 if seq_from else 0
        look.seq, look.at = event.seq, event.at
        offset = time.monotonic() - event.at
        self._offset = min(self._offset, offset)
        look.late = offset - self._offset

    def _state(self) -> FollowerState:
        stream = self._stream
        if stream.status:
            return self._end(stream.status)
        if not self._following:
            return self._look.state
        if stream.connected:
            return "open"
        return "lost" if stream.connections > self._connections else "connecting"

    def _end(self, status: Status) -> FollowerState:
        look = self._look
        if status != "completed":
            return "ended"
        whole = self._stream.answer == self._answer and not (look.missing or look.twice)
        return "whole" if whole or look.gaps else "differs"


def size_of(event: Event, token: str | None) -> int:
    """Return the bytes of the event as the service sends it: the client hands on its content, not the message."""
    return message_of(_sent(event), token or "").ByteSize()


def _sent(event: Event) -> events.StreamEvent | hub.Gap | hub.Snapshot:
    """Make the client's event the server's again."""
    match event:
        case Gap():
            return hub.Gap(event.after, event.seq)
        case Snapshot():
            tools = tuple(events.ToolResult(**_fields(tool)) for tool in event.tools)
            return hub.Snapshot(event.seq, event.step, event.text, tools)
        case _:
            return events.event_of({"type": event.type} | asdict(event))


def _fields(result: ToolResult) -> dict[str, Any]:
    """Return what is set: a result without a status went well, which the server says."""
    return {name: value for name, value in asdict(result).items() if value is not None}
