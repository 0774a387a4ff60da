"""What the tests of the gateway share: one that really listens, and a reader of event streams by the book."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from streamlab.engine import Engine, open_engine
from streamlab.events.event import Done, FinalAnswer, StreamEvent, TextDelta, decode
from streamlab.gateway.delivery import Pace
from streamlab.gateway.entrance import routes_at
from streamlab.gateway.gateway import Gateway, open_gateway
from streamlab.gateway.http import create_app
from streamlab.gateway.protocols.uvicorn_connection import TimedConnection
from streamlab.hub import Log
from streamlab.settings import Settings
from tests.conftest import demo_model, until
from tests.events import span

FAST = Pace(frame=0.005, heartbeat=15, send=10, check=0.05)
FAR_AHEAD = 1_000.0  # seconds: an event of this time is never late


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as a browser's EventSource would hand it out."""

    type: str
    data: str
    id: str

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class StreamParser:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, fed in pieces."""

    events: list[Sent] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    last_id: str = ""
    retry: int | None = None
    _buffer: bytes = b""
    _begun: bool = False
    _type: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, piece: bytes) -> None:
        self._buffer += piece
        if not self._begun and len(self._buffer) >= 3:
            self._buffer = self._buffer.removeprefix(b"\xef\xbb\xbf")
            self._begun = True
        for line in self._lines():
            self._line(line.decode("utf-8", "replace"))

    def _lines(self) -> Iterator[bytes]:
        while True:
            ends = [at for at in (self._buffer.find(b"\n"), self._buffer.find(b"\r")) if at >= 0]
            if not ends:
                return
            end = min(ends)
            if self._buffer[end : end + 1] == b"\r" and end + 1 == len(self._buffer):
                return  # the other half of the line's end may come
            length = 2 if self._buffer[end : end + 2] == b"\r\n" else 1
            line, self._buffer = self._buffer[:end], self._buffer[end + length :]
            yield line

    def _line(self, line: str) -> None:
        if not line:
            self._dispatch()
        elif line.startswith(":"):
            self.comments.append(line[1:])
        else:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._type = value
            elif name == "data":
                self._data.append(value)
            elif name == "id" and "\0" not in value:
                self.last_id = value
            elif name == "retry" and value.isascii() and value.isdecimal():
                self.retry = int(value)

    def _dispatch(self) -> None:
        if self._data:
            self.events.append(Sent(self._type or "message", "\n".join(self._data), self.last_id))
        self._type, self._data = "", []


def parse_stream(stream: bytes) -> list[Sent]:
    parser = StreamParser()
    parser.feed(stream)
    return parser.events


def log_events(sent: list[Sent]) -> list[StreamEvent]:
    """Return the events that stand in a log, without the control events."""
    return [decode(each.data) for each in sent if each.type not in ("open", "gap", "snapshot", "drain", "close")]


def seqs(events: list[StreamEvent]) -> list[int]:
    """Return every seq that the events stand for."""
    return [seq for event in events for seq in span(event)]


class Server(uvicorn.Server):
    """The tests' own process goes on when this ends, so signals are not its business."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override] # a context manager as well
        return nullcontext()


@dataclass(frozen=True)
class Served:
    """A gateway that listens, on the test's own loop, so that a test can write its logs."""

    url: str
    port: int
    engine: Engine
    gateway: Gateway
    client: httpx2.AsyncClient

    def log(self, *events: StreamEvent) -> Log:
        """Create a log with these events."""
        log = self.engine.hub.create(uuid4().hex)
        for event in events:
            log.append(event)
        return log

    async def get(self, log: Log, last_id: str | None = None, **params: str) -> httpx2.Response:
        """Read the whole stream of a log that has its end."""
        headers = {"last-event-id": last_id} if last_id is not None else {}
        return await self.client.get(f"/runs/{log.run_id}/events", headers=headers, params=params)

    async def events(self, log: Log, last_id: str | None = None) -> list[Sent]:
        response = await self.get(log, last_id)
        assert response.status_code == 200
        return parse_stream(response.content)

    @asynccontextmanager
    async def follow(self, log: Log, **params: str) -> AsyncIterator["Reading"]:
        """Read as a client while the block runs."""
        async with self.client.stream("GET", f"/runs/{log.run_id}/events", params=params) as response:
            assert response.status_code == 200
            reading = Reading()
            task = asyncio.create_task(reading.read(response))
            try:
                await until(lambda: bool(reading.parser.events))
                yield reading
            finally:
                task.cancel()
                await asyncio.wait([task])


