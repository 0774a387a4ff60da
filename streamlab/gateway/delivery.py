"""Deliveries: each is one client's way through one log, whatever the protocol."""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Self

from streamlab.gateway.access import Access, Grant
from streamlab.gateway.feed import Feed, Frame
from streamlab.hub import Log, Position

logger = logging.getLogger(__name__)

FAREWELL = 0.5  # seconds that the last word has to those who did not even take the end of their run
FEEDS_KEPT = 8  # of logs that nobody follows any more; each holds about 2 MiB of frames, and its log

EndReason = Literal["ended", "client", "slow", "drained", "expired", "revoked"]
Stage = Literal["begun", "first", "ended"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between frames of a busy stream, between signs of life of a silent one, until a send is given up,
    and how often the last two are looked at.
    """

    frame: float = 0.04
    heartbeat: float = 15
    send: float = 10
    check: float = 0.5


@dataclass(frozen=True, slots=True)
class DeliveryDetails:
    """A delivery at one stage: it has begun, has sent its first event, or has ended for `reason`.

    `events` and `sent` (bytes) are until then, `seconds` since its begin. `resumed`: it went on from a resume token.
    """

    stage: Stage
    run_id: str
    protocol: str
    resumed: bool
    seconds: float
    events: int
    sent: int
    reason: EndReason | None = None


Hook = Callable[[DeliveryDetails], None]
FeedKey = tuple[Log, bool]
"""A log, and whether its events are merged for those who lag."""


@dataclass
class Traffic:
    """What was sent over one protocol since the start."""

    events: int = 0
    sent: int = 0


class Delivery:
    """A cursor, what was sent, and why it ended. A context manager: for as long as the block it follows the run.

    The transport takes what `next` answers and sends it by `send`. `push` may be its way to send a frame at once while
    it waits for `next`: it answers the bytes, or None where it cannot now. `abort` is its way to close the connection
    at once, of which it then hears as of any other loss.
    """

    def __init__(
        self,
        deliveries: "Deliveries",
        log: Log,
        grant: Grant,
        protocol: str,
        after: Position | None,
        *,
        merged: bool = True,
    ) -> None:
        self.log = log
        self.merged = merged
        self.grant = grant
        self.protocol = protocol
        self.reason: EndReason | None = None
        self.push: Callable[[Frame], int | None] = lambda frame: None
        self.abort: Callable[[], object] = lambda: None
        self.events = 0
        self.sent = 0
        self._deliveries = deliveries
        self._traffic = deliveries.traffic[protocol]
        self._follower = log.follow(after)
        self._resumed = after is not None
        self._position = self._follower.position
        self._waiting: asyncio.Future[None] | None = None
        self._sending_since: float | None = None
        self._sent_at = self._began = time.monotonic()
        self._beat = False

    def __enter__(self) -> Self:
        self._follower.__enter__()
        self._feed = self._deliveries.add(self)
        self._observe("begun")
        return self

    def __exit__(self, *exception: object) -> None:
        self.reason = self.reason or "client"
        self._follower.__exit__(*exception)
        self._deliveries.remove(self)
        self._observe("ended")
        logger.info(
            "run %s %s events=%d bytes=%d reason=%s",
            self.log.run_id,
            self.protocol,
            self.events,
            self.sent,
            self.reason,
        )

    async def next(self) -> Frame | None:
        """Wait for the next frame. One without items is a sign of life; None is the end, and `reason` says why."""
        while self.reason is None:
            if frame := self._feed.frame(self._position):
                self._position = frame.position
                return frame
            if self._feed.is_end(self._position):
                self.reason = "ended"
            elif self._beat:
                self._beat = False
                return Frame([], self._position, self._feed.line, whole=False)
            else:
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting
        return None

    async def send(self, sending: Awaitable[None], size: int, events: int = 0) -> None:
        """Wait for what the transport sends, of `size` bytes; a send that does not end in time ends the delivery."""
        self._sent_at = self._sending_since = time.monotonic()
        try:
            await sending
        finally:
            self._sending_since = None
        self._count(size, events)

    def _count(self, size: int, events: int) -> None:
        self._traffic.sent += size
        self._traffic.events += events
        self.sent += size
        if events and not self.events:
            self.events = events
            self._observe("first")
        else:
            self.events += events

    def end(self, reason: EndReason) -> None:
        """End it after what is being sent; the first reason counts."""
        self.reason = self.reason or reason
        self.wake()

    def wake(self) -> None:
        """Push what has come, or have the transport go on.

        Only what cannot be done at once is left to the transport, which waits in `next`: to resume 300 tasks costs more
        than to write to 300 sockets.
        """
        if self._waiting and not self._waiting.done() and not self._pushed():
            self._waiting.set_result(None)

    def _pushed(self) -> bool:
        """Push the next frame; tell whether that could be done and nothing is left to do."""
        frame = None if self.reason or self._beat else self._feed.frame(self._position)
        if not frame or (size := self.push(frame)) is None:
            return False
        self._position = frame.position
        self._sent_at = time.monotonic()
        self._count(size, frame.events)
        return not frame.whole and not self._feed.is_end(frame.position)

    def check(self, now: float, pace: Pace, access: Access) -> None:
        """Do what is due: give up a send that stalls, end what its right allows no more, send a sign of life."""
        if self._sending_since is not None:
            if now - self._sending_since > pace.send:
                self.end("slow")
                self.abort()
        elif lapse := access.lapsed(self.grant):
            self.end(lapse)
        elif now - self._sent_at >= pace.heartbeat:
            self._beat, self._sent_at = True, now
            self.wake()

    def _observe(self, stage: Stage) -> None:
        seconds = time.monotonic() - self._began
        self._deliveries.observe(
            DeliveryDetails(
                stage, self.log.run_id, self.protocol, self._resumed, seconds, self.events, self.sent, self.reason
            )
        )


class Deliveries:
    """All that are under way in this process. Belongs to one event loop."""

    def __init__(self, access: Access, observe: Hook, pace: Pace | None = None) -> None:
        self.observe = observe
        self.pace = pace or Pace()
        self.traffic: defaultdict[str, Traffic] = defaultdict(Traffic)
        self._access = access
        self._feeds: dict[FeedKey, Feed] = {}
        self._idle_feeds: dict[FeedKey, Feed] = {}  # for whoever comes back to what was read last
        self._under_way: set[Delivery] = set()

    def __len__(self) -> int:
        return len(self._under_way)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(tuple(self._under_way))

    def open(
        self, log: Log, grant: Grant, protocol: str, after: Position | None = None, *, merged: bool = True
    ) -> Delivery:
        """Make a delivery, to be entered, which begins after the position or at the beginning."""
        return Delivery(self, log, grant, protocol, after, merged=merged)

    def add(self, delivery: Delivery) -> Feed:
        """Take a delivery in; return the feed of its log, which all who follow that log share."""
        self._under_way.add(delivery)
        key = delivery.log, delivery.merged
        feed = self._feeds.get(key) or self._idle_feeds.pop(key, None)
        feed = self._feeds[key] = feed or Feed(delivery.log, self.pace.frame, merged=delivery.merged)
        feed.join(delivery)
        return feed

    def remove(self, delivery: Delivery) -> None:
        self._under_way.discard(delivery)
        key = delivery.log, delivery.merged
        feed = self._feeds[key]
        feed.leave(delivery)
        if feed.idle:
            self._idle_feeds[key] = self._feeds.pop(key)
            if len(self._idle_feeds) > FEEDS_KEPT:
                del self._idle_feeds[next(iter(self._idle_feeds))]

    async def watch(self) -> None:
        """Check each of them again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(self.pace.check)
            now = time.monotonic()
            for delivery in self:
                delivery.check(now, self.pace, self._access)

    async def drain(self, grace: float) -> None:
        """Send all of them away; return when they have gone, or after `grace` seconds.

        One whose run has ended has as long to end by itself, with the run's end.
        """
        for delivery in self:
            if not delivery.log.done:
                delivery.end("drained")
        if not await self._gone(grace):
            for delivery in self:
                delivery.end("drained")
            await self._gone(FAREWELL)

    async def _gone(self, seconds: float) -> bool:
        """Wait at most so many seconds until none is under way; tell whether that is so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._under_way:  # noqa: ASYNC110 # not for long, once in a process's life
                    await asyncio.sleep(0.02)
        return not self._under_way


@contextlib.contextmanager
def alongside(task: asyncio.Task[None]) -> Iterator[None]:
    """Cancel the task at the end of the block."""
    try:
        yield
    finally:
        task.cancel()
