"""What may be wrong with the embedded store's file: each is told, and nothing of anyone's is overwritten."""

import logging
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from streamlab.engine import make_hub
from streamlab.events.event import Done
from streamlab.hub import HubUnreachable, MemoryHub, StoreRefused, StoreUnwritable, UnknownRun
from streamlab.hub.shared import DocumentType
from streamlab.hub.sqlite.file import APPLICATION, VERSION, check_store
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.settings import Settings
from tests.logs import delta, done
from tests.shared import soon

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent
WORDS = DocumentType("word", str.encode, bytes.decode, 60.0, 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.sqlite3"


async def written(path: Path, runs: int = 20, words: int = 1) -> None:
    """Write a file with some runs and a document."""
    async with SqliteHub(path) as hub:
        for number in range(runs):
            log = hub.create(f"run {number}")
            for _ in range(100):
                log.append(delta("".join(uuid4().hex for _ in range(words))))
            log.append(done())
            await hub.open(log.run_id)
        await hub.shared.documents(WORDS).put("key", "word")


# Whose it is


async def test_the_second_process_names_the_first_and_redis(path: Path) -> None:
    """In one sentence, of the command and of the app, and the first goes on undisturbed."""
    async with SqliteHub(path) as hub:
        with pytest.raises(StoreRefused, match=rf"pid {os.getpid()}.*REDIS_URL"):
            SqliteHub(path)
        environment = os.environ | {"LAB_STORE": f"sqlite:///{path}", "LAB_GRPC_PORT": "0"}
        for command in (["-m", "streamlab.gateway", "--port", "0"], ["-c", "import app"]):
            result = await anyio.run_process([sys.executable, *command], cwd=ROOT, env=environment, check=False)
            assert result.returncode
            (line,) = result.stderr.decode().strip().splitlines()
            assert f"pid {os.getpid()}" in line
            assert "REDIS_URL" in line
        log = hub.create("run")
        log.append(done())
        assert (await hub.open("run")).done


def test_a_lock_goes_with_the_process_that_was_killed(path: Path) -> None:
    """Nothing has to be cleared away by hand."""
    code = "import sys, time; from pathlib import Path; from streamlab.hub.sqlite.file import StoreFile; "
    code += "held = StoreFile(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(StoreRefused, match=f"pid {process.pid}"):
            check_store(path)
        process.kill()
        process.wait()
    check_store(path)


async def test_a_file_that_another_program_has_locked_is_refused(path: Path) -> None:
    """As by somebody who looks into it with sqlite3."""
    await written(path, 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreRefused, match="locked by another program"):
        SqliteHub(path)
    other.execute("ROLLBACK")
    other.close()
    check_store(path)


@pytest.mark.parametrize(
    ("statement", "said"),
    [(f"PRAGMA user_version = {VERSION + 1}", "newer version"), ("PRAGMA application_id = 7", "another program")],
)
async def test_a_file_of_a_newer_version_or_another_program_is_left_alone(
    path: Path, statement: str, said: str
) -> None:
    """To the last byte."""
    await written(path, 1)
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = kept(path)
    with pytest.raises(StoreRefused, match=said):
        SqliteHub(path)
    assert kept(path) == before


async def test_a_database_of_somebody_else_is_left_alone(path: Path) -> None:
    """Even if it says nothing of its program."""
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (thing)")
    connection.close()
    with pytest.raises(StoreRefused, match="another program"):
        SqliteHub(path)


# What cannot be written


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


@contextmanager
def full_disk(path: Path, room: int | None = None) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, or beyond what the store takes now."""
    largest = max(each.stat().st_size for each in path.parent.iterdir()) if room is None else room
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


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
            await soon(lambda: _is(lambda: not hub.reachable))
            with pytest.raises(HubUnreachable):
                await words.put("other", "x" * 1_000_000)
            assert await words.get("key")
            assert log.seq == 1
        log.append(done())
        await soon(lambda: _is(lambda: log.done is not None))
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
            await soon(lambda: _is(lambda: log.done is not None))
        assert isinstance(log.done, Done)
        assert log.done.status == "lost"
        assert reasons == ["lost"]
        after = hub.create("after")
        after.append(done())
        await soon(lambda: _is(lambda: after.done is not None))
    async with SqliteHub(path) as hub:
        assert (await hub.open("after")).done == after.done
        left = await hub.open("live")
        assert left.done
        assert left.done.status == "lost"
        assert [event.type for event in left.since(0)] == ["text_delta", "error", "done"]


async def _is(holds: Callable[[], bool]) -> bool:
    return holds()


# What is damaged


def kept(path: Path) -> bytes:
    """Return what is in the file, but for its head, in which SQLite counts who opens it."""
    return path.read_bytes()[100:]


def text(path: Path) -> None:
    path.write_text("This is no database. " * 1_000)


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def holes(path: Path) -> None:
    with path.open("r+b") as file:
        for place in range(4_096, path.stat().st_size, 3 * 4_096):
            file.seek(place)
            file.write(b"\0" * 4_096)


def noise(path: Path) -> None:
    with path.open("r+b") as file:
        for place in range(4_096, path.stat().st_size, 4_096):
            file.seek(place)
            file.write(os.urandom(4_096))


def schema(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(200))


DAMAGES = [text, half, holes, noise, schema]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(
    path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and the file that was can still be had."""
    await written(path)
    damage(path)
    broken = path.with_name("broken")
    shutil.copyfile(path, broken)
    with caplog.at_level(logging.WARNING):
        hub = SqliteHub(path)
    async with hub:
        assert hub.notice
        assert hub.notice.code == "damaged"
        aside = Path(hub.notice.detail)
        assert re.fullmatch(r"store\.sqlite3\.damaged-\d{8}-\d{6}", aside.name)
        assert kept(aside) == kept(broken)
        assert str(aside) in caplog.text
        log = hub.create("new")
        log.append(done())
        assert (await hub.open("new")).done
    async with SqliteHub(path) as hub:
        assert hub.notice is None
        assert (await hub.open("new")).done


@pytest.mark.parametrize("events", [b"noise", zlib.compress(b"noise"), zlib.compress(b'{"type":"new"}'), b""])
async def test_a_log_that_cannot_be_read_is_no_log_and_the_others_are(path: Path, events: bytes) -> None:
    """SQLite does not see damage within what it keeps."""
    await written(path, 2)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE logs SET events = ? WHERE run_id = 'run 0'", (events,))
    connection.close()
    async with SqliteHub(path) as hub:
        with pytest.raises(UnknownRun):
            await hub.open("run 0")
        assert (await hub.open("run 1")).done
        assert hub.reachable


async def test_a_file_that_is_damaged_while_it_is_written_costs_no_live_run(path: Path) -> None:
    """It is kept aside, and what the process knows is written into a new one."""
    await written(path, words=100)  # more than SQLite has in memory
    async with SqliteHub(path) as hub:
        log = hub.create("live")
        log.append(delta("before "))
        await hub.open("live")
        await anyio.sleep(1.5)  # everything is in the file itself then
        noise(path)
        for number in range(20):
            with suppress(HubUnreachable, UnknownRun):
                await hub.open(f"run {number}")
        await soon(lambda: _is(lambda: hub.notice is not None))
        log.append(delta("after"))
        log.append(done())
        await soon(lambda: _is(lambda: log.done is not None))
        assert log.seq == 3
    async with SqliteHub(path) as hub:
        assert (await hub.open("live")).since(0) == log.since(0)


async def test_the_file_says_whose_it_is_and_of_which_version(path: Path) -> None:
    """Also as long as nothing has been kept in it."""
    check_store(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()
