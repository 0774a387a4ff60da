"""One log to many clients: order, resuming, merging, gaps, pace, and clients that do not read."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import anyio
import h11
import httpx2
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamlab.engine import open_engine
from streamlab.events.event import Event, StreamEvent, Thinking, ToolCall, ToolResult, encode
from streamlab.gateway import feed
from streamlab.gateway.access import Caller
from streamlab.gateway.delivery import Pace
from streamlab.gateway.feed import FRAME_BYTES, Frame
from streamlab.gateway.gateway import open_gateway
from streamlab.gateway.http import create_app
from streamlab.gateway.protocols import sse, uvicorn_socket
from streamlab.gateway.protocols.sse import Body
from streamlab.gateway.protocols.uvicorn_socket import ClientSocket
from streamlab.gateway.writer import Writer
from streamlab.hub import Log, parse_token
from streamlab.hub.log import Bounds
from streamlab.settings import Settings
from tests.conftest import PATIENCE, check_laws, demo_model, shown, until
from tests.events import answer
from tests.gateway import (
    FAST,
    Sent,
    Served,
    Server,
    StreamParser,
    delta,
    ending,
    is_refusal,
    log_events,
    parse_stream,
    seqs,
    served,
)

pytestmark = pytest.mark.anyio

LOCAL_CALLER = Caller("127.0.0.1", "localhost")
FAR_AHEAD = 1_000.0  # seconds: an event of this time is never late


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served() as lab:
        yield lab


def finished(lab: Served, *contents: str, at: float = FAR_AHEAD) -> Log:
    return lab.log(*[delta(content, at) for content in contents], *ending("".join(contents)))


# Order


async def test_an_answer_arrives_whole_and_in_order(lab: Served) -> None:
    """POST /chat streams the run that it starts: `open` first, then every event of the log, as the log has it."""
    response = await lab.client.post("/chat", json={"message": "What is streaming?", "model": demo_model()})
    assert response.status_code == 200
    opening, *sent = parse_stream(response.content)
    log = lab.engine.hub.log(response.headers["x-run-id"])
    assert opening.type == "open"
    assert opening.id == ""
    assert opening.json["run_id"] == log.run_id
    assert opening.json["epoch"] == log.epoch
    events = log_events(sent)
    assert seqs(events) == list(range(1, log.seq + 1))
    assert shown(events) == shown(log.since(0)) != ""
    assert [each.id for each in sent] == [f"{log.epoch}-{event.seq}" for event in events]
    assert [each.type for each in sent] == [event.type for event in events]
    check_laws(log.since(0))


async def test_an_event_is_the_same_bytes_for_everyone(lab: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty clients of one log cost one encoding of each event."""
    encoded: list[int] = []

    def counted(event: StreamEvent) -> bytes:
        encoded.append(event.seq)
        return encode(event)

    monkeypatch.setattr(feed, "encode", counted)
    log = lab.log(delta(at=FAR_AHEAD))
    async with anyio.create_task_group() as group:
        answers: list[list[Sent]] = []

        async def read() -> None:
            answers.append(await lab.events(log))

        for _ in range(30):
            group.start_soon(read)
        await until(lambda: log.followers == 30)
        for _ in range(20):
            log.append(delta(at=FAR_AHEAD))
            await asyncio.sleep(0.002)
        for event in ending("x" * 21):
            log.append(event)
    assert sorted(encoded) == list(range(1, log.seq + 1))
    assert all(log_events(answer) == log.since(0) for answer in answers)


