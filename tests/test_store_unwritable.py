"""An embedded store that cannot be written, from the start or in the middle of an answer."""

import logging
from pathlib import Path

import pytest

from streamlab.agent.tasks import Agents
from streamlab.chats.chat import CHATS
from streamlab.chats.chats import Chats
from streamlab.engine import make_hub
from streamlab.events.event import Done
from streamlab.events.outcome import outcome_of
from streamlab.hub import HubUnreachable, MemoryHub, StoreUnwritable
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.run import RunLimits, Runs
from streamlab.settings import Settings
from tests.conftest import demo_model, until
from tests.logs import delta, done
from tests.shared import ENDLESS, soon
from tests.store_files import WORDS, full_disk, written

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.sqlite3"


async def test_where_nothing_can_be_written_the_app_starts_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a folder that may not be written to, or on a full disk."""
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "file" / "store", Path("/proc/store/store.sqlite3"), tmp_path):
        with pytest.raises(StoreUnwritable):
            SqliteHub(place)
        with caplog.at_level(logging.WARNING):
            hub = make_hub(Settings(_env_file=None, lab_store=place))
        assert isinstance(hub, MemoryHub)
        assert hub.notice
        assert hub.notice.code == "unwritable"
        assert str(place) in caplog.text


@pytest.mark.parametrize("room", [0, 100, 5_000, 40_000])
async def test_on_a_disk_that_is_full_already_the_app_starts_as_well(path: Path, room: int) -> None:
    """However far it comes; and when there is room, the next start is as the first."""
    with full_disk(path, room):
        hub = make_hub(Settings(_env_file=None, lab_store=path))
    assert isinstance(hub, MemoryHub)
    assert hub.notice
    assert hub.notice.code == "unwritable"
    async with SqliteHub(path) as kept:
        assert kept.notice is None


async def test_while_the_disk_is_full_nothing_is_shown_and_then_everything(path: Path) -> None:
    """What is not kept is not seen; documents are refused, and what was kept can be read."""
    await written(path, 1)
    async with SqliteHub(path) as hub:
        words, log = hub.shared.documents(WORDS), hub.create("live")
        log.append(delta("before"))
        await hub.open("live")
        with full_disk(path):
            for _ in range(20):
                log.append(delta("x" * 50_000))
            await until(lambda: not hub.reachable)
            with pytest.raises(HubUnreachable):
                await words.put("other", "x" * 1_000_000)
            assert await words.get("key")
            assert log.seq == 1
        log.append(done())
        await until(lambda: log.done is not None)
        assert log.seq == 22
        assert hub.reachable
        await words.put("other", "word")
    async with SqliteHub(path) as hub:
        assert (await hub.open("live")).seq == 22


async def test_a_run_that_cannot_be_kept_for_too_long_is_lost(path: Path) -> None:
    """Its reader is told by a gap and an end; the next run is kept, when there is room."""
    async with SqliteHub(path, away=0.2) as hub:
        reasons: list[str] = []
        log = hub.create("live", reasons.append)
        log.append(delta("before"))
        await hub.open("live")
        with full_disk(path):
            log.append(delta("x" * 200_000))
            await until(lambda: log.done is not None)
        assert isinstance(log.done, Done)
        assert log.done.status == "lost"
        assert reasons == ["lost"]
        after = hub.create("after")
        after.append(done())
        await until(lambda: after.done is not None)
    async with SqliteHub(path) as hub:
        assert (await hub.open("after")).done == after.done
        left = await hub.open("live")
        assert left.done
        assert left.done.status == "lost"
        assert [event.type for event in left.since(0)] == ["text_delta", "error", "done"]


async def test_a_conversation_can_be_read_while_its_end_cannot_be_written(path: Path, models: Models) -> None:
    """As its reader sees it: live with the text so far, then lost; and all of it when there is room."""
    async with SqliteHub(path, away=1.0) as hub:
        runs = Runs(hub, RunLimits())
        chats = Chats(runs, models, Agents(runs, models, hub, 1_000), hub, 1_000)
        asked = await chats.ask(None, "q", Options(demo_model(**ENDLESS)))
        log = await hub.open(asked.turns[-1].run_id)
        await until(lambda: log.seq > 5)
        with full_disk(path):
            await until(lambda: not hub.reachable)
            await chats.stop(asked.id)
            assert (await chats.get(asked.id)).live
            await until(lambda: log.done is not None)
            (turn,) = (await chats.get(asked.id)).turns
            assert turn.outcome
            assert turn.outcome.status == "lost"
            assert turn.outcome.text == outcome_of(log.since(0)).text
            with pytest.raises(HubUnreachable):
                await chats.ask(asked.id, "q", Options(demo_model()))

        async def is_written() -> bool:
            last = (await chats.get(asked.id)).turns[-1].outcome
            return last is not None and last.status == "stopped"

        await soon(is_written)
        await runs.close()
    async with SqliteHub(path) as hub:
        kept = await hub.shared.documents(CHATS).get(asked.id)
        assert kept
        assert kept.document.turns[-1].outcome
        assert kept.document.turns[-1].outcome.status == "stopped"
