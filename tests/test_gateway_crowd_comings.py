"""Promises under a crowd: thousands of clients that come and go, or are sent away."""

import asyncio
import logging
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import get_args
from uuid import uuid4

import grpc
import httpx2
import pytest
from pydantic import SecretStr

from benchmarks.harness import free_port
from streamlab.events.event import StreamEvent
from streamlab.gateway.delivery import EndReason
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.writer import PROTOCOLS
from streamlab.hub import Log
from streamlab.hub.log import Bounds
from streamlab.hub.redis.hub import RedisHub
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1.streamlab_pb2_grpc import StreamlabStub
from tests import crowd as crowds
from tests.conftest import demo_model, shown
from tests.crowd import AT_ONCE, Client, Footprint, crowd, ended, figure, finish, path_of, until, write
from tests.events import answer as final_answer
from tests.events import end
from tests.gateway import FAST, delta, ending, log_events, seqs, served
from tests.grpc_gateway import Lab, lab_of
from tests.redis_server import RedisServer
from tests.test_gateway_command import LEAVE, needs_signals, running
from tests.test_gateway_websocket import socket_of

enough_descriptors = crowds.enough_descriptors  # fixtures are found by their names

pytestmark = pytest.mark.anyio


# Clients that come and go


COMINGS: dict[str, int] = {"sse": 8_000, "websocket": 1_000, "grpc": 1_000}
FIRST_PART = 10  # one in so many
LONG = 900.0  # seconds that all of them may take
PER_CLIENT = 1_024  # bytes that a client may leave behind at most, so that nothing of it is


@pytest.mark.soak
async def test_of_ten_thousand_that_come_and_go_nothing_stays() -> None:
    """They leave at once, while they wait or in mid-stream, with and without farewell, on all protocols and while the
    run writes: the gauges are back at zero, and tasks, open files, objects and memory where they were.
    """
    async with lab_of(FAST, lab_log_level="warning") as lab:  # what is logged pytest would keep
        log = lab.http.log()
        log.bounds = Bounds(events=64)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write(log, 200, 0.01, lambda: log.done is None, LONG))
            await come_and_go(lab, log, FIRST_PART)
            first = await at_rest(lab)
            for _ in range(FIRST_PART - 1):
                await come_and_go(lab, log, FIRST_PART)
            then = await at_rest(lab)
            finish(log)
        for protocol in COMINGS:  # who leaves at once may do so before it is heard
            assert COMINGS[protocol] / 2 < served_over(lab.http.gateway, protocol) <= COMINGS[protocol]
        rest = sum(COMINGS.values()) * (FIRST_PART - 1) // FIRST_PART
        assert then.tasks == first.tasks
        assert then.descriptors <= first.descriptors
        assert then.objects - first.objects < rest / 10
        assert then.resident - first.resident < rest * PER_CLIENT
        assert log_events(await lab.http.events(log))[-1].type == "done"


