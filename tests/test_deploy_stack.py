"""The files of deploy/, run: a real nginx before two real gateways on one real Redis, and Prometheus over them."""

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import grpc
import httpx2
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from benchmarks.harness import free_port
from streamlab.events.event import Done, Error, StreamEvent
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1.streamlab_pb2_grpc import StreamlabStub
from tests import stack as deployment
from tests.conftest import demo_model
from tests.events import end
from tests.followers import Client, browser, figure, followed, has_all, start_run, stored, until_followed
from tests.gateway import Sent, StreamParser, is_refusal, log_events, parse_stream, seqs
from tests.prometheus import configuration, queries
from tests.stack import BEARER, METRICS_TOKEN, PATIENCE, Process, Stack, instructions, needs_nginx

image, running_stack, stack = deployment.image, deployment.running_stack, deployment.stack

pytestmark = pytest.mark.soak  # three gateways, a Redis and an nginx take long to start

ENDLESS = {"chunks": 100_000, "rate": 50}


# Through nginx


@needs_nginx
@pytest.mark.anyio
async def test_words_come_one_by_one(stack: Stack) -> None:
    """An answer arrives as it is produced, in many pieces, the first of them while the run is still live."""
    arrivals: list[tuple[float, StreamEvent]] = []
    pieces = 0
    live = None
    body = {"message": "What is streaming?", "model": demo_model(chunks=40, rate=20)}
    async with browser(stack.url) as client, client.stream("POST", "/chat", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        parser = StreamParser()
        async for piece in response.aiter_raw():
            pieces += 1
            known = len(parser.events)
            parser.feed(piece)
            for event in log_events(parser.events[known:]):
                if event.type == "text_delta":
                    arrivals.append((time.monotonic(), event))
            if arrivals and live is None:
                live = (await client.get(f"/runs/{response.headers['x-run-id']}")).json()["status"]
    assert live == "live"
    assert pieces >= 10
    produced = arrivals[-1][1].at - arrivals[0][1].at
    assert produced > 0
    assert arrivals[-1][0] - arrivals[0][0] > produced / 2  # one burst would be 0
    assert end(log_events(parser.events)).status == "completed"


@needs_nginx
@pytest.mark.anyio
async def test_a_websocket_is_upgraded(stack: Stack) -> None:
    """The events come over a WebSocket too, and go on after a cut where the last one stood."""
    run_id = await start_run(stack.gateways[0], demo_model(chunks=200, rate=100))
    url = f"{stack.url.replace('http', 'ws', 1)}/runs/{run_id}/ws"
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        async with connect(url, additional_headers=BEARER) as socket:
            while len(events) < 20:
                events += _with_id(await socket.recv())
        async with connect(f"{url}?after={events[-1]['id']}", additional_headers=BEARER) as socket:
            async for message in socket:
                events += _with_id(message)
            assert socket.close_code == 1000
    sent = [Sent(event["event"], json.dumps(event["data"]), event["id"]) for event in events]
    assert seqs(log_events(sent)) == list(range(1, log_events(sent)[-1].seq + 1))
    assert sent[-1].type == "done"


def _with_id(message: str | bytes) -> list[dict[str, Any]]:
    event: dict[str, Any] = json.loads(message)
    return [event] if "id" in event else []


@needs_nginx
@pytest.mark.anyio
async def test_grpc_comes_over_http_2(stack: Stack) -> None:
    """A run over gRPC, cut and gone on with; the health service answers; a call without a token is refused."""
    run_id = await start_run(stack.gateways[0], demo_model(chunks=200, rate=100))
    metadata = tuple(BEARER.items())
    events: list[pb.Event] = []
    async with (
        asyncio.timeout(PATIENCE),
        grpc.aio.insecure_channel(f"127.0.0.1:{stack.nginx.grpc_port}") as channel,
    ):
        stub: Any = StreamlabStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _read(stub.Follow(pb.FollowRequest(run_id=run_id)), events)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        await _read(stub.Follow(pb.FollowRequest(run_id=run_id), metadata=metadata), events, 20)
        again = pb.FollowRequest(run_id=run_id, after=events[-1].token)
        await _read(stub.Follow(again, metadata=metadata), events)
        health: Any = HealthStub(channel)
        assert (await health.Check(HealthCheckRequest())).status == HealthCheckResponse.SERVING
    numbers = [number for event in events for number in range(event.seq_from or event.seq, event.seq + 1)]
    assert numbers == list(range(1, events[-1].seq + 1))
    assert events[-1].type == "done"


async def _read(call: Any, events: list[pb.Event], count: int | None = None) -> None:
    """The events of a stream, without its control events; until it ends, or so many are there."""
    async for event in call:
        if event.token:
            events.append(event)
        if len(events) == count:
            call.cancel()
            return


@needs_nginx
@pytest.mark.anyio
async def test_a_large_body_is_refused(stack: Stack) -> None:
    """2 MiB get 413 in the shape of every error, told of or not; what is just below 1 MiB reaches the gateway."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(32):
            yield b"x" * 65_536

    headers = {"content-type": "application/json"}
    async with browser(stack.url) as client:
        large = await client.post("/chat", json={"message": "x" * 2 * 1024 * 1024})
        assert is_refusal(large, 413, "too_large")
        assert is_refusal(await client.post("/chat", content=pieces(), headers=headers), 413, "too_large")
        fits = await client.post("/chat", json={"message": "x" * (1024 * 1024 - 100)})
        assert is_refusal(fits, 422, "invalid_request")


@needs_nginx
@pytest.mark.parametrize(
    "path",
    [
        "/api/metrics",
        "/api//metrics",
        "//api/metrics",
        "/api/metrics/",
        "/api/%6Detrics",
        "/api/%256Detrics",
        "/api/x/../metrics",
        "/api/x/%2e%2e/metrics",
        "/api/metrics?x=1",
        "/api/metrics%3Fx",
        "/api/metrics;x",
        "/metrics",
        "/_stcore/metrics",
        "/grafana/metrics",
    ],
)
def test_the_figures_are_not_public(stack: Stack, path: str) -> None:
    """/metrics is refused from outside, however it is spelled and whatever token comes with it."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.nginx.port, timeout=PATIENCE)
    connection.request("GET", path, headers=BEARER)
    response = connection.getresponse()
    assert response.status in (403, 404)
    assert b"streamlab_" not in response.read()
    connection.close()


# Prometheus and Grafana


@needs_nginx
@pytest.mark.anyio
async def test_every_figure_that_is_asked_for_exists(stack: Stack) -> None:
    """The names and labels in alerts and dashboard are those of a running gateway that has served a client."""
    async with browser(stack.gateways[0].url) as client:
        answer = await client.post("/chat", json={"message": "hi", "model": demo_model(chunks=3)})
        again = {"last-event-id": next(sent.id for sent in parse_stream(answer.content) if sent.id)}
        await client.get(f"/runs/{answer.headers['x-run-id']}/events", headers=again)
        text = (await client.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    labels = {sample.name: set(sample.labels) for sample in samples}
    asked: set[str] = set()
    for place, query in queries().items():
        for name, selectors in re.findall(r"\b((?:streamlab|process)_\w+)(?:\{([^}]*)\})?", query):
            asked.add(name)
            assert name in labels or (name.startswith("process_") and sys.platform != "linux"), f"{place}: {name}"
            used = set(re.findall(r"(\w+)=", selectors)) - {"job", "instance"}
            assert used <= labels.get(name, set()), f"{place}: {name}"
    assert len(asked) >= 10


@needs_nginx
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed here")
def test_prometheus_reads_both_gateways(stack: Stack, tmp_path: Path) -> None:
    """A real Prometheus with the project's configuration finds both gateways, and the token for figures is taken."""
    targets = {
        f"gateway-{number}:8600": f"127.0.0.1:{gateway.port}" for number, gateway in enumerate(stack.gateways, 1)
    }
    config = configuration(tmp_path, targets | {"app:8501": f"127.0.0.1:{stack.gateways[0].port}"})
    port = free_port()
    process = Process(tmp_path, "prometheus")
    options = {"config.file": config, "storage.tsdb.path": tmp_path / "data", "web.listen-address": f"127.0.0.1:{port}"}
    process.launch(["prometheus", *(f"--{name}={value}" for name, value in options.items())], tmp_path)
    try:
        deadline = time.monotonic() + PATIENCE
        while (health := _health(port)) != ["up"] * 3:
            assert process.running, process.logged
            assert time.monotonic() < deadline, (health, process.logged)
            time.sleep(0.1)
    finally:
        process.end()
    assert METRICS_TOKEN not in process.logged


def _health(port: int) -> list[str]:
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}/api/v1/targets").json()
    except (httpx2.TransportError, ValueError):
        return []
    return [target["health"] for target in answer["data"]["activeTargets"]]


# The image and compose.yaml


@needs_nginx
def test_the_health_check_tells_the_ready_from_the_dead(stack: Stack) -> None:
    """The image's own command succeeds before a gateway that is ready, and fails where none answers."""
    rest = dict(instructions())["HEALTHCHECK"]
    command = json.loads(rest[rest.index("CMD") + len("CMD") :])
    command = [sys.executable if part == "python" else part for part in command]
    statuses = [
        subprocess.run(command, env=os.environ | {"HEALTH_URL": url}, capture_output=True, check=False).returncode
        for url in (f"{stack.gateways[0].url}/readyz", "http://127.0.0.1:9/api/readyz")
    ]
    assert statuses == [0, 1]


# Faults: last, because after each of them a gateway has to be started again


@needs_nginx
@pytest.mark.anyio
async def test_a_killed_gateway_harms_only_its_own_runs(stack: Stack) -> None:
    """SIGKILL in mid-stream: clients come back through nginx. A run of the other gateway goes on without loss or
    repetition; a run of the killed one ends within 15 s with exactly one error{producer_lost} and done{lost}, and the
    figures of the gateway that ended it tell so.
    """
    survivor, victim = stack.gateways
    before = await figure(survivor, "streamlab_runs_taken_over_total")
    kept = await start_run(survivor, demo_model(**ENDLESS))
    lost = await start_run(victim, demo_model(**ENDLESS))
    async with followed(stack, [kept, lost], 10) as (keepers, losers), asyncio.TaskGroup() as tasks:
        victim.signal(signal.SIGKILL)
        killed = time.monotonic()
        victim.wait()
        told = tasks.create_task(_until_ended(losers))
        await until_followed(survivor, len(keepers) + len(losers))
        assert any(client.visits > 1 for client in keepers)
        seconds = await told - killed
        async with browser(stack.url) as client:
            assert (await client.delete(f"/runs/{kept}")).status_code == 202
    events = await stored(survivor, kept)
    assert end(events).status == "stopped"
    assert all(has_all(client, events) for client in keepers)
    events = await stored(survivor, lost)
    ends = [
        (event.type, event.code, getattr(event, "status", None)) for event in events if isinstance(event, Error | Done)
    ]
    assert ends == [("error", "producer_lost", None), ("done", "producer_lost", "lost")]
    assert all(has_all(client, events) for client in losers)
    assert await figure(survivor, "streamlab_runs_taken_over_total") == before + 1
    assert seconds < 15


async def _until_ended(clients: Sequence[Client]) -> float:
    """When the last of them had the end, by the monotonic clock."""
    async with asyncio.timeout(PATIENCE):
        while not all(client.events[-1].type == "done" for client in clients):  # noqa: ASYNC110 # nothing tells of it
            await anyio.sleep(0.05)
    return time.monotonic()


@needs_nginx
@pytest.mark.anyio
async def test_a_gateway_that_leaves_hands_its_clients_over(stack: Stack) -> None:
    """SIGTERM with 100 clients: those of this gateway get `drain`, all go on at the other, and none loses a thing."""
    producer, leaving = stack.gateways
    run_id = await start_run(producer, demo_model(**ENDLESS))
    async with followed(stack, [run_id], 100) as (clients,):
        leaving.signal(signal.SIGTERM)
        assert await asyncio.to_thread(leaving.wait) in (0, -signal.SIGTERM)
        await until_followed(producer, len(clients))
        async with browser(stack.url) as client:
            assert (await client.delete(f"/runs/{run_id}")).status_code == 202
    events = await stored(producer, run_id)
    moved = [client for client in clients if client.visits > 1]
    assert moved
    assert all(client.drained for client in moved)
    assert all(has_all(client, events) for client in clients)
