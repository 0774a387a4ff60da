"""Runs, trials and measurements as they are kept: from when each is asked for, wherever that is."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

from streamlab.agent.tasks import Agents
from streamlab.browsers.items import LOST, Item, Items, _decode, _encode, asked
from streamlab.browsers.tombstones import Tombstones
from streamlab.chats.chats import Chats
from streamlab.chats.history import _DELETED, History
from streamlab.events.event import StreamEvent
from streamlab.events.outcome import outcome_of
from streamlab.events.recording import read_lines
from streamlab.faults.trials import Trial, Trials
from streamlab.hub import Hub, HubUnreachable
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.sqlite.cleaning import Keeping
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.models.catalog import Models
from streamlab.models.options import InvalidQuestion, Options
from streamlab.runs.run import RunLimits, Runs, TooManyRuns, new_run_id
from tests.conftest import demo_model
from tests.present import present
from tests.redis_server import RedisServer, producer
from tests.shared import ENDLESS, HISTORY, LEASE, PATIENCE, TIMES, name, soon

pytestmark = pytest.mark.anyio

QUESTION = "What is 17 * 23? 東京"


@dataclass
class Desk:
    """What one process has, for one kind of run."""

    hub: Hub
    runs: Runs
    items: Items
    ask: Callable[..., object]

    async def started(self, browser: str, **options: object) -> str:
        run_id: str = await self.ask(browser, Options(demo_model(**options)))  # type: ignore[misc]
        return run_id

    async def titles(self, browser: str, words: str = "") -> list[str]:
        return [entry.title for entry in await self.items.entries(browser, words, 100)]

    async def kept(self, id: str) -> Item | None:
        """The item as it is written, whoever looks."""
        known = await self.items.documents.get(id)
        return known.document if known else None

    async def events(self, id: str) -> list[StreamEvent]:
        """The events of a run that has ended, once they are written; nobody asks for them."""

        async def whole() -> bool:
            return not present(await self.kept(id)).live

        await soon(whole)
        body = present(await self.kept(id)).body
        return read_lines(body.partition(b"\n")[2] if body.startswith(b'{"question"') else body)


def desk(hub: Hub, models: Models, kind: str, live: int = 100) -> Desk:
    runs = Runs(hub, RunLimits(backoff=0.01, total=PATIENCE, live=live))
    if kind == "trial":
        trials = Trials(runs, models, hub)

        def ask(browser: str, options: Options, question: str = QUESTION) -> object:
            return trials.start(Trial(question, options, "none"), browser)

        return Desk(hub, runs, trials.items, ask)
    agents = Agents(runs, models, hub, HISTORY)
    return Desk(
        hub, runs, agents.recordings, lambda browser, options, question=QUESTION: agents.ask(question, options, browser)
    )


@pytest.fixture(params=["recording", "trial"])
async def made(request: pytest.FixtureRequest, any_hub: Hub, models: Models) -> AsyncIterator[Desk]:
    """Each kind of run that has an item, over each engine."""
    found = desk(any_hub, models, request.param)
    yield found
    await found.runs.close()


@pytest.fixture
async def items(any_hub: Hub) -> Items:
    return Items("recording", any_hub, lambda id: None)


async def test_an_item_is_its_browsers(items: Items) -> None:
    """Whoever knows its id can read it; nobody else lists, replaces or deletes it."""
    me, other, id = name(), name(), name()
    mine = Item(me, "東京 \n a name", b"\nbody\n\xff")
    await items.keep(id, mine)
    await items.keep(id, Item(other, "of somebody else", b""))
    assert await items.find(id) == mine
    assert [entry.title for entry in await items.entries(me, "東京", 10)] == ["東京 a name"]
    assert await items.entries(other, "", 10) == []
    assert await items.delete(other, id) is None
    assert await items.find(id) == mine
    assert await items.delete(me, id) == mine
    assert await items.find(id) is None
    assert await items.entries(me, "", 10) == []
    await items.restore(id, mine)
    assert await items.find(id) == mine
    assert [entry.key for entry in await items.entries(me, "", 10)] == [id]


@pytest.mark.parametrize(
    "item",
    [
        Item("me", "\ud800 \n 東京", b"\nbody\n\xff"),
        Item("", "", b"", "run", 1.5),
        Item("me", "name", b"{}\n", until=7.0),
    ],
)
def test_what_is_written_is_read_as_it_was(item: Item) -> None:
    """Also what was written when an item was no more than a file."""
    assert _decode(_encode(item)) == item
    former = json.dumps([item.browser, item.name]).encode() + b"\n" + item.body
    assert _decode(former) == Item(item.browser, item.name, item.body)


async def test_what_is_asked_is_there_at_once_and_whole_when_it_has_ended(made: Desk) -> None:
    """Listed for its browser and found by its address; nobody has to look at it."""
    me = name()
    run_id = await made.started(me, rate=200)
    assert await made.titles(me) == [QUESTION]
    assert present(await made.items.find(run_id)).live
    events = await made.events(run_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert outcome_of(events).status == "completed"
    assert await made.titles(me, "東京") == [QUESTION]
    assert await made.titles(name()) == []


async def test_what_no_browser_asked_is_found_by_its_address(made: Desk) -> None:
    """One that keeps no cookie; it is in nobody's list."""
    run_id = await made.started("")
    assert outcome_of(await made.events(run_id)).status == "completed"
    assert await made.titles("") == []