async def come_and_go(lab: Lab, log: Log, share: int) -> None:
    """One in `share` of all that are to come, a few at a time."""
    ways: dict[str, Callable[[Lab, Log, int], Awaitable[None]]] = {
        "sse": come_by_sse,
        "websocket": come_by_websocket,
        "grpc": come_by_grpc,
    }
    for protocol, number in COMINGS.items():
        for start in range(0, number // share, AT_ONCE):
            await asyncio.gather(*(ways[protocol](lab, log, each) for each in range(start, start + AT_ONCE)))


async def come_by_sse(lab: Lab, log: Log, number: int) -> None:
    client = Client()
    await client.ask(lab.http.port, path_of(log))
    for _ in range(number % 3):
        await client.read()
    (client.abort if number % 2 else client.close)()


async def come_by_websocket(lab: Lab, log: Log, number: int) -> None:
    async with socket_of(lab.http, log.run_id, max_queue=None) as client:  # else it would not read the farewell
        for _ in range(number % 3):
            await client.recv()
        if number % 2:
            client.transport.abort()


async def come_by_grpc(lab: Lab, log: Log, number: int) -> None:
    """Every tenth has a connection of its own."""
    async with AsyncExitStack() as channels:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = lab.channel
        if number % 10 == 0:
            channel = await channels.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{lab.port}", options))
        call = StreamlabStub(channel).Follow(pb.FollowRequest(run_id=log.run_id))
        for _ in range(number % 3):
            await call.read()
        call.cancel()


async def at_rest(lab: Lab) -> Footprint:
    """What the process holds when all have gone and everything of them is put away."""
    gateway = lab.http.gateway
    await until(lambda: len(gateway.deliveries) == 0)
    for protocol in PROTOCOLS:
        assert figure(gateway, "streamlab_followers", protocol=protocol) == 0
    return await Footprint.at_rest()


def served_over(gateway: Gateway, protocol: str) -> float:
    """How many deliveries have ended."""
    return sum(ended(gateway, protocol, reason) for reason in get_args(EndReason))


# Clients that are sent away


class Mover:
    """Follows a run as an EventSource does: where its stream ends before the run, it goes on at the next gateway."""

    def __init__(self, ports: tuple[int, int], run_id: str) -> None:
        self._ports = ports
        self._path = f"/api/runs/{run_id}/events"
        self.visits: list[Client] = []

    async def follow(self) -> None:
        last_id = ""
        for port in self._ports:
            with closing(Client()) as client:
                self.visits.append(client)
                await client.ask(port, self._path, last_id)
                await client.read_to_end()
            if client.sent[-1].type == "done":
                return
            last_id = client.last_id

    @property
    def has_text(self) -> bool:
        return bool(self.visits) and self.visits[0].has(b"event: text_delta")

    @property
    def has_moved(self) -> bool:
        return len(self.visits) > 1 and self.visits[1].has(b"event: text_delta")

    @property
    def events(self) -> list[StreamEvent]:
        return [event for client in self.visits for event in client.events]


async def test_a_thousand_that_ask_at_once_for_a_run_of_another_process_get_it(redis_server: RedisServer) -> None:
    """As when a gateway leaves and all its clients come to the next one, which has never heard of their run."""
    async with RedisHub(redis_server.url) as producer, RedisHub(redis_server.url) as asked:
        log = producer.create(uuid4().hex)
        log.append(delta("begun"))
        await producer.open(log.run_id)
        found = await asyncio.gather(*(asked.open(log.run_id) for _ in range(1_000)), return_exceptions=True)
        assert [each for each in found if isinstance(each, BaseException)] == []
        assert len({id(each) for each in found}) == 1
        assert asked.log(log.run_id).since(0) == log.since(0)


async def test_who_leaves_before_the_answer_begins_is_no_fault(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the gateway has to wait for Redis, a client may be gone when its stream is to begin."""
    async with served(redis_url=SecretStr(own_redis.url)) as lab:
        log = lab.log(delta())
        await lab.engine.hub.open(log.run_id)
        own_redis.pause()
        log.append(delta())
        async with crowd(lab.port, path_of(log), 20) as clients:
            await until(lambda: requests_under_way() == len(clients))
            for client in clients:
                client.abort()
        own_redis.resume()
        await until(lambda: requests_under_way() == 0)
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert figure(lab.gateway, "streamlab_followers", protocol="sse") == 0


def requests_under_way() -> int:
    """What the web server is at."""
    return sum("run_asgi" in repr(task.get_coro()) for task in asyncio.all_tasks())


@needs_signals
@pytest.mark.soak
async def test_five_hundred_are_sent_away_and_lose_nothing(tmp_path: Path, redis_server: RedisServer) -> None:
    """SIGTERM with 500 clients: each hears `drain` and the end of its stream, goes on at another gateway from its last
    place, and the text that it has joined is the final answer. What the leaving gateway itself produced has its end
    before that, there. The process ends in time.
    """
    ports = free_port(), free_port()
    shared = {"REDIS_URL": redis_server.url, "LAB_GRPC_PORT": "0"}
    async with RedisHub(redis_server.url) as hub:
        log = hub.create(uuid4().hex)
        with (
            start_gateway(tmp_path / "leaving", ports[0], shared) as (leaving, logged),
            start_gateway(tmp_path / "staying", ports[1], shared),
        ):
            own = await ask(ports[0], chunks=100_000, rate=20)
            owners = [Mover(ports, own) for _ in range(20)]
            movers = [Mover(ports, log.run_id) for _ in range(500)]
            everyone = (*owners, *movers)
            async with asyncio.timeout(LONG), asyncio.TaskGroup() as tasks:
                tasks.create_task(answer(log, lambda: not all(mover.has_moved for mover in movers)))
                for mover in everyone:
                    tasks.create_task(mover.follow())
                await until(lambda: all(mover.has_text for mover in everyone))
                leaving.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(leaving.wait, LEAVE) in (0, -signal.SIGTERM)
    words = logged.read_text()
    assert (words.count("reason=drained"), words.count("reason=ended")) == (len(movers), len(owners))
    assert "Traceback" not in words
    for mover in everyone:
        assert [(visit.whole, visit.sent[-1].type) for visit in mover.visits] == (
            [(True, "done")] if mover in owners else [(True, "drain"), (True, "done")]
        )
        assert seqs(mover.events) == list(range(1, mover.events[-1].seq + 1))
    for mover in movers:
        assert (final_answer(mover.events), end(mover.events).status) == (shown(mover.events), "completed")
    assert {(end(mover.events).status, end(mover.events).code) for mover in owners} == {("stopped", "shutdown")}
    assert len({shown(mover.events) for mover in owners}) == 1


async def answer(log: Log, going_on: Callable[[], bool]) -> None:
    """Write the run's text for as long as it goes on, and then its end."""
    text = ""
    while going_on():
        text += (word := f"{len(text)} ")
        log.append(delta(word, time.monotonic() - log.began))
        await asyncio.sleep(0.05)
    for event in ending(text):
        log.append(replace(event, at=time.monotonic() - log.began))


def start_gateway(
    folder: Path, port: int, variables: dict[str, str]
) -> AbstractContextManager[tuple[subprocess.Popen[str], Path]]:
    folder.mkdir()
    return running("streamlab.gateway", "--port", str(port), port=port, cwd=folder, **variables)


async def ask(port: int, **options: int) -> str:
    """The id of a run that the gateway at this port produces."""
    body = {"message": "What is streaming?", "model": demo_model(**options)}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api", timeout=LEAVE) as client:
        run_id: str = (await client.post("/runs", json=body)).json()["id"]
        return run_id
