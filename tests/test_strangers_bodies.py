"""Half requests, and bodies of who may not ask: they are ended in time, and nobody else feels them."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import anyio.to_thread
import httpx2
import pytest

from benchmarks.harness import ROOT, Server, asgi_server, streamlit_server, wait_until
from streamlab.gateway import limits
from streamlab.gateway.protocols import uvicorn_connection
from streamlab.process.open_files import raise_open_files_limit
from tests import access
from tests.access import BEARER, SECRET
from tests.conftest import demo_model, until
from tests.gateway import Served, served
from tests.half_requests import HALF_BODIES, HALF_HEADS, HEAD, connected, received, trickled

lab = access.lab  # fixtures are found by their names

HEAD_TIME, BODY_TIME = 0.6, 1.2
BOUND = 30.0  # seconds in which what is closed at once is closed on a busy machine: less than a body's time and ours


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server be quick to lose patience."""
    monkeypatch.setattr(uvicorn_connection, "HEAD", HEAD_TIME)
    monkeypatch.setattr(uvicorn_connection, "BODY", BODY_TIME)


@pytest.fixture(scope="module")
async def open_lab(anyio_backend: str) -> AsyncIterator[Served]:
    """Serve a gateway without tokens, where whoever is on this machine may ask."""
    async with served() as lab:
        yield lab


def closed(port: int, sent: bytes) -> bytes:
    with connected(port, sent) as connection:
        return received(connection)


# In time


@pytest.mark.anyio
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("sent", [*HALF_HEADS, *HALF_BODIES])
async def test_half_a_request_is_closed(open_lab: Served, sent: bytes) -> None:
    """With a word of why, where something was sent; and nothing of it is left."""
    answer = await anyio.to_thread.run_sync(closed, open_lab.port, sent)
    assert answer.startswith(b"HTTP/1.1 408 ") or (not sent and not answer)
    assert not open_lab.gateway.bodies._sizes


@pytest.mark.anyio
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("sent", "piece"),
    [(HEAD, b"x"), (HEAD, b"x: y\r\n"), (HALF_BODIES[0], b"x"), (HALF_BODIES[2], b"1\r\nx\r\n")],
)
async def test_what_trickles_is_half_a_request(open_lab: Served, sent: bytes, piece: bytes) -> None:
    """Whatever comes meanwhile: the time is that of the whole head, or of the whole body."""

    def tried() -> tuple[bytes, float]:
        with connected(open_lab.port, sent) as connection:
            return trickled(connection, piece, 0.05)

    answer, seconds = await anyio.to_thread.run_sync(tried)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert seconds >= HEAD_TIME - 0.1


@pytest.mark.anyio
@pytest.mark.usefixtures("soon")
async def test_the_second_request_of_a_connection_has_its_own_time(open_lab: Served) -> None:
    """An answered one does not excuse the next, and what was slow before is not counted against it."""

    def tried() -> bytes:
        whole = b"GET /api/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
        with connected(open_lab.port) as connection:
            for _ in range(4):
                connection.sendall(whole[:20])
                time.sleep(HEAD_TIME / 2)
                connection.sendall(whole[20:])
                answer = b""
                while not answer.endswith(b"}"):
                    piece = connection.recv(65_536)
                    assert piece
                    answer += piece
            connection.sendall(whole[:20])
            return received(connection)

    assert (await anyio.to_thread.run_sync(tried)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.anyio
@pytest.mark.usefixtures("soon")
async def test_a_large_upload_over_a_slow_line_is_no_half_request(
    open_lab: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as long as enough of it comes."""
    monkeypatch.setattr(uvicorn_connection, "LARGE", 1_000)
    body = json.dumps({"message": "hi", "model": demo_model()}).encode().ljust(40_000)

    def tried() -> bytes:
        head = HEAD + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        with connected(open_lab.port, head) as connection:
            for place in range(0, len(body), 1_000):
                connection.sendall(body[place : place + 1_000])
                time.sleep(BODY_TIME / 20)
            return received(connection)

    assert b'"status":"completed"' in await anyio.to_thread.run_sync(tried)


@pytest.mark.anyio
@pytest.mark.usefixtures("soon")
async def test_a_stream_and_a_websocket_are_no_half_requests(open_lab: Served) -> None:
    """They last as long as they do."""
    log = open_lab.log()
    async with open_lab.follow(log) as reading:
        await asyncio.sleep(2 * BODY_TIME)
        assert not reading.ended


# Who may not ask


@pytest.mark.anyio
@pytest.mark.parametrize("sent", HALF_BODIES)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"origin": "https://evil.example"}, 403),
        ({"authorization": f"Bearer {SECRET}", "origin": "https://evil.example"}, 403),
    ],
)
async def test_who_may_not_ask_is_refused_before_the_body(
    lab: Served, sent: bytes, headers: dict[str, str], status: int
) -> None:
    """At once, and the connection is closed: nothing of the body is waited for."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    with anyio.fail_after(BOUND):
        answer = await anyio.to_thread.run_sync(closed, lab.port, sent.replace(HEAD, HEAD + lines))
    assert answer.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "status"), [("/api/nothing", 404), ("/api/healthz", 405), ("/api/runs/x", 405), ("/api/runs", 413)]
)
async def test_a_body_that_nobody_reads_is_not_waited_for(lab: Served, path: str, status: int) -> None:
    """Of no address, of an address that takes none, and one that says that it is too large."""
    bearer = f"authorization: {BEARER['authorization']}\r\ncontent-length: 10000000\r\n\r\n".encode()
    with anyio.fail_after(BOUND):
        answer = await anyio.to_thread.run_sync(closed, lab.port, HEAD.replace(b"/api/chat", path.encode()) + bearer)
    assert answer.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.anyio
