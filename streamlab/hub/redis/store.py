"""A run's log as Redis keeps it, and the calls that change it. Each is one script, so it is done whole or not at all.

A stream of events (entry id `seq-0`), a hash of how things stand, and the sum of the events that left: a text and a
list of tool results. The hash tag keeps a run's keys together. A call whose answer was lost may be repeated.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, cast

from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from streamlab.events.event import StreamEvent, ToolResult, decode, encode
from streamlab.hub.errors import HubUnreachable
from streamlab.hub.log import Snapshot, SnapshotChange

WriteReply = Literal["ok", "fenced", "missing", "behind"]
"""To a producer. "fenced": the run is another's; "missing" or "behind": Redis lost the log, or its newest part."""

Arguments = list[str | bytes | int | float]

_SCRIPTS = files("streamlab.hub.redis") / "lua"


# Why Redis does not take what is written; a kind before those that it is one of.
WHY: dict[type[RedisError], str] = {
    RedisTimeout: "Redis does not answer in time.",
    BusyLoadingError: "Redis is still loading what it keeps.",
    AuthenticationError: "Redis refuses the password of REDIS_URL.",
    NoPermissionError: "Redis does not permit writing to the user of REDIS_URL.",
    ReadOnlyError: "Redis is read-only: it is a replica.",
    OutOfMemoryError: "Redis is full.",
    RedisConnectionError: "Redis cannot be reached.",
}


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. A producer that does not renew its `lease` is dead for the others, `grace` later at the latest.

    kept: how long a log stays after `done`, or after its last follower elsewhere
    away: when Redis has not answered for so long, every process ends the live runs that it has
    unfollowed: a log of another process leaves this one when nobody here has followed it for so long
    answer: how long Redis may take to answer
    closing: how long a process that ends waits until Redis has all that was written
    """

    lease: float = 10.0
    kept: float = 300.0
    away: float = 12.0
    unfollowed: float = 30.0
    answer: float = 2.0
    closing: float = 5.0

    @property
    def renewal(self) -> float:
        return 0.3 * self.lease

    @property
    def grace(self) -> float:
        """How long a lapsed lease must be seen: a producer that Redis was away from needs a moment to come back."""
        return 0.3 * self.lease

    @property
    def tick(self) -> float:
        return self.lease / 20


@dataclass(frozen=True, slots=True)
class StoredLog:
    """Says how a log stands in Redis. `lease` and `age` are seconds: what is left of it, and since the run began."""

    epoch: str
    seq: int
    first: int
    done: bool
    lease: float
    age: float
    snapshot: Snapshot


class Store:
    """Makes the calls to Redis. All of them raise RedisError when it does not answer."""

    def __init__(self, redis: Redis, hub_id: str, times: Times) -> None:
        self._redis = redis
        self._hub_id = hub_id
        self._times = times
        self._begin, self._append, self._renew, self._look, self._take = (
            redis.register_script((_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8"))
            for name in ("begin", "append", "renew", "look", "take")
        )

    async def begin(self, run_id: str, epoch: str, age: float, sum_: Snapshot) -> int:
        """Make the log, empty but for what left it. Answers the fence, 0 when the run is another producer's."""
        args: Arguments = [epoch, self._hub_id, self._lease, self._kept(done=False), _milliseconds(age)]
        args += [sum_.seq, sum_.step, _text(sum_.text), *map(encode, sum_.tools)]
        fence = await self._begin(_keys(run_id), args)
        return int(fence)

    async def append(
        self, run_id: str, epoch: str, fence: int, events: Sequence[StreamEvent], first: int, change: SnapshotChange
    ) -> WriteReply:
        """Commit the events; the log begins at `first` then, and what left changes its sum."""
        done = events[-1].type == "done"
        args: Arguments = [epoch, fence, events[0].seq - 1, self._lease, self._kept(done=done), first]
        args += [int(change.reset), change.step, _text(change.text), int(done), len(change.tools)]
        args += [encode(event) for event in (*change.tools, *events)]
        answer = await self._append(_keys(run_id), args)
        return cast(WriteReply, answer.decode())

    async def renew(
        self, run_id: str, epoch: str, fence: int, seq: int, *, done: bool, followed: bool
    ) -> tuple[WriteReply, float | None]:
        """Renew the lease; also answers how many seconds ago another process said that it follows."""
        args: Arguments = [epoch, fence, seq, self._lease, self._kept(done=done), int(followed)]
        answer, watched = await self._renew(_keys(run_id), args)
        return cast(WriteReply, answer.decode()), watched / 1000 if watched >= 0 else None

    async def look(self, run_id: str, *, watched: bool = False, whole: bool = False) -> StoredLog | None:
        """Look how the log stands; None when there is none.

        `watched`: it is followed here. `whole`: with the sum of what left it.
        """
        found = await self._look(_keys(run_id), [int(watched), int(whole), self._kept(done=True)])
        if found is None:
            return None
        epoch, seq, first, done, lease, age, step, text, tools = found
        sum_ = Snapshot(first - 1, step, text.decode("utf-8", "surrogatepass"), _results(tools))
        return StoredLog(epoch.decode(), seq, first, bool(done), lease / 1000, age / 1000, sum_)

    async def take(self, run_id: str, epoch: str) -> int:
        """Become the producer of a run whose lease has lapsed. Answers the fence, 0 when that is not so."""
        return int(await self._take(_keys(run_id), [epoch, self._hub_id, self._lease]))

    async def events(self, run_id: str, after: int, count: int) -> list[StreamEvent]:
        """Read the next events that are kept after a seq; the first of them may be a later one than the next."""
        entries = await self._redis.xrange(events_key(run_id), min=f"({after}-0", count=count)
        return decoded(entries or [])

    async def producer(self, run_id: str) -> str | None:
        """Return the id of the hub that produces the run."""
        found = await self._redis.hget(_keys(run_id)[0], "hub")
        return cast(bytes, found).decode() if found else None

    async def kill(self, name: str) -> int:
        """Close the connections of this name, as Redis does it: from its side. Answers how many there were."""
        async with self._redis.client() as redis:
            own = str(await redis.client_id())
            ids = [client["id"] for client in await redis.client_list() if client["name"] == name]
            ids.sort(key=own.__eq__)  # the last one closes itself, and can close no other any more
            return sum([int(await redis.client_kill_filter(_id=each, skipme=False)) for each in ids])

    async def try_write(self) -> None:
        """Write something small. Raises HubUnreachable with a sentence that says why not, and holds no secret."""
        try:
            async with asyncio.timeout(self._times.answer):
                await self._redis.set(f"lab:hub:{self._hub_id}:written", b"", px=self._lease)
        except TimeoutError:
            raise HubUnreachable("Redis does not answer in time.") from None
        except RedisError as error:
            sentence = next((told for kind, told in WHY.items() if isinstance(error, kind)), "Redis takes nothing.")
            raise HubUnreachable(sentence) from None

    async def call(self, hub_id: str, **message: str) -> None:
        """Leave a message to a hub, or to oneself."""
        key = calls_key(hub_id)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xadd(key, cast(Any, message), maxlen=1_000)
            pipe.pexpire(key, self._kept(done=True))
            await pipe.execute()

    @property
    def _lease(self) -> int:
        return _milliseconds(self._times.lease)

    def _kept(self, *, done: bool) -> int:
        """Return how long a log stays.

        One that is written must not expire between two renewals, nor while its producer is away.
        """
        times = self._times
        return _milliseconds(times.kept if done else max(times.kept, 2 * (times.lease + times.away)))


def events_key(run_id: str) -> str:
    return f"lab:{{{run_id}}}:events"


def calls_key(hub_id: str) -> str:
    return f"lab:hub:{hub_id}:calls"


def decoded(entries: Iterable[tuple[Any, Any]]) -> list[StreamEvent]:
    """Decode the events of a stream's entries. Raises ValueError when one is not an event."""
    return [decode(fields[b"e"]) for _, fields in entries]


def _results(lines: Iterable[bytes]) -> tuple[ToolResult, ...]:
    """Read the tool results of a snapshot. Raises ValueError when one is something else."""
    results = [decode(line) for line in lines]
    if not all(isinstance(result, ToolResult) for result in results):
        raise ValueError("a snapshot holds what is no tool result")
    return tuple(result for result in results if isinstance(result, ToolResult))


def _keys(run_id: str) -> list[str]:
    tag = f"lab:{{{run_id}}}"
    return [f"{tag}:state", events_key(run_id), f"{tag}:text", f"{tag}:tools"]


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
