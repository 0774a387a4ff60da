"""Files of the embedded store for tests: written, damaged, and on a disk that is full."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from streamlab.hub.shared import DocumentType
from streamlab.hub.sqlite.hub import SqliteHub
from tests.logs import delta, done

Damage = Callable[[Path], None]
WORDS = DocumentType("word", str.encode, bytes.decode, 60.0, 100)


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


def settle(path: Path) -> None:
    """Let the file's folder be as it is for a while already: soon after a change it may change unseen."""
    os.utime(path.parent, (0, 0))


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


DAMAGES: list[Damage] = [text, half, holes, noise, schema]
