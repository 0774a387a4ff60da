"""How much the embedded store keeps, how fast it finds it, and who may write it."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from streamlab.chats.chat import CHATS, Chat, Turn
from streamlab.engine import make_hub
from streamlab.events.outcome import outcome_of
from streamlab.hub import MemoryHub
from streamlab.hub.listing import Entry
from streamlab.hub.sqlite.cleaning import RECENT, Keeping, clean
from streamlab.hub.sqlite.file import StoreFile
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.models.options import Options
from streamlab.settings import Settings
from tests.logs import delta, done
from tests.shared import name

pytestmark = pytest.mark.anyio

MANY, LENGTH = 10_000, 4_000  # conversations, and characters of each
SECONDS = 0.1  # of this process, in which a list is to be found


def chat(id: str, text: str, *, live: bool = False) -> Chat:
    outcome = outcome_of([delta(text), done()])
    return Chat(id, (Turn("q", Options("demo"), f"run {id}", 0.0, None if live else outcome),))


async def test_the_longest_unused_conversations_leave_when_there_is_too_much(tmp_path: Path) -> None:
    """When no log is left that could; never one that is live, or was used within the hour."""
    path = tmp_path / "store"
    async with SqliteHub(path) as hub:
        chats, now = hub.shared.documents(CHATS), hub.shared.now()
        await chats.put("live", chat("live", "", live=True))
        for number in range(40):
            await chats.put(f"{number}", chat(f"{number}", "".join(uuid4().hex for _ in range(3_000))))
    file, later = StoreFile(path), now + RECENT + 60
    keeping = Keeping(size=2 * 1024 * 1024)

    def cleaned(moment: float) -> list[str]:
        file.connection.execute("BEGIN IMMEDIATE")
        clean(file.connection, keeping, moment)
        file.connection.execute("COMMIT")
        found = file.connection.execute("SELECT key FROM documents WHERE kind = 'chat' ORDER BY rowid")
        return [key for (key,) in found]

    everything = ["live", *map(str, range(40))]
    assert cleaned(now + 1) == everything, "all were used a moment ago"
    file.connection.execute("UPDATE documents SET used = ? + rowid", (now,))
    file.connection.execute("UPDATE documents SET used = ? WHERE key = '39'", (later,))
    left = cleaned(later)
    assert left[0] == "live"
    assert left[-1] == "39"
    assert left[1:] == everything[-len(left) + 1 :]
    file.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter, and nobody but its owner may write to."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such users")
def test_in_a_folder_that_may_not_be_written_to_nothing_is_kept(folder: Path) -> None:
    """By a process of a user who may not, which root always may."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setuid(65_534)  # nobody
            hub = make_hub(Settings(_env_file=None, lab_store=folder / "store.sqlite3"))
            code = 0 if isinstance(hub, MemoryHub) and hub.notice and hub.notice.code == "unwritable" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(folder.iterdir()) == []


@pytest.mark.soak
async def test_ten_thousand_conversations_are_found_at_once_in_the_file(tmp_path: Path) -> None:
    """Listed, and searched by words of one, two and more characters, there or not."""
    me, words = name(), "会議では、ストリーミングで届く回答の話をした。The answer arrives while it is written. "
    async with SqliteHub(tmp_path / "store") as hub:
        for number in range(MANY):
            odd = "稀語" if number == 17 else ""
            text = f"{odd}{number} {words}" * (LENGTH // len(words))
            await hub.shared.listing.put(me, "chat", Entry(f"{number}", f"title {number}", float(number)), text)
        for searched, expected in (
            ("", 30), ("会", 30), ("会議", 30), ("稀", 1), ("稀語", 1), ("鯨", 0), ("鯨魚", 0), ("zq", 0),
            ("ストリーミング", 30), ("title 17", 30), ("会議 稀 answer", 1), ("none of it", 0),
        ):  # fmt: skip
            costs = []
            for _ in range(3):
                began = time.process_time()
                assert len(await hub.shared.listing.entries(me, "chat", searched, 30)) == expected
                costs.append(time.process_time() - began)
            print(f"{searched!r}: {min(costs) * 1000:.1f} ms")
            assert min(costs) < SECONDS
