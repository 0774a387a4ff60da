"""A real process that is told to end while it answers: its runs end first, for everyone, and then its streams."""

import asyncio
import json
import signal
from pathlib import Path
from subprocess import Popen
from typing import Any
from uuid import uuid4

import grpc
import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks.harness import free_port
from streamlab.hub.redis.hub import RedisHub
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1 import streamlab_pb2_grpc
from tests.conftest import demo_model
from tests.gateway import delta, parse_stream
from tests.redis_server import RedisServer
from tests.test_gateway_command import LEAVE, needs_signals, running

pytestmark = [pytest.mark.anyio, needs_signals]

ENDLESS = demo_model(chunks=100_000, rate=50)
NEARLY_DONE = demo_model(chunks=300, rate=50)  # six seconds

Names = tuple[list[str], str]  # the names of the events, and how the stream ended


class Clients:
    """One client of a run for each protocol. Each tells when it has text."""

    def __init__(self, port: int, grpc_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api"
        self._grpc = f"127.0.0.1:{grpc_port}"
        self.begun: set[tuple[str, str]] = set()

    async def ends(self, process: Popen[str], *run_ids: str) -> list[Names]:
        """Follow the runs over each protocol, tell the server to end when all have text, and return what each heard."""
        following = [task for run_id in run_ids for task in self.follow(run_id)]
        async with asyncio.timeout(LEAVE):
            while len(self.begun) < len(following):  # they are other tasks' clients
                assert not any(task.done() for task in following), [task for task in following if task.done()]
                await asyncio.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        heard = await asyncio.gather(*following)
        assert await asyncio.to_thread(process.wait, LEAVE) in (0, -signal.SIGTERM)
        return heard

    async def over_sse(self, run_id: str) -> Names:
        body = b""
        async with (
            httpx2.AsyncClient(timeout=LEAVE) as client,
            client.stream("GET", f"{self.url}/runs/{run_id}/events") as response,
        ):
            async for piece in response.aiter_bytes():
                body += piece
                self._note("sse", run_id, "text_delta" if b"event: text_delta" in body else "")
        sent = parse_stream(body)
        return [_name(each.type, each.data) for each in sent], "whole"

    async def over_websocket(self, run_id: str) -> Names:
        names: list[str] = []
        async with connect(f"{self.url.replace('http', 'ws')}/runs/{run_id}/ws") as socket:
            try:
                while True:
                    message = json.loads(await socket.recv())
                    names.append(_name(message["event"], json.dumps(message["data"])))
                    self._note("websocket", run_id, names[-1])
            except ConnectionClosed:
                return names, str(socket.close_code)

    async def over_grpc(self, run_id: str) -> Names:
        names: list[str] = []
        async with grpc.aio.insecure_channel(self._grpc) as channel:
            call = streamlab_pb2_grpc.StreamlabStub(channel).Follow(pb.FollowRequest(run_id=run_id))
            try:
                async for event in call:
                    done = event.done if event.type == "done" else None
                    names.append(f"done {done.status} {done.code}".strip() if done else event.type)
                    self._note("grpc", run_id, names[-1])
            except grpc.aio.AioRpcError:
                pass
            return names, (await call.code()).name

    def follow(self, run_id: str) -> list[asyncio.Task[Names]]:
        ways = (self.over_sse, self.over_websocket, self.over_grpc)
        return [asyncio.create_task(way(run_id)) for way in ways]

    def _note(self, protocol: str, run_id: str, name: str) -> None:
        if name == "text_delta":
            self.begun.add((protocol, run_id))


def _name(type: str, data: str) -> str:
    if type != "done":
        return type
    done: dict[str, Any] = json.loads(data)
    return f"done {done['status']} {done.get('code') or ''}".strip()


@pytest.mark.parametrize(
    ("kept", "nearly_done"),
    [
        pytest.param(False, "done stopped shutdown", id="in memory"),
        pytest.param(True, "done completed", id="in Redis", marks=pytest.mark.soak),
    ],
)
async def test_every_client_has_the_end_of_the_run(
    tmp_path: Path, redis_server: RedisServer, kept: bool, nearly_done: str
) -> None:
    """Over each protocol, as the last event before the stream's own end.

    Where the logs outlive the process, a run that is nearly done is waited for.
    """
    port, grpc_port = free_port(), free_port()
    variables = {"LAB_GRPC_PORT": str(grpc_port)} | ({"REDIS_URL": redis_server.url} if kept else {})
    with running("streamlab.gateway", "--port", str(port), port=port, cwd=tmp_path, **variables) as (process, log):
        clients = Clients(port, grpc_port)
        async with httpx2.AsyncClient(timeout=LEAVE) as client:
            bodies = [{"message": "hi", "model": model} for model in (ENDLESS, NEARLY_DONE)]
            answers = [await client.post(f"{clients.url}/runs", json=body) for body in bodies]
        ends = await clients.ends(process, *(answer.json()["id"] for answer in answers))
        assert "Traceback" not in log.read_text()
    assert [names[-1] for names, _ in ends] == ["done stopped shutdown"] * 3 + [nearly_done] * 3
    assert [how for _, how in ends] == ["whole", "1000", "OK"] * 2
    assert all(names.count("drain") == 0 for names, _ in ends)


async def test_a_run_of_another_process_goes_on_elsewhere(tmp_path: Path, redis_server: RedisServer) -> None:
    """Its followers hear `drain`, and nothing says that it has ended."""
    port, grpc_port = free_port(), free_port()
    command = "streamlab.gateway", "--port", str(port)
    variables = {"LAB_GRPC_PORT": str(grpc_port), "REDIS_URL": redis_server.url}
    async with RedisHub(redis_server.url) as hub:
        log = hub.create(uuid4().hex)
        log.append(delta("begun"))
        await hub.open(log.run_id)
        with running(*command, port=port, cwd=tmp_path, **variables) as (process, logged):
            ends = await Clients(port, grpc_port).ends(process, log.run_id)
            assert "Traceback" not in logged.read_text()
    assert [names for names, _ in ends] == [["open", "text_delta", "drain"]] * 3
    assert [how for _, how in ends] == ["whole", "1012", "UNAVAILABLE"]
