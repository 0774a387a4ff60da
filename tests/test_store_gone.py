"""The embedded store's file, its folder or its companions removed or replaced under the process that has it."""

import fcntl
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import anyio
import pytest

from streamlab.hub import HubUnreachable, StoreRefused
from streamlab.hub.log import Log
from streamlab.hub.sqlite.hub import SqliteHub
from tests.conftest import until
from tests.logs import delta, done
from tests.store_files import WORDS, written

pytestmark = pytest.mark.anyio

Removal = Callable[[Path], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.sqlite3"


def content(path: Path | str) -> bytes:
    return Path(path).read_bytes()


def remove_all(path: Path) -> None:
    for each in path.parent.iterdir():
        each.unlink()


def companion(end: str) -> Removal:
    return lambda path: path.with_name(path.name + end).unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


REMOVALS: dict[str, Removal] = {
    "all": remove_all,
    "file": os.unlink,
    "moved": move,
    "folder": lambda path: shutil.rmtree(path.parent),
    "folder moved": lambda path: path.parent.rename(path.parent.with_name("elsewhere")),
}


async def load(log: Log, until_done: anyio.Event) -> None:
    """Write as an answer does, until it is told to end."""
    while not until_done.is_set():
        log.append(delta("word "))
        await anyio.sleep(0.002)
    log.append(done())


@pytest.mark.parametrize("removal", REMOVALS)
async def test_a_file_that_is_removed_under_load_costs_no_live_run(
    path: Path, removal: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told and logged, a new one is begun, and all of the live logs is in it, also after a kill."""
    await written(path)
    async with SqliteHub(path) as hub, anyio.create_task_group() as writing:
        logs, ending = [hub.create(f"live {number}") for number in range(3)], anyio.Event()
        for log in logs:
            writing.start_soon(load, log, ending)
        await until(lambda: all(log.seq > 20 for log in logs))
        with caplog.at_level(logging.WARNING):
            REMOVALS[removal](path)
            await until(lambda: hub.notice is not None)
        assert hub.notice
        assert (hub.notice.code, hub.notice.detail) == ("gone", str(path))
        assert str(path) in caplog.text
        with pytest.raises(StoreRefused, match=f"pid {os.getpid()}"):
            SqliteHub(path)
        before = [log.seq for log in logs]
        await until(lambda: all(log.seq > seq + 20 for log, seq in zip(logs, before, strict=True)))
        assert await hub.shared.documents(WORDS).get("key") is None
        await hub.shared.documents(WORDS).put("new", "word")
        ending.set()
        await until(lambda: all(log.done for log in logs))
        copy = path.with_name("copy")
        for end in ("", "-wal"):  # as it would be found after a kill
            shutil.copyfile(f"{path}{end}", f"{copy}{end}")
    async with SqliteHub(copy) as left:
        assert left.notice is None
        assert await left.shared.documents(WORDS).get("new")
        for log in logs:
            assert (await left.open(log.run_id)).since(0) == log.since(0)


async def test_what_is_said_to_be_kept_is_in_the_file_at_the_path(path: Path) -> None:
    """Whenever the file goes: a document is refused, or it is there."""
    async with SqliteHub(path) as hub:
        words = hub.shared.documents(WORDS)
        for number in range(50):
            remove_all(path)
            with suppress(HubUnreachable):
                await words.put("key", str(number))
                with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as found:
                    assert found.execute("SELECT count(*) FROM documents").fetchone() == (1,)
            await words.put("key", "again")
            assert await words.get("key")


async def test_it_is_noticed_too_while_nothing_is_written(path: Path) -> None:
    """So that no other process begins on a path that seems free."""
    async with SqliteHub(path) as hub:
        remove_all(path)
        await until(lambda: hub.notice is not None)
        assert hub.reachable
        with pytest.raises(StoreRefused):
            SqliteHub(path)


def is_locked(path: Path) -> bool:
    with path.with_name(f"{path.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize(
    "ends", [("-wal", ".lock"), *(pytest.param((end,), marks=pytest.mark.soak) for end in ("-wal", ".lock"))]
)
async def test_a_companion_that_is_removed_costs_nothing(path: Path, ends: tuple[str, ...]) -> None:
    """Documents neither; and the path is locked again."""
    async with SqliteHub(path) as hub:
        words, log = hub.shared.documents(WORDS), hub.create("live")
        for number in range(3):
            await words.put(f"key {number}", "word")
            log.append(delta(f"{number} "))
            await hub.open("live")
            for end in ends:
                companion(end)(path)
            with pytest.raises(StoreRefused):
                SqliteHub(path)
            await until(lambda: is_locked(path) and path.with_name(path.name + ends[0]).exists())
            with pytest.raises(StoreRefused, match="belongs to another process"):
                SqliteHub(path)
        assert hub.notice is None
        log.append(done())
        await until(lambda: log.done is not None)
    async with SqliteHub(path) as left:
        assert (await left.open("live")).since(0) == log.since(0)
        for number in range(3):
            assert await left.shared.documents(WORDS).get(f"key {number}")


async def test_another_store_in_its_place_is_kept_aside(path: Path, tmp_path: Path) -> None:
    """Whole: nothing of the former one's write-ahead log gets into it."""
    backup = tmp_path / "backup"
    await written(backup)
    before = backup.read_bytes()
    async with SqliteHub(path) as hub:
        log = hub.create("live")
        log.append(delta("before "))
        await hub.open("live")
        backup.replace(path)
        log.append(delta("after"))
        await until(lambda: hub.notice is not None)
        assert hub.notice
        assert hub.notice.code == "replaced"
        assert content(hub.notice.detail) == before
        log.append(done())
        await until(lambda: log.done is not None)
    async with SqliteHub(path) as left:
        assert (await left.open("live")).since(0) == log.since(0)
    async with SqliteHub(Path(hub.notice.detail)) as aside:
        assert (await aside.open("run 0")).done


async def test_another_program_s_file_in_its_place_is_left_alone(path: Path, tmp_path: Path) -> None:
    """Nothing is taken until it is gone; then everything goes on."""
    other = tmp_path / "other"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE precious (thing)")
    before = other.read_bytes()
    async with SqliteHub(path) as hub:
        log = hub.create("live")
        log.append(delta("before "))
        await hub.open("live")
        other.replace(path)
        await until(lambda: not hub.reachable)
        assert content(path) == before
        with pytest.raises(HubUnreachable, match="another program"):
            await hub.shared.documents(WORDS).put("key", "word")
        os.unlink(path)
        await until(lambda: hub.reachable)
        log.append(done())
        await until(lambda: log.done is not None)
        assert log.seq == 2


async def test_where_no_folder_can_be_made_nothing_is_taken_until_it_can(path: Path) -> None:
    """It is not said that anything is kept; what was being written is, when there is a place for it."""
    async with SqliteHub(path) as hub:
        log = hub.create("live")
        log.append(delta("before "))
        await hub.open("live")
        shutil.rmtree(path.parent)
        path.parent.write_text("no folder")
        await until(lambda: not hub.reachable)
        log.append(delta("after"))
        with pytest.raises(HubUnreachable):
            await hub.shared.documents(WORDS).put("key", "word")
        assert log.seq == 1
        path.parent.unlink()
        await until(lambda: log.seq == 2)
        assert hub.reachable
        assert hub.notice
        assert hub.notice.code == "gone"


async def test_a_process_that_began_there_meanwhile_is_not_written_into(path: Path) -> None:
    """The former one takes nothing as long as the other has the path, and says so; then it goes on."""
    async with SqliteHub(path) as hub:
        other = None
        while other is None:
            with suppress(StoreRefused, FileNotFoundError):  # the former one may be faster
                shutil.rmtree(path.parent)
                other = SqliteHub(path)
        async with other:
            await other.shared.documents(WORDS).put("key", "other's")
            await until(lambda: not hub.reachable)
            with pytest.raises(HubUnreachable, match="belongs to another process"):
                await hub.shared.documents(WORDS).put("key", "ours")
            assert await other.shared.documents(WORDS).get("key")
        await until(lambda: hub.reachable)
        await hub.shared.documents(WORDS).put("key", "ours")
        assert hub.notice
        assert hub.notice.code == "replaced"
        assert content(hub.notice.detail)