async def test_an_idle_stream_sends_at_once_and_a_busy_one_in_frames() -> None:
    """The first event does not wait for the timer; those that follow before it gather, for all clients alike."""
    async with served(Pace(frame=0.3)) as lab:
        log = lab.log()
        grant = lab.gateway.access.identify(LOCAL_CALLER)
        one, other = (lab.gateway.deliver(log, grant, "sse") for _ in range(2))
        with one, other:
            first = asyncio.create_task(one.next()), asyncio.create_task(other.next())
            await asyncio.sleep(0.01)
            log.append(delta(at=FAR_AHEAD))
            frames = [await each for each in first]
            assert frames[0] is frames[1]
            assert frames[0] is not None
            assert [item.seq for item in frames[0].items] == [1]
            second = asyncio.create_task(one.next())
            for _ in range(5):
                log.append(delta(at=FAR_AHEAD))
                await asyncio.sleep(0.005)
            assert not second.done()
            frame = await second
            assert frame is not None
            assert [item.seq for item in frame.items] == [2, 3, 4, 5, 6]
            assert await other.next() is frame


# Resuming


@pytest.mark.parametrize("how", ["header", "query"])
async def test_resuming_anywhere_repeats_nothing_and_loses_nothing(lab: Served, how: str) -> None:
    """From every seq of a log; at its end there is nothing to come back for, which 204 tells a browser."""
    log = finished(lab, *"streaming")
    for seq in range(log.seq + 1):
        token = f"{log.epoch}-{seq}"
        response = await (lab.get(log, token) if how == "header" else lab.get(log, None, after=token))
        if seq == log.seq:
            assert response.status_code == 204
            assert response.content == b""
        else:
            assert seqs(log_events(parse_stream(response.content))) == list(range(seq + 1, log.seq + 1))


async def test_the_header_of_a_browser_that_comes_back_wins_over_its_address(lab: Served) -> None:
    """An EventSource keeps the address that it was made with, also when it has read on."""
    log = finished(lab, *"streaming")
    response = await lab.get(log, f"{log.epoch}-5", after=f"{log.epoch}-1")
    assert seqs(log_events(parse_stream(response.content)))[0] == 6


async def test_a_cut_at_any_byte_loses_and_repeats_nothing(lab: Served) -> None:
    """Whatever a client has read, with the id of the last whole event it gets exactly the rest."""
    log = finished(lab, "Str", "eam\n", "ing é ", "配信", "\r\n\ndata: x\u2028")
    whole = (await lab.get(log)).content
    expected = log_events(parse_stream(whole))
    assert expected == log.since(0)
    rest: dict[str, list[StreamEvent]] = {f"{log.epoch}-{log.seq}": []}
    for cut in range(len(whole) + 1):
        parser = StreamParser()
        parser.feed(whole[:cut])
        token = parser.last_id if log_events(parser.events) else ""
        # An id without the end of its event is not yet the client's: a browser sets it when it hands the event out.
        token = parser.events[-1].id if token else ""
        if token not in rest:
            rest[token] = log_events(await lab.events(log, token or None))
        assert log_events(parser.events) + rest[token] == expected
    assert len(rest) == log.seq + 1


async def test_clients_that_join_during_a_burst_get_all_of_it(lab: Served) -> None:
    """Replay and live meet without a seam, wherever a client comes in."""
    log = lab.log()
    answers: list[list[Sent]] = []

    async def read() -> None:
        answers.append(await lab.events(log))

    async with anyio.create_task_group() as group:
        for number in range(3_000):
            log.append(delta(f"{number} ", at=FAR_AHEAD))
            if number % 100 == 0:
                group.start_soon(read)
                await asyncio.sleep(0.002)
        text = "".join(f"{number} " for number in range(3_000))
        for event in ending(text):
            log.append(event)
    assert len(answers) == 30
    for sent in answers:
        events = log_events(sent)
        assert seqs(events) == list(range(1, log.seq + 1))
        assert shown(events) == text


