"""The session's client over gRPC: it runs on the server, for a browser does not speak it."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import streamlit as st

from components.page.lab import engine, gateway
from streamlab.events.event import StepText
from streamlab.hub import Log
from streamlab.text.reading import Unit, amount, unit_of

if TYPE_CHECKING:  # what speaks gRPC takes a while to load
    from streamlab.relay.follower import GrpcFollower, Look

Command = Literal["join", "cut", "connect", "leave"]


@dataclass
class Remote:
    """Holds the session's client, whether it has left, and what is written for it to read."""

    follower: "GrpcFollower | None" = None
    left: bool = False
    written: "Written | None" = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a log ends now, by seq and by seconds since the run began, and what the client has of it.

    `look` is None when the client has left, or where gRPC is not served. `written` is how much there is to read, in
    `unit`.
    """

    seq: int
    at: float
    look: "Look | None"
    unit: Unit = "words"
    written: int = 0

    @property
    def behind(self) -> int:
        """How many events the client does not have yet."""
        return max(0, self.seq - self.look.seq) if self.look else 0

    @property
    def lag(self) -> float:
        """How many seconds the client is behind, or its last event came late."""
        if not self.look:
            return 0.0
        return max(self.look.late, self.at - self.look.at) if self.behind else self.look.late

    @property
    def delays(self) -> dict[str, float]:
        """Return how far the client is behind: in events, in what it has not read, and in seconds."""
        unread = self.written - amount(self.look.text, self.unit) if self.look and self.behind else 0
        return {"behind": self.behind, "unread": max(0, unread), "lag": self.lag}


@dataclass
class Written:
    """Reads a run's text on, so that each event is looked at once."""

    run_id: str
    seq: int = 0
    text: StepText = field(default_factory=StepText)

    def read(self, log: Log) -> None:
        """Read what is new in the log."""
        if log.first > self.seq + 1:  # it has let go of what is missing here
            known = log.snapshot()
            self.seq, self.text = known.seq, StepText(known.step, known.text)
        for event in log.since(self.seq):
            self.text.observe(event)
        self.seq = log.seq


def standing(log: Log) -> Standing:
    """Return where both are at one moment. Whoever looks for the first time joins."""
    remote = _remote()
    if served() and (remote.follower is None or remote.follower.run_id != log.run_id):
        act("join", log.run_id)
    if remote.written is None or remote.written.run_id != log.run_id:
        remote.written = Written(log.run_id)
    now = engine().portal.call(_standing, log, None if remote.left else remote.follower, remote.written)
    text = str(remote.written.text)
    unit = unit_of(text)
    return replace(now, unit=unit, written=amount(text, unit))


def served() -> bool:
    """Tell whether the gateway has a gRPC port."""
    return bool(gateway().grpc_port)


def act(command: Command, run_id: str) -> None:
    """Do what the card's buttons ask for. Who joins begins anew; who connects goes on where it was cut."""
    from streamlab.relay.follower import GrpcFollower, local_address

    remote, lab, server = _remote(), engine(), gateway()
    if remote.follower and command != "connect":
        lab.portal.call(remote.follower.cut)
    if command == "join":
        address = local_address(lab.settings.lab_grpc_host, server.grpc_port or 0)
        remote.follower = GrpcFollower(address, run_id, lambda: server.access.issue(run_id))
    if remote.follower and command in ("join", "connect"):
        lab.portal.call(remote.follower.connect)
    remote.left = command == "leave"


def _remote() -> Remote:
    remote: Remote = st.session_state.setdefault("relay.remote", Remote())
    return remote


async def _standing(log: Log, follower: "GrpcFollower | None", written: Written) -> Standing:
    look = await follower.look() if follower else None
    written.read(log)
    newest = log.since(log.seq - 1)
    return Standing(log.seq, newest[-1].at if newest else 0.0, look)
