"""A process that writes runs into a store's file while followers read them, to be killed at any moment."""

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from streamlab.events.event import Done, StreamEvent, TextDelta, decode, encode, first_seq
from streamlab.hub import Log
from streamlab.hub.sqlite.cleaning import Keeping
from streamlab.hub.sqlite.hub import SqliteHub
from tests.events import content
from tests.store_files import settle

RUNS, FOLLOWERS = 4, 20  # followers of all runs together
KEEPING = Keeping(unheld=86_400.0)  # each crash may set the store's clock some seconds ahead
READY = b"ready\n"


@dataclass
class Seen:
    """What the followers of one run were given before the end."""

    epoch: str
    events: list[StreamEvent] = field(default_factory=list)

    def check(self, log: Log) -> None:
        """Check that all of it is in the log as it was."""
        assert log.epoch == self.epoch
        kept = {event.seq: event for event in log.since(0)}
        for event in self.events:
            if (first := first_seq(event)) == event.seq:
                assert kept[event.seq] == event
            else:
                assert content(event) == "".join(content(kept[seq]) for seq in range(first, event.seq + 1))


def killed_after(path: Path, seconds: float, runs: int = RUNS) -> dict[str, Seen]:
    """Let it write for so long once it does, kill it, and return what its followers had, by run."""
    command = [sys.executable, "-m", "tests.store_process", str(path), str(runs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline() == READY
        # Read all the time, or it would wait for the pipe.
        deadline, told = time.monotonic() + seconds, b""
        os.set_blocking(process.stdout.fileno(), False)
        while time.monotonic() < deadline:
            told += process.stdout.read() or b""
            time.sleep(0.005)
        process.kill()
        process.wait()
        os.set_blocking(process.stdout.fileno(), True)
        told += process.stdout.read()
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    seen: dict[str, Seen] = {}
    for line in told.splitlines(keepends=True):
        if line.endswith(b"\n"):  # the last one may have been cut
            run_id, epoch, event = json.loads(line)
            seen.setdefault(run_id, Seen(epoch)).events.append(decode(event))
    return seen


async def _follow(log: Log) -> None:
    with log.follow() as follower:
        while batch := await follower.batch():
            for event in batch:
                assert isinstance(event, StreamEvent)
                line = json.dumps([log.run_id, log.epoch, encode(event).decode()]) + "\n"
                os.write(1, line.encode())


async def _produce(hub: SqliteHub, number: int, followers: int) -> None:
    """Write one run after the other; some are long, and most have an end."""
    while True:
        log = hub.create(uuid4().hex)
        following = [asyncio.create_task(_follow(log)) for _ in range(followers)]
        for event in range(20 * (number + 1)):
            log.append(TextDelta(f"{number}.{event} ", at=time.monotonic() - log.began))
            await asyncio.sleep(0.002)
        log.append(Done("completed", at=time.monotonic() - log.began))
        await asyncio.gather(*following)


async def _run(path: Path, runs: int) -> None:
    async with SqliteHub(path, keeping=KEEPING) as hub:
        settle(path)
        os.write(1, READY)
        await asyncio.gather(*(_produce(hub, number, FOLLOWERS // runs) for number in range(RUNS - runs, RUNS)))


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), int(sys.argv[2])))
