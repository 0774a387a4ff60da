"""The files of deploy/, run: a real nginx before two real gateways that share a real Redis; and what the rest names."""

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
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, get_args

import anyio
import grpc
import httpx2
import pytest
import yaml
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from streamlab.events.event import Done, Error, Status, StreamEvent, decode
from streamlab.gateway.control import CONTROL_EVENTS
from streamlab.gateway.delivery import Reason
from streamlab.gateway.writer import PROTOCOLS
from streamlab.settings import Settings
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1.streamlab_pb2_grpc import StreamlabStub
from tests import stack as deployment
from tests.conftest import demo_model
from tests.events import content, end
from tests.gateway import Sent, StreamParser, is_refusal, log_events, parse_stream, seqs
from tests.stack import (
    BEARER,
    DEPLOY,
    METRICS_TOKEN,
    PATIENCE,
    ROOT,
    GatewayProcess,
    Nginx,
    Process,
    Stack,
    compose,
    free_port,
    instructions,
    needs_nginx,
)

image, running_stack, stack = (
    deployment.image,
    deployment.running_stack,
    deployment.stack,
)  # fixtures are found by their names

pytestmark = pytest.mark.soak  # three gateways, a Redis and an nginx take long to start

ENDLESS = {"chunks": 100_000, "rate": 50}