@pytest.mark.parametrize("kind", ["recording", "trial"])
async def test_nothing_is_kept_of_what_is_refused(any_hub: Hub, models: Models, kind: str) -> None:
    """For want of room, or for its question."""
    made, me = desk(any_hub, models, kind, live=1), name()
    first = await made.started(me, **ENDLESS)
    with pytest.raises(TooManyRuns):
        await made.started(me)
    with pytest.raises(InvalidQuestion):
        await made.ask(me, Options(demo_model()), " ")  # type: ignore[misc]
    assert [entry.key for entry in await made.items.entries(me, "", 10)] == [first]
    await made.runs.close()


async def test_what_is_deleted_says_so_until_it_is_restored(made: Desk) -> None:
    """A live one ends, and what had arrived is restored with it."""
    me, tombstones = name(), Tombstones(made.hub.shared)
    run_id = await made.started(me, **ENDLESS)
    log = await made.hub.open(run_id)
    with anyio.fail_after(PATIENCE):
        while log.seq < 3:
            await log.grown()
    assert await made.items.delete(name(), run_id) is None
    assert not await tombstones.has(run_id)
    deleted = present(await made.items.delete(me, run_id))
    assert made.runs.live == 0
    assert (await made.items.find(run_id), await made.titles(me)) == (None, [])
    assert await tombstones.has(run_id)
    await made.items.restore(run_id, deleted)
    assert outcome_of(await made.events(run_id)).status == "stopped"
    assert await made.titles(me) == [QUESTION]
    assert not await tombstones.has(run_id)


async def test_a_run_that_never_began_is_lost(items: Items, any_hub: Hub) -> None:
    """Its process died before it did; one that was just asked for may still begin."""
    late, early = new_run_id(), new_run_id()
    await items.documents.add(late, asked("me", "q", late, any_hub.shared.now() - 16))
    await items.documents.add(early, asked("me", "q", early, any_hub.shared.now()))
    found = present(await items.find(late))
    assert (found.live, read_lines(found.body)) == (False, LOST)
    assert present(await items.find(early)).live


# A process that dies


async def test_what_was_seen_is_there_after_a_restart(tmp_path: Path, models: Models) -> None:
    """And ended as lost; nobody has to ask for it."""
    path = tmp_path / "store"
    first = SqliteHub(path)
    await first.__aenter__()
    made, me = desk(first, models, "recording"), name()
    run_id = await made.started(me, **ENDLESS)
    log = await first.open(run_id)
    with anyio.fail_after(PATIENCE):
        while log.seq < 5:
            await log.grown()
    copy = tmp_path / "copy"
    for ending in ("", "-wal"):
        copy.with_name(f"copy{ending}").write_bytes(path.with_name(f"store{ending}").read_bytes())
    seen = log.since(0)[:5]
    await made.runs.close()
    await first.__aexit__()
    async with SqliteHub(copy) as second:
        again = desk(second, models, "recording")
        assert await again.titles(me) == [QUESTION]
        events = await again.events(run_id)
        assert [event.seq for event in events[:5]] == [event.seq for event in seen]
        assert outcome_of(events).status == "lost"
        await again.runs.close()


