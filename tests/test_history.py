"""The conversations that a browser began, wherever they are kept: listed, searched, named, deleted and restored."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest
from redis.asyncio import Redis

from streamlab.agent.tasks import Agents
from streamlab.chats.attached import UNDO_SECONDS
from streamlab.chats.chat import Chat, UnknownChat
from streamlab.chats.chats import Chats
from streamlab.chats.history import _DELETED, CONVERSATIONS, History
from streamlab.hub import Hub, HubUnreachable
from streamlab.hub.listing import TITLE_CHARACTERS
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.run import RunLimits, Runs
from tests.conftest import demo_model
from tests.shared import HISTORY, PATIENCE, name, says, soon

pytestmark = pytest.mark.anyio


@dataclass
class Shelf:
    hub: Hub
    chats: Chats
    history: History

    async def ask(self, browser: str, question: str, answer: str = "An answer", chat: str | None = None) -> Chat:
        """Return the conversation when it is answered, and found by it."""
        asked = await self.chats.ask(chat, question, says(answer), browser=browser)

        async def found() -> bool:
            return asked.id in await self.found(asked.browser, answer)

        async def answered() -> bool:
            return (await self.chats.get(asked.id)).live is None

        await soon(answered)
        if asked.browser:
            await soon(found)
        return await self.chats.get(asked.id)

    async def found(self, browser: str, words: str = "") -> list[str]:
        return [entry.key for entry in await self.history.entries(browser, CONVERSATIONS, words)]

    async def titles(self, browser: str) -> list[str]:
        return [entry.title for entry in await self.history.entries(browser, CONVERSATIONS)]


@asynccontextmanager
async def on_shelf(hub: Hub, models: Models) -> AsyncIterator[Shelf]:
    runs = Runs(hub, RunLimits(backoff=0.01, total=PATIENCE))
    chats = Chats(runs, models, Agents(runs, models, hub, HISTORY), hub, HISTORY)
    yield Shelf(hub, chats, History(chats, hub.shared))
    await runs.close()


@pytest.fixture
async def shelf(any_hub: Hub, models: Models) -> AsyncIterator[Shelf]:
    async with on_shelf(any_hub, models) as shelf:
        yield shelf


async def test_what_a_browser_began_is_listed_for_it(shelf: Shelf) -> None:
    """By its first question, the one that was used last first; for nobody else, also if they go on with it."""
    me, other = name(), name()
    first = await shelf.ask(me, "  first\n question ")
    second = await shelf.ask(me, "長い質問" * 50)
    await shelf.ask("", "asked by a program")
    assert await shelf.titles(me) == [("長い質問" * 50)[: TITLE_CHARACTERS - 1] + "…", "first question"]
    await shelf.ask(other, "another question", "of somebody else", chat=first.id)
    assert await shelf.found(me) == [first.id, second.id]
    assert await shelf.titles(me) == ["first question", (await shelf.titles(me))[1]]
    assert await shelf.found(other) == []


@pytest.mark.parametrize("words", ["東京", "東", "会議 東京", "TOKYO", "質問"])
async def test_a_conversation_is_found_by_its_texts(shelf: Shelf, words: str) -> None:
    """Of questions and answers, former ones too; by nobody else."""
    me = name()
    chat = await shelf.ask(me, "一つ目の質問", "それはtokyoの話")
    await shelf.ask(me, "other", "nothing of it")
    await shelf.ask(me, "それから？", "東京で会議", chat=chat.id)
    assert await shelf.found(me, words) == [chat.id]
    assert await shelf.found(name(), words) == []


async def test_another_title_is_kept(shelf: Shelf) -> None:
    """However long the conversation goes on; without one it has its first question's."""
    me = name()
    chat = await shelf.ask(me, "question")
    for title, shown in (
        ("  別の\n名前 ", "別の 名前"),
        ("x" * 200, "x" * (TITLE_CHARACTERS - 1) + "…"),
        (" ", "question"),
    ):
        await shelf.history.rename(chat.id, title)

        async def is_shown(expected: str = shown) -> bool:
            return await shelf.titles(me) == [expected]

        await soon(is_shown)
        await shelf.ask(me, "next", "answer", chat=chat.id)
        assert await shelf.titles(me) == [shown]
    with pytest.raises(UnknownChat):
        await shelf.history.rename("nowhere", "title")


async def test_a_deleted_conversation_is_gone_and_can_be_restored(shelf: Shelf) -> None:
    """At once for everybody; restored, all of it is as it was."""
    me = name()
    chat = await shelf.ask(me, "question", "an odd word")
    await shelf.history.rename(chat.id, "named")
    chat = await shelf.chats.get(chat.id)
    await shelf.history.delete(me, chat.id)
    assert await shelf.history.is_deleted(chat.id)
    assert await shelf.found(me) == []
    for refused in (
        shelf.chats.get(chat.id),
        shelf.chats.ask(chat.id, "q", says("a")),
        shelf.history.delete(me, chat.id),
    ):
        with pytest.raises(UnknownChat):
            await refused
    assert await shelf.history.restore(chat.id)
    assert not await shelf.history.is_deleted(chat.id)
    assert await shelf.history.restore(chat.id)  # in a second tab, which still shows it as deleted
    assert not await shelf.history.restore("nowhere")
    assert await shelf.chats.get(chat.id) == chat

    async def is_found() -> bool:
        return await shelf.found(me, "odd") == [chat.id]

    await soon(is_found)