@asynccontextmanager
async def browser(base_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """With as many connections as it likes."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=base_url, headers=BEARER, limits=limits, timeout=PATIENCE) as client:
        yield client


class Client:
    """Follows a run, and comes back with the last id that it has until the run ends, as an EventSource does."""

    def __init__(self, run_id: str, token: str) -> None:
        self.events: list[StreamEvent] = []
        self.drained = 0
        self.visits = 0
        self.statuses: set[int] = set()
        self._last_id = ""
        self._path = f"/runs/{run_id}/events?token={token}"

    async def follow(self, client: httpx2.AsyncClient) -> None:
        while not (self.events and self.events[-1].type == "done"):
            self.visits += 1
            with suppress(httpx2.TransportError):  # cut
                await self._visit(client)
            await anyio.sleep(0.1)

    async def _visit(self, client: httpx2.AsyncClient) -> None:
        headers = {"last-event-id": self._last_id} if self._last_id else {}
        async with client.stream("GET", self._path, headers=headers) as response:
            self.statuses.add(response.status_code)
            parser = StreamParser()
            async for piece in response.aiter_raw():
                known = len(parser.events)
                parser.feed(piece)
                self._take(parser.events[known:])

    def _take(self, sent: list[Sent]) -> None:
        self.drained += sum(each.type == "drain" for each in sent)
        if events := log_events(sent):
            self.events += events
            self._last_id = next(each.id for each in reversed(sent) if each.type not in CONTROL_EVENTS)


async def figure(gateway: GatewayProcess, name: str) -> float:
    """What Prometheus reads under this name and labels."""
    async with browser(gateway.url) as client:
        text = (await client.get("/metrics")).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])


async def followers(gateway: GatewayProcess) -> float:
    return await figure(gateway, 'streamlab_followers{protocol="sse"}')


async def until_followed(gateway: GatewayProcess, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await followers(gateway) < count:  # noqa: ASYNC110 # another process counts them
            await anyio.sleep(0.1)


@asynccontextmanager
async def followed(stack: Stack, run_ids: Sequence[str], count: int) -> AsyncIterator[list[list[Client]]]:
    """So many clients of each run through nginx, some at each gateway. The block ends once all have its end."""
    limits = httpx2.Limits(max_connections=None)
    async with (
        browser(stack.url) as owner,
        httpx2.AsyncClient(base_url=stack.url, limits=limits, timeout=PATIENCE) as watcher,
    ):
        tokens = [(await owner.post(f"/runs/{run_id}/token")).json()["token"] for run_id in run_ids]
        groups = [[Client(run_id, token) for _ in range(count)] for run_id, token in zip(run_ids, tokens, strict=True)]
        clients = [client for group in groups for client in group]
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(client.follow(watcher))
            while not all(client.events for client in clients):  # noqa: ASYNC110 # nothing tells of it
                await anyio.sleep(0.05)
            assert min([await followers(gateway) for gateway in stack.gateways]) > 0
            yield groups
    assert {status for client in clients for status in client.statuses} == {200}
    assert not [token for token in tokens if token in stack.nginx.logged]


async def start_run(gateway: GatewayProcess, model: str) -> str:
    """A run that this gateway produces."""
    async with browser(gateway.url) as client:
        started = await client.post("/runs", json={"message": "What is streaming?", "model": model})
    assert started.status_code == 201
    run_id: str = started.json()["id"]
    return run_id


async def stored(gateway: GatewayProcess, run_id: str) -> list[StreamEvent]:
    """All events of a run, as a gateway has them."""
    events: list[StreamEvent] = []
    after = ""
    async with browser(gateway.url) as client:
        while True:
            page = await client.get(
                f"/runs/{run_id}/events", params={"after": after, "limit": 1000}, headers={"accept": "application/json"}
            )
            read = page.json()
            events += [decode(json.dumps(event)) for event in read["events"]]
            if read["next"] is None:
                return events
            after = read["next"]


def has_all(client: Client, events: Sequence[StreamEvent]) -> bool:
    """Whether nothing is missing and nothing came twice."""
    text = "".join(content(event) for event in client.events if event.type == "text_delta")
    whole = "".join(content(event) for event in events if event.type == "text_delta")
    return (seqs(client.events), text) == (list(range(1, events[-1].seq + 1)), whole)


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


# nginx before upstreams that tell what they were asked


Behaviour = Literal["answers", "streams", "hangs up"]


class Upstream:
    """Answers with the headers that it was sent, at once or as a stream that does not end; or hangs up on who asks."""

    def __init__(self, behaviour: Behaviour = "answers") -> None:
        self.behaviour = behaviour
        self.asked: list[str] = []
        self.port = 0
        self._streams: set[asyncio.StreamWriter] = set()

    @property
    def streaming(self) -> int:
        """How many streams it holds."""
        return len(self._streams)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                yield
            finally:
                for writer in self._streams:
                    writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):  # a probe of whether it listens
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = [line.split(": ", 1) for line in lines]
            await reader.readexactly(next((int(value) for name, value in headers if name == "Content-Length"), 0))
            self.asked.append(first.split()[0])
            if self.behaviour != "hangs up":
                body = json.dumps([[name.lower(), value] for name, value in headers]).encode()
                end = b"Content-Length: %d\r\n" % len(body) if self.behaviour == "answers" else b"X-Stream: yes\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n%s\r\n%s" % (end, body))
                await writer.drain()
        if self.behaviour == "streams":
            self._streams.add(writer)
        else:
            writer.close()


@contextmanager
def nginx_before(folder: Path, first: int, second: int) -> Iterator[str]:
    nginx = Nginx(folder, [first, second], app=first)
    nginx.start()
    try:
        yield f"http://127.0.0.1:{nginx.port}"
    finally:
        nginx.end()


@needs_nginx
@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/api/runs", "/chat"])
async def test_forwarded_headers_are_said_by_nginx_alone(tmp_path: Path, path: str) -> None:
    """What a caller says of where it comes from does not get through; the host that it asked for does."""
    forged = {
        "x-forwarded-for": "127.0.0.1",
        "x-real-ip": "127.0.0.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "forged.example",
        "x-forwarded-port": "1",
        "x-forwarded-prefix": "/forged",
        "forwarded": "for=127.0.0.1;host=forged.example",
        "via": "1.1 forged.example",
    }
    upstream = Upstream()
    async with upstream.listening():
        with nginx_before(tmp_path, upstream.port, upstream.port) as url:
            async with httpx2.AsyncClient(timeout=PATIENCE) as client:
                asked = {"host": "lab.example:8443", "last-event-id": "x-7"} | BEARER
                forged["x-forwarded-for"] = "10.9.8.7"
                got = (await client.get(url + path, headers=forged | asked)).json()
    said = [(name, value) for name, value in got if name.startswith("x-") or name in forged]
    assert sorted(said) == [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http"), ("x-real-ip", "127.0.0.1")]
    assert asked.items() <= {(name, value) for name, value in got}


@needs_nginx
@pytest.mark.anyio
async def test_only_what_may_be_repeated_is_asked_of_the_other(tmp_path: Path) -> None:
    """A gateway that hangs up: a GET is answered by the other one; a POST is sent once, and its failure told."""
    broken, good = Upstream("hangs up"), Upstream()
    async with broken.listening(), good.listening():
        with nginx_before(tmp_path, broken.port, good.port) as url:
            async with httpx2.AsyncClient(timeout=PATIENCE) as client:
                gets = [await client.get(f"{url}/api/runs/x") for _ in range(2)]
                assert [get.status_code for get in gets] == [200, 200]
                assert "GET" in broken.asked
    broken, other = Upstream("hangs up"), Upstream("hangs up")
    (folder := tmp_path / "post").mkdir()
    async with broken.listening(), other.listening():
        with nginx_before(folder, broken.port, other.port) as url:
            async with httpx2.AsyncClient(timeout=PATIENCE) as client:
                post = await client.post(f"{url}/api/chat", json={"message": "x"})
    assert is_refusal(post, 503, "unavailable")
    assert post.headers["retry-after"] == "1"
    assert broken.asked + other.asked == ["POST"]


@needs_nginx
@pytest.mark.anyio
async def test_a_gateway_that_came_back_is_there_when_the_other_dies(tmp_path: Path) -> None:
    """It had failed, and what it serves now has not ended, so nginx takes it for dead; it is asked all the same."""
    back, other = Upstream("hangs up"), Upstream()
    async with back.listening(), other.listening():
        with nginx_before(tmp_path, back.port, other.port) as url:
            async with asyncio.timeout(PATIENCE), httpx2.AsyncClient(base_url=url) as client, AsyncExitStack() as open_:
                for _ in range(6):
                    assert (await client.get("/api/runs/x")).status_code == 200
                assert back.asked
                back.behaviour = "streams"
                while not back.streaming:  # nginx asks it again after a while
                    await open_.enter_async_context(client.stream("GET", "/api/runs/x"))
                    await anyio.sleep(0.1)
                other.behaviour = "hangs up"
                for _ in range(6):
                    response = await open_.enter_async_context(client.stream("GET", "/api/runs/x"))
                    assert (response.status_code, response.headers["x-stream"]) == (200, "yes")


# Prometheus and Grafana


def queries() -> dict[str, str]:
    """PromQL of the alerts and of the dashboard, by where it stands."""
    alerts = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    panels = json.loads((DEPLOY / "dashboard.json").read_text())["panels"]
    found = {f"alert {rule['alert']}": rule["expr"] for group in alerts for rule in group["rules"]}
    for panel in panels:
        found |= {f"panel {panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return found


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


def test_the_values_that_queries_choose_exist() -> None:
    """A reason, status, protocol or job that stands in a query is one that there is."""
    jobs = {config["job_name"] for config in yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]}
    known = {"reason": set(get_args(Reason)), "status": set(get_args(Status)), "job": jobs}
    known["protocol"] = set(PROTOCOLS)
    known |= {"alertstate": {"firing"}}
    chosen = [(label, value) for query in queries().values() for label, value in re.findall(r'(\w+)=~?"(.*?)"', query)]
    assert chosen
    for label, value in chosen:
        assert set(value.split("|")) <= known[label], (label, value)


def test_every_alert_tells_what_to_do() -> None:
    """Each has a summary, a runbook and a severity, and an occasion in alerts_test.yml."""
    occasions = (DEPLOY / "alerts_test.yml").read_text()
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"]
            assert rule["annotations"]["runbook"].strip().endswith(".")
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert re.search(rf"\b{rule['alert']}\b", occasions), rule["alert"]


def _prometheus(folder: Path, targets: Mapping[str, str]) -> Path:
    """A copy of the configuration, with the places of a test."""
    shutil.copy(DEPLOY / "alerts.yml", folder)
    (folder / "token").write_text(METRICS_TOKEN)
    text = (DEPLOY / "prometheus.yml").read_text()
    for old, new in {"/tmp/metrics_token": str(folder / "token"), "scrape_interval: 5s": "scrape_interval: 1s"}.items():
        assert old in text
        text = text.replace(old, new)
    for old, new in targets.items():
        assert old in text
        text = text.replace(old, new)
    config = folder / "prometheus.yml"
    config.write_text(text)
    return config


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed here (Debian: prometheus)")
def test_prometheus_takes_its_files(tmp_path: Path) -> None:
    """promtool finds nothing wrong with the configuration and the rules, and the rules fire when they should."""
    config = _prometheus(tmp_path, {})
    shutil.copy(DEPLOY / "alerts_test.yml", tmp_path)
    for arguments in (
        ["check", "config", str(config)],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ):
        done = subprocess.run(["promtool", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_nginx
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed here")
def test_prometheus_reads_both_gateways(stack: Stack, tmp_path: Path) -> None:
    """A real Prometheus with the project's configuration finds both gateways, and the token for figures is taken."""
    targets = {
        f"gateway-{number}:8600": f"127.0.0.1:{gateway.port}" for number, gateway in enumerate(stack.gateways, 1)
    }
    config = _prometheus(tmp_path, targets | {"app:8501": f"127.0.0.1:{stack.gateways[0].port}"})
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


def test_the_image_runs_without_root_and_holds_no_secrets() -> None:
    """A user by number, exact requirements, programs without a shell; and of the project only what it names."""
    steps = dict(instructions())
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", steps["USER"])
    assert json.loads(steps["CMD"])[:3] == ["python", "-m", "streamlit"]
    requirements = (ROOT / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in requirements if line and not line.lstrip().startswith("#"))
    first, *rest = [
        line
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert first == "*"
    allowed = {line.removeprefix("!").split("/")[0] for line in rest if line.startswith("!")}
    copied = {source.split("/")[0] for name, rest in instructions() if name == "COPY" for source in rest.split()[:-1]}
    assert copied == allowed
    assert ".env" not in allowed


def test_compose_names_only_what_there_is() -> None:
    """Files, variables, services, networks and volumes that compose.yaml names exist, and nothing else is set."""
    text = (DEPLOY / "compose.yaml").read_text()
    services = compose()["services"]
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            exists = (DEPLOY / source).exists() if source.startswith(".") else source in compose()["volumes"]
            assert exists, (name, mount)
        assert set(service["networks"]) <= set(compose()["networks"])
        assert set(service.get("depends_on", {})) <= set(services)
    assert (DEPLOY / services["app"]["build"]["context"] / services["app"]["build"]["dockerfile"]).is_file()
    example = re.findall(r"^(\w+)=$", (DEPLOY / "example.env").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", text)) == set(example)
    template = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "nginx.conf").read_text()))
    assert template == set(services["nginx"]["environment"]) - {"NGINX_ENVSUBST_OUTPUT_DIR"}
    known = {name.upper() for name in Settings.model_fields} | {"HEALTH_URL"}
    for name in ("app", "gateway-1", "gateway-2"):
        assert set(services[name]["environment"]) <= known


