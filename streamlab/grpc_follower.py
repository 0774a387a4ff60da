"""A client of the gRPC service, on this server's own loop: for who watches it from where gRPC cannot be spoken."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

import grpc

from streamlab.events import Done, FinalAnswer, Retry, Status, StepText, StreamEvent, TextDelta, Thinking, first_seq
from streamlab.v1 import streamlab_pb2 as pb

AGAIN = 1.0  # seconds until a lost client comes back
UNSEEN = 30.0  # seconds without a look after which it leaves: nobody is there any more
PASSING = (  # what may be otherwise in a moment
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)

State = Literal["connecting", "open", "cut", "lost", "refused", "whole", "differs", "ended"]


@dataclass
class Look:
    """What the client has by now. `missing` and `twice` are events that it was not sent, or more than once.

    `late`: how many seconds its last event came later than it would have as fast as the fastest.
    """

    state: State = "connecting"
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
    """Where this machine reaches a server that listens on this host."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class GrpcFollower:
    """Follows one run over a channel of its own. `token` gives a follow token. Belongs to one event loop."""

    def __init__(self, address: str, run_id: str, token: Callable[[], str]) -> None:
        self.run_id = run_id
        self._address = address
        self._follow_token = token
        self._resume_token = ""
        self._text = StepText()
        self._answer: str | None = None
        self._look = Look()
        self._offset = inf  # of the run's clock to ours, by the event that came fastest
        self._looked_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    async def look(self) -> Look:
        self._looked_at = time.monotonic()
        return replace(self._look, text=str(self._text))

    async def connect(self) -> None:
        """Begin, or go on with the last event's token. What goes on already is left as it is."""
        if self._task and not self._task.done():
            return
        self._look.state = "connecting"
        self._task = asyncio.create_task(self._keep_following(), name=f"grpc follower {self.run_id}")

    async def cut(self) -> None:
        """Close the channel. What has ended has nothing to cut."""
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
            self._look.state = "cut"

    async def _keep_following(self) -> None:
        while not self._look.status and time.monotonic() - self._looked_at < UNSEEN:
            try:
                await self._follow()
            except grpc.aio.AioRpcError as error:
                if error.code() not in PASSING:
                    self._look.state = "refused"
                    return
            if not self._look.status:
                self._look.state = "lost"
                await asyncio.sleep(AGAIN)

    async def _follow(self) -> None:
        async with grpc.aio.insecure_channel(self._address) as channel:
            follow = channel.unary_stream(
                "/streamlab.v1.Streamlab/Follow",
                request_serializer=pb.FollowRequest.SerializeToString,
                response_deserializer=pb.Event.FromString,
            )
            request = pb.FollowRequest(run_id=self.run_id, after=self._resume_token)
            async for message in follow(request, metadata=(("follow-token", self._follow_token()),)):
                self._take(message)
                if time.monotonic() - self._looked_at > UNSEEN:
                    return

    def _take(self, message: pb.Event) -> None:
        look = self._look
        look.bytes += message.ByteSize()
        match message.type:
            case "open":
                look.resumes += bool(self._resume_token)
                look.state = "open"
            case "gap":
                look.gaps += 1
            case "snapshot":
                look.seq = message.snapshot.seq
                self._text = StepText(message.snapshot.step, message.snapshot.text)
            case _ if message.token:
                self._resume_token = message.token
                self._observe(_event_of(message))

    def _observe(self, event: StreamEvent) -> None:
        look, first = self._look, first_seq(event)
        look.missing += max(0, first - look.seq - 1)
        look.twice += max(0, min(look.seq, event.seq) - first + 1)
        look.merged += event.seq - first + 1 if first != event.seq else 0
        look.seq, look.at = event.seq, event.at
        offset = time.monotonic() - event.at
        self._offset = min(self._offset, offset)
        look.late = offset - self._offset
        self._text.observe(event)
        if isinstance(event, FinalAnswer):
            self._answer = event.content
        if isinstance(event, Done):
            look.status = event.status
            look.state = self._end()

    def _end(self) -> State:
        look = self._look
        if look.status != "completed":
            return "ended"
        whole = str(self._text) == self._answer and not (look.missing or look.twice)
        return "whole" if whole or look.gaps else "differs"


def _event_of(message: pb.Event) -> StreamEvent:
    """As much of it as is looked at here."""
    common: dict[str, Any] = {"seq": message.seq, "at": message.at, "step": message.step}
    match message.type:
        case "text_delta":
            first = message.seq_from if message.HasField("seq_from") else None
            return TextDelta(message.text_delta.content, first, **common)
        case "final_answer":
            return FinalAnswer(message.final_answer.content, **common)
        case "done":
            return Done(message.done.status, **common)  # type: ignore[arg-type] # the service sends no other
        case "retry":
            return Retry("", **common)
    return Thinking("", message.seq_from if message.HasField("seq_from") else None, **common)