async def test_each_deleted_conversation_is_listed_for_its_browser(shelf: Shelf) -> None:
    """Those deleted last first, and when; for nobody else, and none that was restored."""
    me = name()
    chats = [await shelf.ask(me, f"question {number}") for number in range(3)]
    before = shelf.hub.shared.now()
    for chat in chats:
        await shelf.history.delete(me, chat.id)
    deleted = await shelf.history.deleted(me)
    assert [(entry.key, entry.title) for entry in deleted] == [
        (chat.id, f"question {number}") for number, chat in reversed([*enumerate(chats)])
    ]
    assert all(before <= entry.at <= shelf.hub.shared.now() for entry in deleted)
    assert await shelf.history.deleted(name()) == []
    assert await shelf.history.restore(chats[1].id)
    assert [entry.key for entry in await shelf.history.deleted(me)] == [chats[2].id, chats[0].id]
    assert await shelf.found(me) == [chats[1].id]


async def test_what_a_crash_left_half_deleted_is_restored(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted again, too: nothing of it is left over."""
    me = name()
    chat = await shelf.ask(me, "question")

    async def crash(*values: object) -> None:
        raise HubUnreachable("away")

    with monkeypatch.context() as patch:
        patch.setattr(shelf.chats.documents, "remove", crash)
        with pytest.raises(HubUnreachable):
            await shelf.history.delete(me, chat.id)
    assert [entry.key for entry in await shelf.history.deleted(me)] == [chat.id]
    assert await shelf.history.restore(chat.id)
    assert await shelf.history.deleted(me) == []
    assert not await shelf.history.is_deleted(chat.id)
    assert await shelf.found(me) == [chat.id]


async def test_a_deleted_conversation_outlives_its_process(
    request: pytest.FixtureRequest, tmp_path: Path, models: Models
) -> None:
    """In the file and in Redis, for its own five minutes and not for as long as anything is kept."""
    url, me = request.getfixturevalue("redis_server").url, name()
    makes: list[Callable[[], Hub]] = [lambda: SqliteHub(tmp_path / "store"), lambda: RedisHub(url)]
    for make in makes:
        async with make() as hub, on_shelf(hub, models) as shelf:
            chat = await shelf.ask(me, "question")
            await shelf.history.delete(me, chat.id)
        async with make() as hub, on_shelf(hub, models) as shelf:
            assert [entry.key for entry in await shelf.history.deleted(me)] == [chat.id]
            assert await shelf.history.restore(chat.id)
            assert await shelf.chats.get(chat.id) == chat
            await shelf.history.delete(me, chat.id)
    with sqlite3.connect(tmp_path / "store") as connection:
        select = "SELECT until - used FROM documents WHERE kind = ?"
        assert connection.execute(select, (_DELETED.name,)).fetchall() == [(pytest.approx(UNDO_SECONDS),)]
    connection.close()
    async with Redis.from_url(url) as redis:
        for key in (f"lab:{_DELETED.name}:{chat.id}", f"lab:listing:{_DELETED.name}:{me}"):
            assert 0 < await redis.pttl(key) <= UNDO_SECONDS * 1000


async def test_it_is_deleted_for_good_some_time_later(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address says so all the same."""
    monkeypatch.setattr("streamlab.chats.history._DELETED", replace(_DELETED, seconds=0.2))
    shelf.history, me = History(shelf.chats, shelf.hub.shared), name()
    chat = await shelf.ask(me, "question")
    await shelf.history.delete(me, chat.id)
    await anyio.sleep(0.5)
    assert await shelf.history.deleted(me) == []
    assert await shelf.hub.shared.listing.entries(me, _DELETED.name) == []
    assert not await shelf.history.restore(chat.id)
    assert await shelf.history.is_deleted(chat.id)


async def test_nobody_deletes_what_somebody_else_began(shelf: Shelf) -> None:
    me = name()
    chat = await shelf.ask(me, "question")
    with pytest.raises(UnknownChat):
        await shelf.history.delete(name(), chat.id)
    assert await shelf.chats.get(chat.id) == chat
    assert await shelf.found(me) == [chat.id]


async def test_a_live_answer_ends_when_its_conversation_is_deleted(shelf: Shelf) -> None:
    """What had arrived is restored with it."""
    me = name()
    options = Options(demo_model(chunks=100_000, rate=50))
    chat = await shelf.chats.ask(None, "question", options, browser=me)
    await anyio.sleep(0.3)
    await shelf.history.delete(me, chat.id)
    assert await shelf.history.restore(chat.id)
    (turn,) = (await shelf.chats.get(chat.id)).turns
    assert turn.outcome
    assert turn.outcome.status == "stopped"
