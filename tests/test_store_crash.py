"""The embedded store after its process was killed: what anyone had seen is there."""

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from benchmarks.harness import free_port
from streamlab.hub.sqlite.hub import SqliteHub
from tests.conftest import demo_model
from tests.events import end
from tests.gateway import is_refusal
from tests.redis_server import ROOT
from tests.shared import BEARER, ENDLESS, PATIENCE, SECRET, name, soon
from tests.store_process import KEEPING, RUNS, Seen, killed_after

pytestmark = pytest.mark.anyio


async def killed(path: Path, times: int, runs: int) -> None:
    """Kill a process that writes into the file, again and again, and check after each time all that was seen."""
    everything: dict[str, Seen] = {}
    for _ in range(times):
        seen = killed_after(path, random.uniform(0.0, 0.6), runs)
        everything |= seen
        async with SqliteHub(path, keeping=KEEPING) as hub:
            for run_id, each in seen.items():
                log = await hub.open(run_id)
                each.check(log)
                last = end(log.since(0))
                assert (last.status, last.code) in (("completed", None), ("lost", "producer_lost"))
    assert everything
    async with SqliteHub(path, keeping=KEEPING) as hub:
        for run_id, each in everything.items():
            each.check(await hub.open(run_id))


@pytest.mark.parametrize("runs", [1, RUNS])
async def test_nothing_that_a_follower_had_is_missing_or_different_after_a_kill(tmp_path: Path, runs: int) -> None:
    """At random moments, with twenty followers; a run that is alone is committed on the loop."""
    await killed(tmp_path / "store", 5, runs)


@pytest.mark.soak
@pytest.mark.parametrize("runs", [1, RUNS])
async def test_nothing_is_missing_after_two_hundred_kills(tmp_path: Path, runs: int) -> None:
    """All on one file."""
    await killed(tmp_path / "store", 200, runs)


class Gateway:
    """`python -m streamlab.gateway` with this file, at one address however often it is begun."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._environment = os.environ | {
            "LAB_STORE": f"sqlite:///{folder / 'store'}",
            "GATEWAY_TOKENS": f"ada:{SECRET}",
            "LAB_GRPC_PORT": "0",
        }
        self._log = (folder / "log").open("wb")
        self.begin()

    def begin(self) -> None:
        command = [sys.executable, "-m", "streamlab.gateway", "--port", str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=self._log)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self.kill()
        self._log.close()


@contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    with closing(Gateway(folder)) as running:
        yield running


async def is_ready(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


def ids(stream: str) -> list[str]:
    """Return the resume tokens of a stream, which has neither gap nor snapshot."""
    assert "event: gap" not in stream
    return re.findall(r"^id: (.+)$", stream, re.MULTILINE)


async def test_clients_go_on_where_they_were_after_a_kill(tmp_path: Path) -> None:
    """With tokens from before: no gap and no repeat; a follow token is good still, and a revoked one is not."""
    body: dict[str, Any] = {"message": "q", "model": demo_model(**ENDLESS)}
    with gateway(tmp_path) as process:
        async with httpx2.AsyncClient(base_url=process.url, headers=BEARER, timeout=PATIENCE) as client:
            await soon(lambda: is_ready(client))
            key = name()
            started = (await client.post("/runs", json=body, headers={"idempotency-key": key})).json()
            events = f"/runs/{started['id']}/events"
            first = ""
            async with client.stream("GET", events) as response:
                async for piece in response.aiter_text():
                    first += piece
                    if len(ids(first)) >= 20:
                        break
            revoked = (await client.post(f"/runs/{started['id']}/token")).json()["token"]
            await client.delete(f"/runs/{started['id']}/token")
            good = (await client.post(f"/runs/{started['id']}/token")).json()["token"]
            process.kill()
            process.begin()
            await soon(lambda: is_ready(client))
            rest = (await client.get(events, headers={"last-event-id": ids(first)[-1]})).text
            again = (await client.post("/runs", json=body, headers={"idempotency-key": key})).json()
            goes_on = {"conversation": started["conversation"], "message": "q", "model": demo_model()}
            answered = await client.post("/runs", json=goes_on)
        async with httpx2.AsyncClient(base_url=process.url) as stranger:
            assert (await stranger.get(events, params={"token": good})).status_code == 200
            refused = await stranger.get(events, params={"token": revoked})
            assert is_refusal(refused, 401, "revoked_follow_token")
    tokens = [*ids(first), *ids(rest)]
    epoch = tokens[0].partition("-")[0]
    assert tokens[:20] == [f"{epoch}-{seq}" for seq in range(1, 21)]
    assert tokens[-1].startswith(f"{epoch}-")
    assert len(set(tokens)) == len(tokens)
    assert '"status":"lost","code":"producer_lost"' in rest
    assert again["id"] == started["id"]
    assert answered.status_code == 201
