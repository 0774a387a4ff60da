"""What runs, pages and the gateway ask of a hub, wherever it keeps its logs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from streamlab.hub.log import Follower, Log, Position
from streamlab.hub.shared import Shared

Stop = Callable[[Literal["asked", "lost"]], None]
"""Told when a run is to end for what happened elsewhere: somebody asked for it, or its log is no longer its own."""


@dataclass(frozen=True, slots=True)
class Outage:
    """So many connections to the store were closed, and it took so many seconds until all went on."""

    connections: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Notice:
    """What people are to know of the store. "damaged": its file was kept aside as `detail` and a new one begun.

    "gone": its file `detail` was removed while it was in use, and a new one begun; "replaced": another was put in its
    place, which was kept aside as `detail`. "unwritable": nothing is kept, for what `detail` says.
    """

    code: Literal["damaged", "gone", "replaced", "unwritable"]
    detail: str


class Hub(Protocol):
    """The logs of runs by id. All of it belongs to one event loop, but for the numbers.

    `log` and `follow` know the logs that this process has; `open` fetches those of other processes too.

    - `durable`: its logs are there for others when this process has ended
    - `shared`: what the processes know of each other besides the logs
    - `notice`: what people are to know of the store, if anything
    - `taken_over`: how many runs of processes that died were ended here; of each, who is in `on_taken_over` is told
    """

    durable: bool
    shared: Shared
    notice: Notice | None
    taken_over: int
    on_taken_over: list[Callable[[str], None]]

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exception: object) -> None: ...

    def __len__(self) -> int: ...

    def __contains__(self, run_id: str) -> bool: ...

    @property
    def size(self) -> int: ...

    @property
    def followers(self) -> tuple[int, ...]: ...

    @property
    def reachable(self) -> bool:
        """Tell whether the store that the processes share answers."""

    async def try_write(self) -> None:
        """Write something small to the store, within seconds.

        Raises HubUnreachable with a sentence for people that says why it cannot be, and holds no secret.
        """

    def create(self, run_id: str, stop: Stop | None = None) -> Log:
        """Make a new, empty log, which this process writes. Raises HubFull."""

    def log(self, run_id: str) -> Log:
        """Return the log as this process has it. Raises UnknownRun."""

    async def open(self, run_id: str) -> Log:
        """Return the log with all that was committed to it until now. Raises UnknownRun, HubFull or HubUnreachable."""

    def follow(self, run_id: str, after: Position | None = None) -> Follower:
        """Follow the log as this process has it. Raises UnknownRun."""

    def stop(self, run_id: str) -> None:
        """Ask whichever other process produces the run to stop it."""

    async def disconnect(self) -> Outage:
        """Close all connections of this process to the store that the processes share. Raises HubUnreachable.

        They come back by themselves; it returns when something was written and read again.
        """

    def sweep(self) -> None:
        """Let go of logs whose time is over."""