async def test_a_refusal_reaches_who_goes_on_sending(lab: Served) -> None:
    """It is not lost in a reset of the connection, however much was under way."""
    for _ in range(10):
        async with httpx2.AsyncClient(base_url=lab.url) as client:
            refused = await client.post("/chat", content=b"x" * 2_000_000, headers={"authorization": "Bearer wrong"})
            assert refused.status_code == 401


# In sum


@pytest.mark.anyio
async def test_bodies_are_bounded_in_sum(open_lab: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest half one gives way; a whole one is answered, however many half ones there are."""
    monkeypatch.setattr(limits, "BODIES", 3_000_000)
    half = HEAD + b"content-length: 1000000\r\n\r\n" + b"x" * 900_000

    def tried(stack: ExitStack) -> bytes:
        first = stack.enter_context(connected(open_lab.port, half))
        for _ in range(9):
            stack.enter_context(connected(open_lab.port, half))
        return received(first)

    with ExitStack() as stack:
        assert (await anyio.to_thread.run_sync(tried, stack)).startswith(b"HTTP/1.1 408 ")
        await until(lambda: open_lab.gateway.bodies._total <= 3_000_000)
        answer = await open_lab.client.post("/chat", json={"message": "hi", "model": demo_model()})
        assert answer.status_code == 200


@pytest.mark.anyio
@pytest.mark.usefixtures("soon")
async def test_half_bodies_are_no_errors_of_ours(open_lab: Served, caplog: pytest.LogCaptureFixture) -> None:
    """They fill no log."""
    with caplog.at_level(logging.INFO):
        await anyio.to_thread.run_sync(closed, open_lab.port, HALF_BODIES[1])
        await open_lab.client.get("/healthz")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# The real servers


@pytest.fixture(scope="module", params=["pages", "gateway"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "pages":
        with streamlit_server(ROOT / "app.py") as server:
            yield server
    else:
        with asgi_server("streamlab.gateway.command:standalone") as server:
            yield server


def port_of(server: Server) -> int:
    port = urlsplit(server.url).port
    assert port
    return port


def test_both_servers_make_timed_connections(server: Server) -> None:
    """By what shows at once: a smaller head than uvicorn's is too large, and no body is waited for."""
    large = HEAD + b"x: " + b"y" * 40_000
    assert closed(port_of(server), large).startswith(b"HTTP/1.1 400 ")
    answered = closed(port_of(server), HALF_BODIES[0].replace(b"/api/chat", b"/nothing"))
    assert answered[:12] in (b"HTTP/1.1 404", b"HTTP/1.1 405")


@contextmanager
def flooded(server: Server, count: int) -> Iterator[None]:
    """Send so many half requests, and have an honest one answered meanwhile."""
    port, half = port_of(server), [*HALF_HEADS, *HALF_BODIES]
    with ExitStack() as stack:
        for number in range(count):
            stack.enter_context(connected(port, half[number % len(half)]))
        answer = httpx2.post(f"{server.url}/api/chat", json={"message": "hi", "model": demo_model()}, timeout=60)
        assert b'"status":"completed"' in answer.content
        yield


def test_half_requests_cost_little_and_an_honest_one_is_answered(server: Server) -> None:
    """They hold some kilobytes each."""
    with flooded(server, 50):  # which makes what is made at the first ones
        before = server.memory()
    with flooded(server, 200):
        assert (server.memory() - before) / 200 < 100_000


@pytest.mark.soak
def test_1500_half_requests_leave_memory_flat(server: Server) -> None:
    """All of them are closed by the server, and a second wave finds the room that the first one left."""
    raise_open_files_limit()
    left = []
    for _ in range(2):
        with flooded(server, 1_500):
            wait_until(lambda: connections(server) < 10, timeout=uvicorn_connection.BODY + 30)
        left.append(server.memory())
    assert left[1] - left[0] < 10_000_000


def connections(server: Server) -> int:
    """Count the connections that the server still has with clients."""
    port = port_of(server)
    return sum(each.status == "ESTABLISHED" and each.laddr.port == port for each in server.process.net_connections())