async def test_a_client_that_lags_gets_merged_deltas_and_can_go_on_from_them(lab: Served) -> None:
    """One event stands for its range, its id is that of the last; nothing but text is merged."""
    call = ToolCall("t", "1", {}, at=0.0)
    result = ToolResult("t", "1", 1, "completed", at=0.0)
    log = lab.log(*[delta("a")] * 100, call, result, *[delta("b")] * 100, *ending("a" * 100 + "b" * 100))
    sent = await lab.events(log)
    events = log_events(sent)
    assert [(event.type, getattr(event, "seq_from", None), event.seq) for event in events] == [
        ("text_delta", 1, 100),
        ("tool_call", None, 101),
        ("tool_result", None, 102),
        ("text_delta", 103, 202),
        ("final_answer", None, 203),
        ("done", None, 204),
    ]
    assert sent[1].id == f"{log.epoch}-100"
    assert seqs(log_events(await lab.events(log, sent[1].id))) == list(range(101, 205))
    assert seqs(log_events(await lab.events(log, f"{log.epoch}-50"))) == list(range(51, 205)), "within a merged range"


async def test_a_large_log_is_sent_in_pieces_and_whole(lab: Served) -> None:
    """A client that catches up takes one frame at a time, so that one that stops reading holds no more than that."""
    results = [ToolResult("a", str(number), f"{number} {'x' * 200}") for number in range(5_000)]
    log = lab.log(*results, *ending(""))
    assert log_events(await lab.events(log)) == log.since(0)
    grant = lab.gateway.access.identify(LOCAL_CALLER)
    with lab.gateway.deliver(log, grant, "sse") as delivery:
        frame = await delivery.next()
        assert frame
        assert 0 < sum(len(encode(item)) for item in frame.items if isinstance(item, Event)) < 100_000


async def test_an_answer_goes_on_when_its_starter_leaves(lab: Served) -> None:
    """The run is not the request's: it reaches its end, and another client reads all of it."""
    asked = {"message": "What is streaming?", "model": demo_model(chunks=60, rate=200)}
    async with lab.client.stream("POST", "/chat", json=asked) as response:
        async for _ in response.aiter_raw():
            break
        log = lab.engine.hub.log(response.headers["x-run-id"])
    await until(lambda: log.done is not None)
    assert log.done
    assert log.done.status == "completed"
    assert seqs(log_events(await lab.events(log))) == list(range(1, log.seq + 1))


# What cannot be had


@pytest.mark.parametrize("token", ["evicted", "foreign", "ahead", "foreign and ended"])
async def test_what_cannot_be_had_is_a_gap_and_its_sum(lab: Served, token: str) -> None:
    """Evicted history, a token of another incarnation, a token ahead of the tail: told, never guessed."""
    log = lab.log()
    log.bounds = Bounds(events=4)
    for letter in "abcdef":
        log.append(delta(letter, FAR_AHEAD))
    for event in ending("abcdef"):
        log.append(event)
    after = {"evicted": f"{log.epoch}-1", "foreign": "0" * 16 + "-6", "ahead": f"{log.epoch}-99"}
    sent = await lab.events(log, after.get(token, "0" * 16 + f"-{log.seq}"))
    opening, gap, snapshot, *rest = sent
    assert [each.type for each in (opening, gap, snapshot)] == ["open", "gap", "snapshot"]
    assert {each.id for each in (opening, gap, snapshot)} == {""}, "control events carry no id"
    assert gap.json["seq"] == snapshot.json["seq"] == 4
    assert snapshot.json["text"] == "abcd"
    assert seqs(log_events(rest)) == [5, 6, 7, 8]
    assert answer(log_events(rest)) == snapshot.json["text"] + shown(log_events(rest[:2]))


async def test_a_token_ahead_of_a_live_log_does_not_become_right_later(lab: Served) -> None:
    """Its gap is not kept for one who rightly stands there when the log has grown so far."""
    log = lab.log(delta("a", FAR_AHEAD))
    async with lab.follow(log, after=f"{log.epoch}-3") as early:
        await until(lambda: "gap" in early.types)
        for _ in range(3):
            log.append(delta("b", FAR_AHEAD))
            await asyncio.sleep(0.01)
        async with lab.follow(log, after=f"{log.epoch}-3") as late:
            await until(lambda: seqs(late.events) == [4])
            assert "gap" not in late.types
        assert seqs(early.events) == [1, 2, 3, 4]