def test_prometheus_has_the_token_for_figures_and_no_other() -> None:
    """It writes the one that the processes take for figures to where its configuration reads it."""
    services = compose()["services"]
    name = "GATEWAY_METRICS_TOKEN"
    assert set(services["prometheus"]["environment"]) == {name}
    for process in ("app", "gateway-1", "gateway-2"):
        environment = services[process]["environment"]
        assert environment[name] == services["prometheus"]["environment"][name]
        assert name not in environment["GATEWAY_TOKENS"]
    places = re.findall(rf'printf %s "\$\${name}" > (\S+)', services["prometheus"]["command"][0])
    read = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert [config["authorization"] for config in read] == [{"credentials_file": place} for place in 2 * places]


def test_compose_gives_each_service_as_little_as_it_needs() -> None:
    """Only nginx is published, on this machine alone unless told otherwise; nothing is written but /tmp and volumes."""
    for name, service in compose()["services"].items():
        assert ("ports" in service) == (name == "nginx"), name
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
        assert "healthcheck" in service or service["image"] == "streaming-lab", name
        assert not service["image"].endswith(":latest")
    assert all(port.startswith("${LAB_ADDRESS:-127.0.0.1}:") for port in compose()["services"]["nginx"]["ports"])
    assert compose()["services"]["redis"]["networks"] == ["inside"]
    assert compose()["networks"]["inside"]["internal"]


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
