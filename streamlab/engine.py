"""The engine of one process: settings, models, hub, runs and conversations on one event loop."""

import asyncio
import logging
import time
import warnings
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import ClassVar, Self

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from streamlab.access_code import AccessCode
from streamlab.agent.tasks import Agents
from streamlab.browsers.browsers import Browsers
from streamlab.browsers.tombstones import Tombstones
from streamlab.chats.chats import Chats
from streamlab.chats.history import History
from streamlab.chats.readers import Readers
from streamlab.chunks.captures import Captures
from streamlab.completions.completions import Completions
from streamlab.completions.responses import Responses
from streamlab.demo_model.process import DemoModel
from streamlab.events.event import TextDelta
from streamlab.faults.trials import Trials
from streamlab.hub import Follower, Hub, HubFull, HubUnreachable, Item, MemoryHub, Snapshot, StoreUnwritable
from streamlab.hub.hub import Notice
from streamlab.hub.sqlite.cleaning import Keeping
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.latency.kept import KeptMeasurements
from streamlab.latency.measurements import Measurements
from streamlab.models.catalog import Models
from streamlab.models.network import problems
from streamlab.process.open_files import few_open_files, raise_open_files_limit
from streamlab.prompts.comparisons import Comparisons
from streamlab.prompts.sets import Sets
from streamlab.race.race import Races
from streamlab.rooms.rooms import Rooms
from streamlab.runs.run import RunLimits, Runs
from streamlab.settings import Settings

logger = logging.getLogger(__name__)

UNAVAILABLE = 0.5  # seconds between two looks for a log that cannot be had
Arrived = SimpleQueue[list[Item] | None]  # it never holds more than the log does; None is the end


@dataclass(frozen=True)
class Engine:
    """What the pages and the gateway share. Script threads reach it through `portal`."""

    settings: Settings
    access_code: AccessCode | None
    models: Models
    hub: Hub
    runs: Runs
    chats: Chats
    races: Races
    agents: Agents
    completions: Completions
    responses: Responses
    comparisons: Comparisons
    measurements: Measurements
    captures: Captures
    trials: Trials
    browsers: Browsers
    history: History
    readers: Readers
    sets: Sets
    tombstones: Tombstones
    kept_measurements: KeptMeasurements
    rooms: Rooms
    portal: BlockingPortal

    running: ClassVar[Self | None] = None

    def follow(self, run_id: str, poll_interval: float) -> Generator[list[Item]]:
        """Give script threads the log from its beginning, in batches, and an empty one each `poll_interval` seconds.

        Raises UnknownRun. A batch is all that has arrived since the last one. It lies ready: a page that is busy does
        not wait for the loop. The empty ones give a waiting script the occasion to notice that it is to stop; while the
        store does not answer, or has no room, there are only these.
        """
        while (follower := self.portal.call(self._follower, run_id)) is None:
            yield []
            time.sleep(UNAVAILABLE)
        arrived: Arrived = SimpleQueue()
        self.portal.call(follower.__enter__)
        feeding = self.portal.start_task_soon(_feed, follower, arrived)
        try:
            while (batch := _take(arrived, poll_interval)) is not None:
                self._note_followed(run_id, batch)
                yield batch
        finally:
            feeding.cancel()
            self.portal.call(follower.__exit__, None, None, None)

    def _note_followed(self, run_id: str, batch: list[Item]) -> None:
        last = self.runs.last
        if last and last.run_id == run_id and last.followed is None and any(map(has_text, batch)):
            last.follow()

    async def _follower(self, run_id: str) -> Follower | None:
        with suppress(HubFull, HubUnreachable):
            log = await self.hub.open(run_id)
            return log.follow()
        return None


def has_text(item: Item) -> bool:
    """Tell whether there is something of the answer in it."""
    return isinstance(item, TextDelta) or (isinstance(item, Snapshot) and bool(item.text))


async def _feed(follower: Follower, arrived: Arrived) -> None:
    try:
        while batch := await follower.batch():
            arrived.put(batch)
    finally:
        arrived.put(None)


