"""nginx with the project's configuration, before upstreams that tell what they were asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Literal

import anyio
import httpx2
import pytest

from tests.gateway import is_refusal
from tests.stack import BEARER, PATIENCE, Nginx, needs_nginx

pytestmark = pytest.mark.soak  # three gateways, a Redis and an nginx take long to start

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
async def test_only_a_websocket_is_passed_on_as_an_upgrade(tmp_path: Path) -> None:
    """Whoever offers HTTP/2 is answered in HTTP/1.1, with all that was sent."""
    upstream = Upstream()
    async with upstream.listening():
        with nginx_before(tmp_path, upstream.port, upstream.port) as url:
            async with httpx2.AsyncClient(timeout=PATIENCE) as client:
                for offered in ("h2c", "websocket"):
                    asked = {"connection": "Upgrade", "upgrade": offered} | BEARER
                    got = dict((await client.post(f"{url}/api/chat", headers=asked, content=b"{}")).json())
                    assert got.get("upgrade") == (offered if offered == "websocket" else None)
                    assert got["content-length"] == "2"


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
