"""What may be wrong with the embedded store's file: each is told, and nothing of anyone's is overwritten."""

import logging
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from streamlab.hub import HubUnreachable, StoreRefused, UnknownRun
from streamlab.hub.sqlite.file import APPLICATION, check_store
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.hub.sqlite.tables import VERSION
from tests.conftest import until
from tests.logs import delta, done
from tests.store_files import DAMAGES, Damage, noise, written

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.sqlite3"


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


# What is damaged


def kept(path: Path) -> bytes:
    """Return what is in the file, but for its head, in which SQLite counts who opens it."""
    return path.read_bytes()[100:]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(
    path: Path, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and the file that was can still be had."""
    await written(path)
    damage(path)
    broken = path.with_name("broken")
    shutil.copyfile(path, broken)
    with caplog.at_level(logging.WARNING):
        check_store(path)  # as every process does before it begins
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
        await until(lambda: hub.notice is not None)
        log.append(delta("after"))
        log.append(done())
        await until(lambda: log.done is not None)
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