class Reading:
    """What a client has got by now."""

    def __init__(self) -> None:
        self.parser = StreamParser()
        self.ended = False

    async def read(self, response: httpx2.Response) -> None:
        async for piece in response.aiter_raw():
            self.parser.feed(piece)
        self.ended = True

    @property
    def events(self) -> list[StreamEvent]:
        return log_events(self.parser.events)

    @property
    def types(self) -> list[str]:
        return [each.type for each in self.parser.events]

    async def end(self) -> list[Sent]:
        await until(lambda: self.ended)
        return self.parser.events


@asynccontextmanager
async def served(pace: Pace = FAST, **settings: Any) -> AsyncIterator[Served]:
    """Serve the real application behind a real server on a real port."""
    chosen = Settings(_env_file=None, **settings)
    api = create_app(chosen)
    async with open_engine(chosen) as engine, open_gateway(engine, pace) as gateway:
        api.state.gateway = gateway
        async with listening(api) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api") as client:
            yield Served(f"http://127.0.0.1:{port}/api", port, engine, gateway, client)


@asynccontextmanager
async def listening(api: FastAPI) -> AsyncIterator[int]:
    """Serve the application under /api as in the app, and yield its port."""
    async with listening_at(Starlette(routes=routes_at("/api", api))) as port:
        yield port


@asynccontextmanager
async def listening_at(app: Starlette) -> AsyncIterator[int]:
    """Serve an application, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            http=TimedConnection,
            ws="websockets-sansio",
            lifespan="off",
            timeout_keep_alive=120,  # a client's request must not meet the end of its connection
            timeout_graceful_shutdown=3,
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        port: int = listener.getsockname()[1]
        try:
            yield port
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def served_at(*places: str) -> AsyncIterator[str]:
    """Serve one gateway at several places, of which the root must be the last; yield the server's address."""
    settings = Settings(_env_file=None)
    api = create_app(settings)
    async with open_engine(settings) as engine, open_gateway(engine) as gateway:
        api.state.gateway = gateway
        routes = [route for place in places for route in (routes_at(place, api) if place else [Mount("", api)])]
        async with listening_at(Starlette(routes=routes)) as port:
            yield f"http://127.0.0.1:{port}"


def delta(content: str = "x", at: float = 0.0) -> StreamEvent:
    return TextDelta(content, at=at)


def ending(content: str) -> tuple[StreamEvent, StreamEvent]:
    """Return the last two events of a run that came to this."""
    return FinalAnswer(content, at=0.0), Done("completed", at=0.0)


def is_refusal(response: httpx2.Response, status: int, code: str) -> bool:
    """Tell whether it is the one shape that every error has."""
    error = response.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["message"].endswith((".", "…"))
    return (response.status_code, error["code"]) == (status, code)


def finished(lab: Served, *contents: str, at: float = FAR_AHEAD) -> Log:
    return lab.log(*[delta(content, at) for content in contents], *ending("".join(contents)))


async def ask(lab: Served, route: str = "/runs", key: str | None = None, **body: Any) -> httpx2.Response:
    headers = {"idempotency-key": key} if key else {}
    return await lab.client.post(route, json={"model": demo_model()} | body, headers=headers)


async def ended(lab: Served, response: httpx2.Response) -> list[StreamEvent]:
    """Return the log of the run that was answered, once it has its end."""
    log = lab.engine.hub.log(response.headers["x-run-id"])
    await until(lambda: log.done is not None)
    return log.since(0)
