"""The gateway of one process: what every protocol shares."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import ClassVar, Self

from streamlab.completions.prompt import Prompt
from streamlab.engine import Engine
from streamlab.events.outcome import Outcome
from streamlab.gateway.access import Access, Grant
from streamlab.gateway.control import Open
from streamlab.gateway.delivery import Deliveries, Delivery, Pace
from streamlab.gateway.errors import draining, invalid_resume_token, unavailable, unknown_run
from streamlab.gateway.limits import LEASE, Bodies, Limits
from streamlab.gateway.metrics import Metrics, ServerTotals
from streamlab.gateway.privacy import hide_tokens
from streamlab.gateway.submissions import ChatRequest, Started, Submissions
from streamlab.hub import HubFull, HubUnreachable, Log, Position, UnknownRun, parse_token
from streamlab.hub.shared import DocumentType, Membership
from streamlab.runs.run import new_run_id

TICK = 1.0  # seconds between two looks at what the other processes say
NOTICE = 1.0  # seconds between "not ready" and the end of the streams, for balancers to look elsewhere
FINISHING = 10.0  # seconds that live runs have to end by themselves, where their logs outlive the process
PROBED = 2.0  # seconds that a look at the store holds for whoever asks; the embedded one needs pauses to tidy up
DRAWING = 1.0  # seconds that pages have to draw the end of what they followed
GRACE = 5.0  # seconds that clients have to take their last event

SECRET = DocumentType("secret", str.encode, bytes.decode, 30 * 86_400.0, 1, lasting=True)


class Gateway:
    """Belongs to the engine's event loop. What it refuses it refuses with Refusal, over any protocol alike."""

    running: ClassVar[Self | None] = None  # the server's, for the pages

    def __init__(self, engine: Engine, pace: Pace | None = None) -> None:
        settings = engine.settings
        self.engine = engine
        self.access = Access.of(settings, engine.hub.shared.now, engine.access_code)
        self.metrics = Metrics(self._totals)
        self.deliveries = Deliveries(self.access, self.metrics.observe, pace)
        self.bodies = Bodies()
        self.leaving = False  # whether it was told to end
        self.grpc_port: int | None = None  # where gRPC is served, if it is
        self._limits = Limits(engine.hub.shared, settings.gateway_max_runs, settings.gateway_runs_per_minute)
        self._submissions = Submissions(engine, self._limits, self.access)
        self._revoked = Membership("revoked", self.access.seconds + LEASE)  # of `when:run`
        self.drains = asyncio.Event()  # set once nobody new is served
        self._probe: asyncio.Task[str | None] | None = None
        self._probed = 0.0  # when that began

    @property
    def ready(self) -> bool:
        """Whether new callers are welcome, as far as is known without a look at the store."""
        return not self.leaving and self.engine.hub.reachable

    async def why_not_ready(self) -> str | None:
        """Try to write to the store, once for all who ask within PROBED seconds; say why it cannot be, None if it can.

        One failure is told: whoever asks decides how many of them are a lot.
        """
        if self._probe is None or (self._probe.done() and monotonic() - self._probed > PROBED):
            self._probed = monotonic()
            self._probe = asyncio.create_task(self._try_store(), name="probe")
        return await asyncio.shield(self._probe)

    async def _try_store(self) -> str | None:
        try:
            await self.engine.hub.try_write()
        except HubUnreachable as error:
            return str(error)
        return None if self.engine.hub.reachable else "The server cannot read its logs."

    def welcome(self) -> None:
        """Let somebody in who is new. Raises Refusal."""
        if self.drains.is_set():
            raise draining()

    async def ask(self, asked: ChatRequest, grant: Grant, key: str | None = None) -> Started:
        """Start a run, or find the one that the caller started under the same idempotency key. Raises Refusal."""
        self.welcome()
        return await self._submissions.begin(asked, grant, key)

    async def complete(self, prompt: Prompt, grant: Grant, key: str | None = None) -> Started:
        """Start a run that goes on where a front end's own conversation stands, as `ask` does. Raises Refusal."""
        self.welcome()
        return await self._submissions.begin(prompt, grant, key)

    async def asked_or_begun(
        self, asked: ChatRequest, grant: Grant, key: str | None, after: Position | None
    ) -> tuple[Started, Log]:
        """Start a run as `ask` does, unless the caller comes back with a position in the log of one that it started.

        Raises Refusal, also for a position in no log that is here, unless the key is known: to ask again would be to
        pay again.
        """
        started = await self._submissions.started(after.epoch) if after else None
        if started is None or started.caller != grant.name:
            started = await (self._submissions.repeated(asked, grant, key) if after else self.ask(asked, grant, key))
        if started is None:
            raise unknown_run()
        log = await self.log(started.run_id, grant)
        self._submissions.note_epoch(started, log.epoch)
        return started, log

    async def log(self, run_id: str, grant: Grant) -> Log:
        """Open the log of a run that the grant reaches. Raises Refusal.

        In the place of another caller's run one is looked for that never was, so that neither the answer nor its time
        tells the two apart.
        """
        try:
            return await self.engine.hub.open(run_id if await self._reaches(grant, run_id) else new_run_id())
        except UnknownRun:
            raise unknown_run() from None
        except (HubFull, HubUnreachable):
            raise unavailable() from None

    async def _reaches(self, grant: Grant, run_id: str) -> bool:
        if not grant.full or self.access.open:  # for this run, as `allow_reading` has seen; or for all
            return True
        return self.access.reaches(grant, await self._owner(run_id))

    async def _owner(self, run_id: str) -> str | None:
        """Return whose a run is. What is kept of it knows that longer than what is known of its asking."""
        if started := await self._submissions.started(run_id):
            return started.owner
        if kept := await self.engine.responses.find(run_id):
            return kept.owner
        return await self.engine.chats.owner_of(run_id)

    def position(self, token: str | None) -> Position | None:
        """Read a resume token; None for none. Raises Refusal."""
        try:
            return parse_token(token) if token else None
        except ValueError:
            raise invalid_resume_token() from None

    def deliver(
        self, log: Log, grant: Grant, protocol: str, after: Position | None = None, *, merged: bool = True
    ) -> Delivery:
        """Make a delivery, to be entered, which begins after the position or at the beginning. Raises Refusal.

        Without `merged` it gives each event as the log has it, also to a client that lags.
        """
        self.welcome()
        return self.deliveries.open(log, grant, protocol, after, merged=merged)

    async def opening(self, log: Log, grant: Grant) -> Open:
        """Tell what a client hears first: the conversation only if it may do everything."""
        started = await self._submissions.started(log.run_id)
        conversation = started.conversation if started and grant.full else None
        return Open(log.run_id, log.epoch, conversation, started.model if started else None)

    def stop(self, log: Log) -> None:
        """Stop the run at the model; its log gets its end soon."""
        self.engine.runs.stop(log.run_id)

    async def revoke(self, log: Log) -> None:
        """End every follow token of the run that was issued so far, here at once and elsewhere within TICK.

        Raises Refusal when the other processes cannot be told.
        """
        at = self.access.revoke(log.run_id)
        try:
            await self.engine.hub.shared.enter([self._revoked], f"{at}:{log.run_id}")
        except HubUnreachable:
            raise unavailable() from None

    async def watch(self) -> None:
        """Learn what was revoked elsewhere and renew the slots of live runs, again and again until it is cancelled."""
        renewed = monotonic()
        while True:
            await self.learn()
            if monotonic() - renewed > LEASE / 3:
                renewed = monotonic()
                with suppress(HubUnreachable):
                    await self._limits.renew()
            await asyncio.sleep(TICK)

    async def recall_secret(self) -> None:
        """Sign by the secret of before, where none is set and this process alone keeps what is kept."""
        settings = self.engine.settings
        if settings.gateway_secret or settings.redis_url:
            return
        kept = self.engine.hub.shared.documents(SECRET)
        with suppress(HubUnreachable):
            if known := await kept.add("follow", secrets.token_urlsafe(32)) or await kept.get("follow"):
                self.access.sign_with(known.document)

    async def learn(self) -> None:
        """Learn what was revoked anywhere, if that can be had."""
        with suppress(HubUnreachable):
            for name in await self.engine.hub.shared.names(self._revoked):
                at, _, run_id = name.partition(":")
                self.access.revoke(run_id, int(at))

    def observe(self, run_id: str, outcome: Outcome) -> None:
        """Count a run of this process that has ended."""
        self._limits.ended(run_id)
        self.metrics.observe_run(outcome)

    async def drain(self, notice: float = NOTICE) -> None:
        """Be not ready at once; after `notice` seconds serve nobody any more, end the runs, and then every stream.

        So whoever follows a run of this process has its end before the stream's.
        """
        self.leaving = True
        await asyncio.sleep(notice)
        self.drains.set()
        on_pages = sum(self.engine.hub.followers) > len(self.deliveries)
        await self.engine.runs.close(FINISHING if self.engine.hub.durable else 0.0)
        await self._settle()
        await self.deliveries.drain(GRACE)
        if on_pages:
            await asyncio.sleep(DRAWING)

    async def _settle(self) -> None:
        """Wait until the ends of the runs are where their followers read them, as long as clients have for theirs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                for run_id in {delivery.log.run_id for delivery in self.deliveries}:
                    with suppress(UnknownRun, HubFull, HubUnreachable):
                        await self.engine.hub.open(run_id)

    def _totals(self) -> ServerTotals:
        runs, hub = self.engine.runs, self.engine.hub
        return ServerTotals(
            dict(self.deliveries.traffic), runs.started, dict(runs.ended), runs.live, hub.taken_over, hub.size
        )


@asynccontextmanager
async def open_gateway(engine: Engine, pace: Pace | None = None) -> AsyncIterator[Gateway]:
    """Keep a gateway alive on the running loop for as long as the block."""
    hide_tokens()
    gateway = Gateway(engine, pace)
    await gateway.recall_secret()
    await gateway.learn()  # before anybody is served
    engine.runs.observers.append(gateway.observe)
    works = (gateway.deliveries.watch(), gateway.watch())
    watches = {asyncio.create_task(work, name="gateway watch") for work in works}
    try:
        yield gateway
    finally:
        while watches:  # the driver of the store may swallow a cancellation that comes together with an answer
            for watch in watches:
                watch.cancel()
            _, watches = await asyncio.wait(watches, timeout=0.1)
        engine.runs.observers.remove(gateway.observe)
