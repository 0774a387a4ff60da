"""A real redis-server that can be harmed, a proxy before it, and a second process that produces a run."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.harness import free_port
from streamlab.events.event import Done, TextDelta

PROGRAM = shutil.which("redis-server")
ROOT = Path(__file__).parents[1]


class RedisServer:
    """A server of its own on a free port, which keeps its data in a folder when it is stopped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its id while it runs."""
        return self._process.pid if self._process else None

    def start(self, **more: object) -> None:
        """Start it, with what it has kept, and with further options."""
        assert PROGRAM
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._folder, "save": "", "appendonly": "yes"}
        options |= {"appendfsync": "no", "logfile": self._folder / "log"} | more
        command = [PROGRAM, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        limit = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < limit, (self._folder / "log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it as when the machine loses its power."""
        self._signal("SIGKILL")
        if self._process:
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        self._signal("SIGSTOP")

    def resume(self) -> None:
        self._signal("SIGCONT")

    def empty(self) -> None:
        """Forget everything, while it is not running."""
        shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)

    def _signal(self, name: str) -> None:
        if self._process:
            self._process.send_signal(getattr(signal, name))

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(100).startswith((b"+PONG", b"-LOADING"))
        return False


@contextmanager
def _running(folder: Path) -> Iterator[RedisServer]:
    if PROGRAM is None or not hasattr(signal, "SIGSTOP"):
        pytest.skip("redis-server is not installed here")
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.resume()
        server.kill()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start one for all tests that do it no harm."""
    with _running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Start one that the test may stop, pause and empty."""
    with _running(tmp_path) as server:
        yield server


class Proxy:
    """What stands between a process and Redis: it can refuse, cut, and swallow the answer to a request."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.swallow: Callable[[bytes], bool] = lambda request: False
        self.swallowed = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones, until it listens again."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._open.add(to_client)
        try:
            redis, to_redis = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._drop(to_client)
            return
        self._open.add(to_redis)
        silent = asyncio.Event()
        try:
            back = asyncio.create_task(self._answers(redis, to_client, silent))
            await self._requests(client, to_redis, silent)
            await back
        finally:
            self._drop(to_client)
            self._drop(to_redis)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.transport.abort()

    async def _requests(self, client: asyncio.StreamReader, redis: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        with suppress(OSError):
            while request := await client.read(1 << 16):
                if self.swallow(request):
                    silent.set()
                    self.swallowed += 1
                redis.write(request)
                await redis.drain()
        redis.transport.abort()

    async def _answers(self, redis: asyncio.StreamReader, client: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        with suppress(OSError):
            while answer := await redis.read(1 << 16):
                if silent.is_set():  # Redis has done what was asked, and nobody learns of it
                    break
                client.write(answer)
                await client.drain()
        client.transport.abort()


@asynccontextmanager
async def proxy(server: RedisServer) -> AsyncIterator[Proxy]:
    proxy = Proxy(server.port)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.cut()


class Producer:
    """A second Python process that produces a run: it writes numbers until it is told to end, or is stopped."""

    def __init__(self, url: str, run_id: str, lease: float) -> None:
        command = [sys.executable, "-m", "tests.redis_server", url, run_id, str(lease)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert self.said() == "ready"

    def said(self) -> str:
        """Return the next line that it says; empty when it has ended."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def finish(self) -> None:
        """End the run as completed."""
        assert self._process.stdin
        self._process.stdin.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        with suppress(OSError):
            self.resume()
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


@contextmanager
def producer(url: str, run_id: str, lease: float) -> Iterator[Producer]:
    with closing(Producer(url, run_id, lease)) as running:
        yield running


async def _produce(url: str, run_id: str, lease: float) -> None:
    from streamlab.hub.redis.hub import RedisHub
    from streamlab.hub.redis.store import Times

    loop, told = asyncio.get_running_loop(), asyncio.Event()

    def stop(reason: str) -> None:
        print(reason, flush=True)
        told.set()

    def heard() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(told.set)

    loop.run_in_executor(None, heard)
    async with RedisHub(url, times=Times(lease=lease)) as hub:
        log = hub.create(run_id, stop)
        log.append(TextDelta("begin ", at=0.0))
        await hub.open(run_id)
        print("ready", flush=True)
        number = 0
        while not told.is_set():
            number += 1
            log.append(TextDelta(f"{number} ", at=time.monotonic() - log.began))
            await asyncio.sleep(0.01)
        log.append(Done("completed", at=time.monotonic() - log.began))
    print("ended", flush=True)


if __name__ == "__main__":
    asyncio.run(_produce(sys.argv[1], sys.argv[2], float(sys.argv[3])))