@settings(max_examples=60)
@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
    | st.from_regex(r"[0-9a-fA-F]{15,17}-?[-+]?[0-9]{0,17}", fullmatch=True)
)
async def test_any_token_is_understood_or_refused(lab: Served, token: str) -> None:
    """A client may send anything: it gets all of the run after a gap, or 400 in the shape of every error."""
    log = finished(lab, "a")
    response = await lab.get(log, None, after=token)
    try:
        parse_token(token)
    except ValueError:
        assert is_refusal(response, 400, "invalid_resume_token")
    else:
        assert response.status_code == 200
        assert [each.type for each in parse_stream(response.content)][1:3] == ["gap", "snapshot"]
        assert seqs(log_events(parse_stream(response.content))) == [1, 2, 3]


# What is in them


@pytest.mark.parametrize(
    "content",
    [
        *["\r", "\n", "\r\n", "\n\n", "\r\r", "\u2028", "\u2029", "\x85", "\x00", "\ufeff", " leading", ":", "\ud800"],
        *["a\n\ndata: b\n\n", "id: 7\nevent: done\ndata: {}", "retry: 1\n", "配信 🎈", "\udc80\n\U0001f388", "\\u0000"],
    ],
)
async def test_whatever_a_model_writes_arrives_as_it_was(lab: Served, content: str) -> None:
    """Nothing in an event can end it, begin another, or change a client's place; read by the rules of browsers."""
    log = finished(lab, content, content)
    parser = StreamParser()
    stream = (await lab.get(log)).content
    for at in range(len(stream)):
        parser.feed(stream[at : at + 1])
    assert log_events(parser.events) == log.since(0)
    assert parser.events == parse_stream(stream)
    assert parser.last_id == f"{log.epoch}-{log.seq}"
    assert parser.retry == 1000


async def test_the_headers_keep_proxies_from_holding_a_stream_back(lab: Served) -> None:
    """No cache, no buffer, and the type that browsers ask for."""
    response = await lab.get(finished(lab, "a"))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"


# Time


async def test_a_silent_stream_shows_that_it_lives() -> None:
    """Comments, which are no events and move nobody's place."""
    async with served(Pace(heartbeat=0.05, check=0.02)) as lab:
        log = lab.log(delta(at=FAR_AHEAD))
        async with lab.follow(log) as reading:
            await until(lambda: len(reading.parser.comments) >= 3)
            assert reading.types == ["open", "text_delta"]
            for event in ending("x"):
                log.append(event)
            await reading.end()
        assert seqs(reading.events) == [1, 2, 3]


async def test_a_client_that_does_not_read_is_cut_off_and_no_other() -> None:
    """Its connection is closed, not only forgotten; the others have everything, and it may come back."""
    async with served(Pace(frame=0.005, send=0.3, check=0.05)) as lab:
        log = lab.log()
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stalled, ("127.0.0.1", lab.port))
            await loop.sock_sendall(
                stalled, f"GET /api/runs/{log.run_id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
            )
            await until(lambda: log.followers == 1)
            async with lab.follow(log) as reading:
                for _ in range(200):
                    log.append(Thinking("x" * 50_000, at=FAR_AHEAD))
                    await asyncio.sleep(0)
                await until(lambda: log.followers == 1)
                for event in ending(""):
                    log.append(event)
                await reading.end()
                assert seqs(reading.events) == list(range(1, log.seq + 1))
            figures = (await lab.client.get("/metrics")).text
            assert 'streamlab_disconnects_total{protocol="sse",reason="slow"} 1.0' in figures
            with anyio.fail_after(10), suppress(ConnectionResetError):
                while await loop.sock_recv(stalled, 65_536):
                    pass


