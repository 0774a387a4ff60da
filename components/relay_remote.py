"""The session's client over gRPC: it runs on the server, for a browser does not speak it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.state import engine, gateway, session
from streamlab.hub import Log

if TYPE_CHECKING:  # what speaks gRPC takes a while to load
    from components.relay_follower import GrpcFollower, Look

Ask = Literal["join", "cut", "connect", "leave"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a log ends now, by seq and by seconds since the run began, and what the client has of it.

    `look` is None when the client has left, or where gRPC is not served.
    """

    seq: int
    at: float
    look: "Look | None"

    @property
    def behind(self) -> int:
        """Events that the client does not have yet."""
        return max(0, self.seq - self.look.seq) if self.look else 0

    @property
    def lag(self) -> float:
        """Seconds that the client is behind, or that its last event came late."""
        if not self.look:
            return 0.0
        return max(self.look.late, self.at - self.look.at) if self.behind else self.look.late


def standing(log: Log) -> Standing:
    """Both at one moment. Whoever looks for the first time joins."""
    if served() and _is_new(log.run_id):
        act("join", log.run_id)
    follower = None if session().follower_left else session().follower
    return engine().portal.call(_standing, log, follower)


def served() -> bool:
    return bool(gateway().grpc_port)


def act(what: Ask, run_id: str) -> None:
    """What the card's buttons ask for. Who joins begins anew; who connects goes on where it was cut."""
    if what == "join":
        _join(run_id)
    elif follower := session().follower:
        engine().portal.call(follower.connect if what == "connect" else follower.cut)
        session().follower_left = what == "leave"


def _is_new(run_id: str) -> bool:
    follower = session().follower
    return follower is None or follower.run_id != run_id


def _join(run_id: str) -> None:
    from components.relay_follower import GrpcFollower, local_address

    lab, server, state = engine(), gateway(), session()
    if state.follower:
        lab.portal.call(state.follower.cut)
    address = local_address(lab.settings.lab_grpc_host, server.grpc_port or 0)
    state.follower = GrpcFollower(address, run_id, lambda: server.access.issue(run_id))
    state.follower_left = False
    lab.portal.call(state.follower.connect)


async def _standing(log: Log, follower: "GrpcFollower | None") -> Standing:
    look = await follower.look() if follower else None
    newest = log.since(log.seq - 1)
    return Standing(log.seq, newest[-1].at if newest else 0.0, look)
