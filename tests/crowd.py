"""What the tests of a crowd share: many clients that read as they are told to, and what a process holds for them."""

import asyncio
import gc
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Self

import anyio
import h11
import httpx2
import psutil
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from streamlab.engine import open_engine
from streamlab.events.event import StreamEvent, Thinking
from streamlab.gateway.delivery import Pace
from streamlab.gateway.gateway import Gateway, open_gateway
from streamlab.gateway.http import create_app
from streamlab.hub import Log
from streamlab.settings import Settings
from tests.gateway import Sent, Served, Server, StreamParser, ending, log_events

DESCRIPTORS = 4_096  # both ends of every connection of a test
SEND_BUFFER = 16 * 1024  # bytes; the system's own would take 3 MB for each client that does not read
WINDOW = 4 * 1024  # bytes that the socket of a client takes which does not read
FAR_AHEAD = 1_000.0  # seconds: an event of this time is never late
AT_ONCE = 50  # clients that come at the same moment
PATIENCE = 90.0  # seconds
SETTLED = 5  # times that the same was found, a tenth of a second apart


@contextmanager
def many_descriptors() -> Iterator[None]:
    """Let this process, and those that it starts, open DESCRIPTORS files within the block, if the system allows it."""
    if sys.platform == "win32":
        yield  # which has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    enough = soft == resource.RLIM_INFINITY or soft >= wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft if enough else wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Client:
    """An HTTP client of one event stream, which reads when it is told to. With `window` its socket takes so much."""

    def __init__(self, window: int | None = None) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if window:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._raw = bytearray()

    async def ask(self, port: int, path: str, last_id: str = "") -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", port))
        resume = f"last-event-id: {last_id}\r\n" if last_id else ""
        request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{resume}\r\n"
        await loop.sock_sendall(self._socket, request.encode())

    async def read(self, size: int = 64 * 1024) -> bytes:
        """Return what has come, at least a byte; nothing at the end."""
        piece = await asyncio.get_running_loop().sock_recv(self._socket, size)
        self._raw += piece
        return piece

    async def read_to_end(self) -> Self:
        """Read until the server closes the connection, in whatever way."""
        with suppress(ConnectionResetError):
            while await self.read():
                pass
        return self

    @property
    def body(self) -> bytes:
        """What has come of the stream, taken out of its chunks."""
        return self._decoded()[0]

    @property
    def whole(self) -> bool:
        """Whether the server has said that the stream ends there."""
        return self._decoded()[1]

    def has(self, mark: bytes) -> bool:
        """Tell whether that has come, which is asked often."""
        return mark in self._raw

    @property
    def sent(self) -> list[Sent]:
        parser = StreamParser()
        parser.feed(self.body)
        return parser.events

    @property
    def events(self) -> list[StreamEvent]:
        return log_events(self.sent)

    @property
    def last_id(self) -> str:
        """The place of the last whole event."""
        return next((each.id for each in reversed(self.sent) if each.id), "")

    def close(self) -> None:
        self._socket.close()

    def abort(self) -> None:
        """Leave without a word of farewell: what is under way is answered with a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _decoded(self) -> tuple[bytes, bool]:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="GET", target="/", headers=[("host", "localhost")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(bytes(self._raw))
        body = bytearray()
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                return bytes(body), False
            if isinstance(event, h11.Response):
                assert event.status_code == 200, bytes(self._raw)
            if isinstance(event, h11.Data):
                body += event.data
        return bytes(body), True


@asynccontextmanager
async def crowd(port: int, path: str, number: int, window: int | None = None) -> AsyncIterator[list[Client]]:
    """Yield so many clients that have asked and read nothing yet; their connections are closed with the block."""
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(Client(window))) for _ in range(number)]
        for some in in_turn(clients):
            await asyncio.gather(*(client.ask(port, path) for client in some))
        yield clients


def in_turn(clients: list[Client]) -> Iterator[list[Client]]:
    """Yield a few at a time."""
    for start in range(0, len(clients), AT_ONCE):
        yield clients[start : start + AT_ONCE]


@asynccontextmanager
async def reading(clients: Iterable[Client]) -> AsyncIterator[None]:
    """Let them read within the block, which ends when their streams have."""
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.read_to_end())
        yield


@asynccontextmanager
async def narrow_gateway(pace: Pace) -> AsyncIterator[Served]:
    """Serve a gateway whose connections take little, so that a client that does not read is soon felt."""
    settings = Settings(_env_file=None)
    api = create_app(settings)
    async with open_engine(settings) as engine, open_gateway(engine, pace) as gateway:
        api.state.gateway = gateway
        with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            app = Starlette(routes=[Mount("/api", api)])
            server = Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=3))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await until(lambda: server.started)
            port: int = listener.getsockname()[1]
            try:
                async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api") as client:
                    yield Served(f"http://127.0.0.1:{port}/api", port, engine, gateway, client)
            finally:
                server.should_exit = True
                await serving


@dataclass(frozen=True)
class Footprint:
    """What this process holds: tasks of the loop, open files, objects that Python's collector knows, bytes."""

    tasks: int
    descriptors: int
    objects: int
    resident: int

    @classmethod
    async def at_rest(cls) -> Self:
        """Measure once what ends has ended: tasks and files have been the same for a while."""
        seen: list[tuple[int, int]] = []
        with anyio.fail_after(PATIENCE):
            while len(seen) < SETTLED or len(set(seen[-SETTLED:])) > 1:
                seen.append((len(asyncio.all_tasks()), descriptors()))
                await asyncio.sleep(0.1)
        gc.collect()
        return cls(len(asyncio.all_tasks()), descriptors(), len(gc.get_objects()), resident())


def descriptors() -> int:
    """Count the open files, sockets among them."""
    process = psutil.Process()
    if sys.platform == "win32":
        return process.num_handles()
    return process.num_fds()


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    return int(psutil.Process().memory_info().rss)


class Peak:
    """The most memory that there was while the block ran, in bytes, as often as the loop came to look."""

    def __init__(self) -> None:
        self.begin = self.most = resident()

    @property
    def growth(self) -> int:
        return self.most - self.begin

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _look(self) -> None:
        while True:
            self.most = max(self.most, resident())
            await asyncio.sleep(0.01)


def thought(number: int, size: int) -> StreamEvent:
    """Make an event of so many characters that is never merged with another, so that everyone gets the same bytes."""
    return Thinking(f"{number} ".ljust(size, "."), at=FAR_AHEAD, step=1 + number % 2)


def figure(gateway: Gateway, name: str, **labels: str) -> float:
    """Return a sample of the metrics."""
    return next(sample.value for sample in gateway.metrics.samples() if (sample.name, sample.labels) == (name, labels))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nothing tells of, as long as a crowd may take on a machine that has other things to do."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.02)


@pytest.fixture(autouse=True, scope="module")
def enough_descriptors() -> Iterator[None]:
    with many_descriptors():
        yield


def path_of(log: Log) -> str:
    return f"/api/runs/{log.run_id}/events"


def finish(log: Log) -> None:
    for event in ending(""):
        log.append(event)


def ended(gateway: Gateway, protocol: str, reason: str) -> float:
    return figure(gateway, "streamlab_disconnects_total", protocol=protocol, reason=reason)


async def write(log: Log, size: int, pause: float, going_on: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Append events of so many characters, for as long as it goes on."""
    with anyio.fail_after(patience):
        while going_on():
            log.append(thought(log.seq + 1, size))
            await asyncio.sleep(pause)
