"""Frames that are written past the application, to clients that read in fits or not at all."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import h11
import httpx2
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamlab.engine import open_engine
from streamlab.events.event import StreamEvent, ToolResult
from streamlab.gateway.delivery import Pace
from streamlab.gateway.feed import FRAME_BYTES, Frame
from streamlab.gateway.gateway import open_gateway
from streamlab.gateway.http import create_app
from streamlab.gateway.protocols import sse, uvicorn_socket
from streamlab.gateway.protocols.sse import Body
from streamlab.gateway.protocols.uvicorn_socket import ClientSocket
from streamlab.gateway.writer import Writer
from streamlab.hub import Log
from streamlab.settings import Settings
from tests.access import BEARER, SECRET
from tests.conftest import PATIENCE, until
from tests.gateway import FAR_AHEAD, FAST, Served, Server, StreamParser, delta, ending, log_events, seqs, served

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served() as lab:
        yield lab


HIGH_WATER = 64 * 1024  # bytes that a transport takes before it has its writer wait
SMALL_BUFFER = 8 * 1024  # of a socket, so that a client which does not read is soon noticed
RESULT = 10_000  # characters


@dataclass
class Pushes:
    """How often a frame was pushed, or could not be."""

    done: int = 0
    refused: int = 0


@pytest.fixture
def pushes(monkeypatch: pytest.MonkeyPatch) -> Pushes:
    counts, push = Pushes(), sse._push

    def counted(client: ClientSocket, writer: Writer[Body], frame: Frame) -> int | None:
        size = push(client, writer, frame)
        if size is None:
            counts.refused += 1
        else:
            counts.done += 1
        return size

    monkeypatch.setattr(sse, "_push", counted)
    return counts


@asynccontextmanager
async def served_by(
    pace: Pace = FAST, layer: Callable[[ASGIApp], ASGIApp] = lambda app: app, **settings: Any
) -> AsyncIterator[tuple[Served, Server]]:
    """The gateway behind uvicorn, beneath a layer, with small buffers."""
    chosen = Settings(_env_file=None, **settings)
    api = create_app(chosen)
    async with open_engine(chosen) as engine, open_gateway(engine, pace) as gateway:
        api.state.gateway = gateway
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)  # its connections inherit it
            app = layer(Starlette(routes=[Mount("/api", api)]))
            config = uvicorn.Config(app, http="h11", log_config=None, lifespan="off", timeout_graceful_shutdown=3)
            server = Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await until(lambda: server.started)
            port: int = listener.getsockname()[1]
            try:
                async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api") as client:
                    yield Served(f"http://127.0.0.1:{port}/api", port, engine, gateway, client), server
            finally:
                server.should_exit = True
                await serving


@dataclass
class SocketClient:
    """Reads only when it is told to. What came is read by h11, which takes nothing but valid HTTP."""

    connection: socket.socket
    http: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))
    parser: StreamParser = field(default_factory=StreamParser)
    ended: bool = False

    async def ask(self, lab: Served, log: Log, version: bytes = b"1.1") -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.connection, ("127.0.0.1", lab.port))
        request = h11.Request(
            method="GET", target=f"/api/runs/{log.run_id}/events", headers=[("host", "localhost"), *BEARER.items()]
        )
        asked = self.http.send(request) or b""
        self.http.send(h11.EndOfMessage())
        await loop.sock_sendall(self.connection, asked.replace(b"HTTP/1.1", b"HTTP/" + version))

    async def read(self, enough: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        with anyio.fail_after(PATIENCE):
            while not (self.ended or enough()):
                self.http.receive_data(await loop.sock_recv(self.connection, 4096))
                while (event := self.http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                    if isinstance(event, h11.Data):
                        self.parser.feed(bytes(event.data))
                    self.ended = self.ended or isinstance(event, h11.EndOfMessage)
                    if self.ended:
                        break

    @property
    def events(self) -> list[StreamEvent]:
        return log_events(self.parser.events)

    @property
    def last(self) -> int:
        """The seq of what came last."""
        return int(self.parser.last_id.rpartition("-")[2] or 0)


@contextmanager
def socket_client() -> Iterator[SocketClient]:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        connection.setblocking(False)
        yield SocketClient(connection)


def burst(log: Log) -> None:
    """More than a frame holds, of what is never merged."""
    for _ in range(6):
        log.append(ToolResult("a", str(log.seq), f"{log.seq} " + "x" * RESULT, at=FAR_AHEAD))


async def test_a_client_that_reads_in_fits_misses_and_repeats_nothing(pushes: Pushes) -> None:
    """While it reads frames are pushed, when it does not its own task waits to send; these take turns in order."""
    async with served_by() as (lab, server):
        log = lab.log()
        with socket_client() as client:
            await client.ask(lab, log)
            await client.read(lambda: bool(client.parser.events))
            [connection] = server.server_state.connections
            for _ in range(4):
                done = pushes.done
                log.append(delta(at=FAR_AHEAD))
                await client.read(lambda: client.last == log.seq)
                assert pushes.done > done
                with anyio.fail_after(PATIENCE):
                    while connection.transport.get_write_buffer_size() <= HIGH_WATER:
                        burst(log)
                        await asyncio.sleep(0.01)
                await client.read(lambda: client.last == log.seq)
            for event in ending(""):
                log.append(event)
            await client.read(lambda: False)
            assert client.events == log.since(0)
            await until(lambda: log.followers == 0)


async def test_a_stalled_client_holds_little_and_is_cut_off(pushes: Pushes) -> None:
    """What is pushed to it waits in its transport, which takes no more than one frame beyond its bound."""
    async with served_by(Pace(frame=0.005, send=0.5, check=0.05)) as (lab, server):
        log = lab.log()
        with socket_client() as client:
            await client.ask(lab, log)
            await client.read(lambda: bool(client.parser.events))
            [connection] = server.server_state.connections
            held = 0
            with anyio.fail_after(PATIENCE):
                while log.followers:
                    burst(log)
                    await asyncio.sleep(0.01)
                    held = max(held, connection.transport.get_write_buffer_size())
            assert pushes.done
            assert HIGH_WATER < held <= HIGH_WATER + FRAME_BYTES + 2 * RESULT
            figures = (await lab.client.get("/metrics")).text
            assert 'streamlab_disconnects_total{protocol="sse",reason="slow"} 1.0' in figures


async def test_a_log_that_ends_while_frames_are_pushed_ends_every_stream(pushes: Pushes) -> None:
    """Each client gets `done` and the body's end, its connection can be used again, and all of it was counted."""
    number, text = 20, "x" * 30
    async with served_by() as (lab, _):
        log = lab.log()

        async def read() -> None:
            assert log_events(await lab.events(log)) == log.since(0)

        async with anyio.create_task_group() as group:
            for _ in range(number):
                group.start_soon(read)
            await until(lambda: log.followers == number)
            for letter in text:
                log.append(delta(letter, FAR_AHEAD))
                await asyncio.sleep(0.002)
            for event in ending(text):
                log.append(event)
        assert pushes.done > number
        connections = len(lab.client._transport._pool.connections)  # type: ignore[attr-defined] # none was closed
        assert connections == number
        traffic = lab.gateway.deliveries.traffic["sse"]
        assert traffic.events == number * log.seq


