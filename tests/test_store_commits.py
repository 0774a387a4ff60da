"""Which thread commits what, and when the write-ahead log is moved into the file."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from streamlab.hub.log import Log
from streamlab.hub.sqlite import file, worker
from streamlab.hub.sqlite.hub import SqliteHub
from tests.conftest import until
from tests.logs import delta, done
from tests.store_files import WORDS, full_disk, settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.sqlite3"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no commit be slow, however much else this machine has to do."""
    monkeypatch.setattr(worker, "SLOW", 60.0)


@contextmanager
def committing(hub: SqliteHub, seconds: float = 0.0) -> Iterator[list[str]]:
    """Yield the names of the threads that write events, which takes them so long each time."""
    names = []

    def observe(statement: str) -> None:
        if statement.startswith("INSERT INTO journal"):
            names.append(threading.current_thread().name)
            time.sleep(seconds)

    connection = hub._worker._file.connection
    connection.set_trace_callback(observe)
    yield names
    with suppress(sqlite3.ProgrammingError):  # it was closed, for its file is another
        connection.set_trace_callback(None)


async def flow(log: Log, text: str = "word ", times: int = 5) -> None:
    """Write as an answer does that comes slowly, and wait until all of it is seen."""
    for _ in range(times):
        seq = log.seq
        log.append(delta(text))
        await until(lambda seq=seq: log.seq > seq)  # type: ignore[misc] # mypy infers no default of a lambda


async def begun(hub: SqliteHub, path: Path, run_id: str = "live") -> Log:
    """Begin a log in a folder that has been as it is for a while."""
    settle(path)
    log = hub.create(run_id)
    await hub.open(run_id)
    for _ in range(5):  # what the thread has to do at first comes to an end
        await hub.try_write()
    return log


@pytest.mark.usefixtures("patient")
async def test_the_loop_commits_the_text_of_one_answer(path: Path) -> None:
    """Its beginning and its end are the thread's; and all of it is in the file."""
    async with SqliteHub(path) as hub:
        log = await begun(hub, path)
        with committing(hub) as names:
            await flow(log)
            assert set(names) == {"MainThread"}
            names.clear()
            log.append(done())
            await until(lambda: log.done is not None)
            assert names == ["store"]
    async with SqliteHub(path) as left:
        assert (await left.open("live")).since(0) == log.since(0)


@pytest.mark.usefixtures("patient")
async def test_the_thread_commits_what_is_large_or_of_several(path: Path) -> None:
    """So that nobody on the loop waits for it."""
    async with SqliteHub(path) as hub:
        log = await begun(hub, path)
        other = await begun(hub, path, "other")
        with committing(hub) as names:
            await flow(log, "x" * 20_000)
            for _ in range(2):
                log.append(delta())
                other.append(delta())
                await until(lambda: other.seq == log.seq - 5)
        assert set(names) == {"store"}


@pytest.mark.usefixtures("patient")
async def test_after_the_log_was_moved_the_thread_begins_it(path: Path) -> None:
    """SQLite waits for the disk then."""
    async with SqliteHub(path) as hub:
        log = await begun(hub, path)
        await flow(log, times=1)
        await until(lambda: path.with_name(f"{path.name}-wal").stat().st_size == 0)
        with committing(hub) as names:
            await flow(log)
        assert names[0] == "store"
        assert set(names[1:]) == {"MainThread"}


async def test_where_a_commit_takes_long_the_thread_does_the_next(path: Path) -> None:
    """One answer's text does not hold up all others on a slow disk."""
    async with SqliteHub(path) as hub:
        log = await begun(hub, path)
        with committing(hub, seconds=0.02) as names:
            await flow(log)
        assert names[0] == "MainThread"
        assert set(names[1:]) == {"store"}


@pytest.mark.usefixtures("patient")
async def test_what_the_loop_cannot_commit_the_thread_does_when_it_can(path: Path) -> None:
    """Each event once."""
    async with SqliteHub(path) as hub:
        log = await begun(hub, path)
        await flow(log)
        with committing(hub) as names, full_disk(path, 0):
            log.append(delta("more"))
            await until(lambda: not hub.reachable)
            assert names[:2] == ["MainThread", "store"]
            assert log.seq == 5
        await until(lambda: log.seq == 6)
        log.append(done())
        await until(lambda: log.done is not None)
    async with SqliteHub(path) as left:
        assert (await left.open("live")).since(0) == log.since(0)


@pytest.mark.usefixtures("patient")
async def test_the_loop_tells_nothing_before_the_folder_was_looked_at(path: Path) -> None:
    """What it has committed into a file that is gone is written into the new one, and seen then."""
    async with SqliteHub(path) as hub:
        log = await begun(hub, path)
        await flow(log)
        with committing(hub) as names:
            os.unlink(path)
            log.append(delta("after"))
            await until(lambda: log.seq == 6)
            assert names == ["MainThread"]  # the new file has another connection
        assert hub.notice
        assert hub.notice.code == "gone"
        log.append(done())
        await until(lambda: log.done is not None)
    async with SqliteHub(path) as left:
        assert (await left.open("live")).since(0) == log.since(0)


async def test_a_long_log_is_moved_into_the_file_without_a_pause(path: Path) -> None:
    """So that it does not grow for as long as somebody writes."""
    log, body = path.with_name(f"{path.name}-wal"), uuid4().hex * 8_192
    async with SqliteHub(path) as hub, anyio.create_task_group() as writing:

        async def write() -> None:
            while True:
                await hub.shared.documents(WORDS).put("key", body)

        writing.start_soon(write)
        await until(lambda: log.stat().st_size > file.LONG / 2)
        await until(lambda: log.stat().st_size < file.LONG / 4)
        writing.cancel_scope.cancel()
