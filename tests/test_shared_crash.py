"""A real gateway process that is really killed leaves nothing busy."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from benchmarks.harness import free_port
from tests import shared
from tests.conftest import demo_model
from tests.events import content
from tests.gateway import is_refusal
from tests.redis_server import ROOT, RedisServer
from tests.shared import BEARER, ENDLESS, PATIENCE, SECRET, Pair, ask, figure, name, soon

gateways = shared.gateways  # fixtures are found by their names

pytestmark = pytest.mark.anyio


class GatewayProcess:
    """`python -m streamlab.gateway` with this Redis."""

    def __init__(self, folder: Path, redis: str) -> None:
        self.port = free_port()
        environment = {"REDIS_URL": redis, "GATEWAY_TOKENS": f"ada:{SECRET}", "GATEWAY_SECRET": "s" * 32}
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamlab.gateway", "--port", str(self.port)],
            cwd=ROOT,
            env=os.environ | environment | {"LAB_GRPC_PORT": "0"},
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


@pytest.fixture
def doomed(tmp_path: Path, redis_server: RedisServer) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path, redis_server.url)
    try:
        yield process
    finally:
        process.close()


@pytest.mark.soak
async def test_a_gateway_that_is_killed_leaves_nothing_busy(doomed: GatewayProcess, gateways: Pair) -> None:
    """Its conversation is closed with the text that was there, its key leads to its run, and others count it lost."""
    here, _ = gateways
    before = figure((await here.client.get("/metrics")).text, "streamlab_runs_taken_over_total")
    url = f"http://127.0.0.1:{doomed.port}/api"
    key, body = name(), {"message": "q", "model": demo_model(**ENDLESS)}
    async with httpx2.AsyncClient(base_url=url, headers=BEARER) as client:

        async def ready() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx2.TransportError:
                return False

        await soon(ready, 3 * PATIENCE)
        started = (await client.post("/runs", json=body, headers={"idempotency-key": key})).json()
    log = await here.engine.hub.open(started["id"])
    with anyio.fail_after(PATIENCE):
        while log.seq < 10:
            await log.grown()
    doomed.kill()
    goes_on = {"conversation": started["conversation"], "model": demo_model()}
    assert is_refusal(await ask(here, **goes_on), 409, "conversation_busy")
    assert (await ask(here, key=key, **body)).json()["id"] == started["id"]
    await until_done(log)
    assert (await ask(here, **goes_on)).status_code == 201
    turn = (await here.engine.chats.get(started["conversation"])).turns[0]
    assert turn.outcome
    assert turn.outcome.status == "lost"
    assert turn.outcome.text == "".join(content(event) for event in log.since(0) if event.type == "text_delta")
    assert figure((await here.client.get("/metrics")).text, "streamlab_runs_taken_over_total") == before + 1


async def until_done(log: Any) -> None:
    with anyio.fail_after(PATIENCE), log.follow() as follower:
        while await follower.batch():
            pass