async def test_a_run_of_a_process_that_died_is_kept_by_who_ends_it(redis_server: RedisServer) -> None:
    """Its log goes after minutes."""
    async with RedisHub(redis_server.url, times=TIMES) as hub:
        items, run_id, me = Items("recording", hub, hub.stop), new_run_id(), name()
        with producer(redis_server.url, run_id, LEASE) as dying:
            async with items.begun(run_id, asked(me, QUESTION, run_id, hub.shared.now())):
                pass
            log = await hub.open(run_id)
            with anyio.fail_after(PATIENCE), log.follow() as follower:
                await follower.batch()
                dying.kill()
                while not follower.ended:
                    await follower.batch()

        async def whole() -> bool:
            known = await items.documents.get(run_id)
            return known is not None and not known.document.live

        await soon(whole)
        assert outcome_of(read_lines(present(await items.find(run_id)).body)).status == "lost"


# The store is away


@pytest.mark.parametrize("kind", ["recording", "trial"])
async def test_what_ends_while_the_store_is_away_is_kept_when_it_is_back(
    own_redis: RedisServer, models: Models, kind: str
) -> None:
    """And what is asked meanwhile is refused, and is not there later."""
    async with RedisHub(own_redis.url, times=TIMES) as hub:
        made, me = desk(hub, models, kind), name()
        run_id = await made.started(me, chunks=100, rate=50)
        own_redis.pause()
        with pytest.raises(HubUnreachable):
            await made.started(me)
        await anyio.sleep(2.5)
        own_redis.resume()
        assert outcome_of(await made.events(run_id)).status == "completed"
        assert [entry.key for entry in await made.items.entries(me, "", 10)] == [run_id]
        await made.runs.close()


# What is let go


async def logs(hub: SqliteHub) -> list[str]:
    """The runs whose logs are in the file."""
    return await hub._worker.call(
        lambda connection: [run_id for (run_id,) in connection.execute("SELECT run_id FROM logs ORDER BY id")]
    )


@pytest.mark.parametrize("kind", ["recording", "trial"])
async def test_the_log_goes_with_what_holds_it(tmp_path: Path, models: Models, kind: str) -> None:
    """At once, and no other one with it."""
    async with SqliteHub(tmp_path / "store") as hub:
        made, me = desk(hub, models, kind), name()
        run_id, other = await made.started(me), await made.started(me)
        for each in (run_id, other):
            await made.events(each)
        await made.items.delete(me, run_id)
        assert await logs(hub) == [other]
        await made.runs.close()


async def test_a_deleted_conversation_lets_go_of_its_logs(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it cannot be restored any more; restored, it has them."""
    monkeypatch.setattr("streamlab.hub.sqlite.hub.TICK", 0.05)
    me = name()
    async with SqliteHub(tmp_path / "store", keeping=Keeping(unheld=0.0)) as hub:
        runs = Runs(hub, RunLimits(total=PATIENCE))
        chats = Chats(runs, models, Agents(runs, models, hub, HISTORY), hub, HISTORY)

        async def answered(chat_id: str) -> str:
            async def ended() -> bool:
                return (await chats.get(chat_id)).live is None

            await soon(ended)
            return (await chats.get(chat_id)).turns[-1].run_id

        asked_now = [(await chats.ask(None, "q", Options(demo_model()), browser=me)).id for _ in range(2)]
        kept, gone = [await answered(chat_id) for chat_id in asked_now]
        history = History(chats, hub.shared)
        await history.delete(me, asked_now[1])
        await anyio.sleep(0.3)
        assert await logs(hub) == [kept, gone]
        assert await history.restore(asked_now[1])
        assert await logs(hub) == [kept, gone]
        monkeypatch.setattr("streamlab.chats.history._DELETED", replace(_DELETED, seconds=0.2))
        await History(chats, hub.shared).delete(me, asked_now[1])

        async def let_go() -> bool:
            return await logs(hub) == [kept]

        await soon(let_go)
        assert await chats.chat_of(gone) == asked_now[1]
        await runs.close()