async def test_a_client_of_http_1_0_gets_the_whole_stream(pushes: Pushes) -> None:
    """Its answer may end with the connection; where nothing is framed in chunks, nothing is pushed as one."""
    async with served_by(gateway_tokens=(SecretStr(SECRET),)) as (lab, _):
        log = lab.log()
        with socket_client() as client:
            await client.ask(lab, log, version=b"1.0")
            await client.read(lambda: bool(client.parser.events))
            for _ in range(3):
                burst(log)
                await client.read(lambda: client.last == log.seq)
            for event in ending(""):
                log.append(event)
            await client.read(lambda: False)
            assert client.events == log.since(0)
        assert not pushes.done


class Commenting:
    """A layer of an application that changes what is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def changed(message: Message) -> None:
            if body := message.get("body"):
                message = {**message, "body": body + b":seen\n\n"}
            await send(message)

        await self._app(scope, receive, changed)


async def test_nothing_is_pushed_past_a_layer_that_changes_bodies(
    pushes: Pushes, caplog: pytest.LogCaptureFixture
) -> None:
    """Every piece goes through it, as the first one did, and the log says so once."""
    uvicorn_socket._log_fallback.cache_clear()
    caplog.set_level(logging.INFO, logger="streamlab")
    async with served_by(layer=Commenting) as (lab, _):
        log = lab.log()
        async with lab.follow(log) as reading:
            for letter in "abc":
                log.append(delta(letter, FAR_AHEAD))
                await until(lambda: seqs(reading.events)[-1:] == [log.seq])
            for event in ending("abc"):
                log.append(event)
            await reading.end()
            assert reading.events == log.since(0)
            assert len(reading.parser.comments) >= 5
            await lab.events(log)
        assert not pushes.done + pushes.refused
    assert caplog.text.count("a body does not reach the connection as it was sent") == 1