def _take(arrived: Arrived, poll_interval: float) -> list[Item] | None:
    """Take what has arrived, nothing if that takes longer than `poll_interval` seconds, None at the end."""
    items: list[Item] = []
    with suppress(Empty):
        batch = arrived.get(timeout=poll_interval)
        while batch is not None:
            items += batch
            batch = arrived.get_nowait()
        if not items:
            return None
        arrived.put(None)  # again, for the next time
    return items


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[Engine]:
    """Open the engine on the running loop, for as long as the block."""
    _speak(settings)
    demo = await anyio.to_thread.run_sync(DemoModel().__enter__)
    try:
        hub = await anyio.to_thread.run_sync(make_hub, settings)
        async with hub, BlockingPortal() as portal:
            engine = _assemble(settings, demo.base_url, hub, portal)
            watches = [asyncio.create_task(each.watch()) for each in (engine.runs, engine.models)]
            try:
                yield engine
            finally:
                await _close(engine, watches)
    finally:
        await anyio.to_thread.run_sync(demo.__exit__, None, None, None)


def _assemble(settings: Settings, demo_url: str, hub: Hub, portal: BlockingPortal) -> Engine:
    """Make all that the engine is of, each of what it needs of the others."""
    models = Models(settings, demo_url)
    runs = Runs(hub, run_limits(settings))
    agents = Agents(runs, models, hub, settings.lab_history_tokens)
    chats = Chats(runs, models, agents, hub, settings.lab_history_tokens)
    measurements = Measurements(demo_url, models.local.environment)
    responses = Responses(hub)
    runs.observers.append(responses.ended)
    return Engine(
        settings=settings,
        access_code=access_code_of(settings),
        models=models,
        hub=hub,
        runs=runs,
        chats=chats,
        races=Races(runs, models, chats),
        agents=agents,
        completions=Completions(runs, models, agents, hub),
        responses=responses,
        comparisons=Comparisons(runs, models, hub),
        measurements=measurements,
        captures=Captures(settings, models),
        trials=Trials(runs, models, hub),
        browsers=Browsers(hub.shared),
        history=History(chats, hub.shared),
        readers=Readers(chats, hub.shared),
        sets=Sets(hub.shared),
        tombstones=Tombstones(hub.shared),
        kept_measurements=KeptMeasurements(measurements, hub),
        rooms=Rooms(hub.shared),
        portal=portal,
    )


async def _close(engine: Engine, watches: Sequence[asyncio.Task[None]]) -> None:
    """End what the engine does, the runs after those who begin some."""
    await engine.comparisons.close()
    await anyio.to_thread.run_sync(engine.measurements.close)
    await anyio.to_thread.run_sync(engine.captures.close)
    for watch in watches:
        watch.cancel()
    await asyncio.gather(*watches, return_exceptions=True)
    await engine.runs.close()
    await engine.portal.stop()
    engine.models.close()


def _speak(settings: Settings) -> None:
    """Log what is to be known of the settings and the machine, at the level that is set, and no more than that."""
    logging.getLogger("streamlab").setLevel(settings.lab_log_level.upper())
    # A server that sends content as blocks makes its client warn about every chunk, and tell what is in it.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    for remark in filter(None, (*settings.remarks, *problems(), few_open_files(raise_open_files_limit()))):
        logger.warning("%s", remark)


@contextmanager
def engine_in_thread(settings: Settings) -> Iterator[Engine]:
    """Open the engine on an event loop in a thread of its own, where no server brings one (tests, scripts)."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_engine(settings)) as engine:
        yield engine


def make_hub(settings: Settings) -> Hub:
    """Make the hub: its logs are in Redis, in a file, or in this process's memory.

    Where no file can be written nothing is kept, and the hub says so. Raises StoreRefused.
    """
    if settings.redis_url is not None:
        from streamlab.hub.redis.hub import RedisHub  # the driver is loaded only where it is used

        return RedisHub(settings.redis_url.get_secret_value())
    hub = MemoryHub()
    if settings.store_file is None:
        return hub
    keeping = Keeping(settings.lab_kept_days * 86_400, settings.lab_store_megabytes * 1024 * 1024)
    try:
        return SqliteHub(settings.store_file, keeping=keeping)
    except StoreUnwritable as error:
        logger.warning("nothing is kept beyond the end of this process: %s", error)
        hub.notice = Notice("unwritable", str(error))
        return hub


def run_limits(settings: Settings) -> RunLimits:
    return RunLimits(
        total=settings.lab_total_timeout,
        first_token=settings.lab_first_token_timeout,
        silence=settings.lab_silence_timeout,
        unwatched=settings.lab_unwatched_stop,
        attempts=settings.lab_attempts,
        live=settings.lab_max_runs,
    )


def access_code_of(settings: Settings) -> AccessCode | None:
    """Make the code of the whole process, for everybody's wrong guesses count together; None where none is set."""
    secret = settings.gateway_secret.get_secret_value() if settings.gateway_secret else None
    return AccessCode(settings.lab_access_code.get_secret_value(), secret) if settings.lab_access_code else None