async def test_draining_ends_every_stream_politely_and_serves_nobody_new() -> None:
    """Clients hear `drain` and go on elsewhere from where they were; nothing says that the run has ended."""
    async with served(FAST) as lab:
        log = lab.log(delta(at=FAR_AHEAD))
        async with lab.follow(log) as one, lab.follow(log) as other:
            assert (await lab.client.get("/readyz")).status_code == 200
            draining = asyncio.create_task(lab.gateway.drain(2))
            await asyncio.sleep(0.02)
            assert is_refusal(await lab.client.get("/readyz"), 503, "draining")
            assert (await lab.client.get("/healthz")).status_code == 200
            assert one.types == ["open", "text_delta"], "not ready comes first"
            await draining
            for reading in (one, other):
                await reading.end()
                assert reading.types == ["open", "text_delta", "drain"]
                assert reading.parser.last_id == f"{log.epoch}-1"
        assert len(lab.gateway.deliveries) == 0
        assert is_refusal(await lab.get(log), 503, "draining")
        response = await lab.client.post("/chat", json={"message": "hi"})
        assert is_refusal(response, 503, "draining")
        assert response.headers["retry-after"] == "1"


async def test_nothing_is_left_of_clients_that_have_gone(lab: Served) -> None:
    """No task, no follower, no feed: those who left in the midst and those who read to the end."""
    live = lab.log(delta(at=FAR_AHEAD))
    for _ in range(20):
        async with lab.follow(live):
            pass
        await lab.events(finished(lab, "a"))
    await until(lambda: live.followers == 0)
    await until(lambda: not len(lab.gateway.deliveries))
    await until(lambda: not any(task.get_name().startswith("feed") for task in asyncio.all_tasks()))
    assert not lab.gateway.deliveries._feeds


# Frames that are written past the application


HTTP = pytest.mark.parametrize("http", ["httptools", "h11"])
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
    http: str, pace: Pace = FAST, layer: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> AsyncIterator[tuple[Served, Server]]:
    """The gateway behind uvicorn with one of its two implementations of HTTP, beneath a layer, with small buffers."""
    chosen = Settings(_env_file=None)
    api = create_app(chosen)
    async with open_engine(chosen) as engine, open_gateway(engine, pace) as gateway:
        api.state.gateway = gateway
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)  # its connections inherit it
            app = layer(Starlette(routes=[Mount("/api", api)]))
            config = uvicorn.Config(app, http=http, log_config=None, lifespan="off", timeout_graceful_shutdown=3)
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
        request = h11.Request(method="GET", target=f"/api/runs/{log.run_id}/events", headers=[("host", "localhost")])
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


@HTTP
async def test_a_client_that_reads_in_fits_misses_and_repeats_nothing(http: str, pushes: Pushes) -> None:
    """While it reads frames are pushed, when it does not its own task waits to send; these take turns in order."""
    async with served_by(http) as (lab, server):
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


@HTTP
async def test_a_stalled_client_holds_little_and_is_cut_off(http: str, pushes: Pushes) -> None:
    """What is pushed to it waits in its transport, which takes no more than one frame beyond its bound."""
    async with served_by(http, Pace(frame=0.005, send=0.5, check=0.05)) as (lab, server):
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


@HTTP
async def test_a_log_that_ends_while_frames_are_pushed_ends_every_stream(http: str, pushes: Pushes) -> None:
    """Each client gets `done` and the body's end, its connection can be used again, and all of it was counted."""
    number, text = 20, "x" * 30
    async with served_by(http) as (lab, _):
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


@HTTP
async def test_a_client_of_http_1_0_gets_the_whole_stream(http: str, pushes: Pushes) -> None:
    """Its answer may end with the connection; where nothing is framed in chunks, nothing is pushed as one."""
    async with served_by(http) as (lab, _):
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
        assert bool(pushes.done) == (http == "httptools"), "which frames in chunks whatever the client speaks"


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


@HTTP
async def test_nothing_is_pushed_past_a_layer_that_changes_bodies(
    http: str, pushes: Pushes, caplog: pytest.LogCaptureFixture
) -> None:
    """Every piece goes through it, as the first one did, and the log says so once."""
    uvicorn_socket._log_fallback.cache_clear()
    caplog.set_level(logging.INFO, logger="streamlab")
    async with served_by(http, layer=Commenting) as (lab, _):
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
