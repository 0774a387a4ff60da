"""A whole deployment to hold a class in: the app, two gateways, nginx and Redis, and who looks at what they hold."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2

from benchmarks.harness import free_port
from tests.accidents import Accidents
from tests.classroom import Classroom
from tests.open_pages import Conversation
from tests.readers import Readers
from tests.redis_server import RedisServer
from tests.stack import METRICS_TOKEN, PATIENCE, ROOT, TOKEN, Process, Stack, clean_environment
from tests.vitals import Sample, Vitals, Watched

SETTLED = 20.0  # seconds in which those who have gone are gone for the servers too
PROBE = ROOT / "tests" / "probe"


class AppProcess(Process):
    """The app as compose.yaml starts it, from a folder that holds what the image does."""

    def __init__(self, folder: Path, image: Path, redis: str, more: dict[str, str]) -> None:
        super().__init__(folder, "app")
        self.port = free_port()
        self._image = image
        self._variables = more | {
            "REDIS_URL": redis,
            "GATEWAY_TOKENS": f"tests:{TOKEN}",
            "GATEWAY_METRICS_TOKEN": METRICS_TOKEN,
            "GATEWAY_SECRET": "a secret of the tests, and a long one",
            "LAB_GRPC_PORT": str(free_port()),
            "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
            "STREAMLIT_SERVER_PORT": str(self.port),
            "STREAMLIT_SERVER_HEADLESS": "true",
            "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none",
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        command = [sys.executable, "-m", "streamlit", "run", "app.py"]
        self.launch(command, self._image, clean_environment() | self._variables)
        deadline = time.monotonic() + 3 * PATIENCE
        while not self._ready():
            assert self.running, self.logged
            assert time.monotonic() < deadline, self.logged
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz").status_code == 200
        except httpx2.TransportError:
            return False


class School:
    """The processes of a deployment, which end with the block whatever happens in it."""

    def __init__(self, folder: Path, image: Path, redis: RedisServer) -> None:
        more = {"PYTHONPATH": str(PROBE), "LAB_PROBE": str(folder)}
        self.redis = redis
        self.app = AppProcess(folder, image, redis.url, more)
        self.stack = Stack(folder, image, redis.url, self.app.port, more)
        self.folder = folder

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            await asyncio.to_thread(self.app.start)
            await asyncio.to_thread(self.stack.up)
            yield
        finally:
            self.redis.resume()
            with anyio.CancelScope(shield=True):
                await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self.app.end()
        self.stack.end()

    @property
    def processes(self) -> dict[str, Process]:
        """The processes that have to run at the end, by their names."""
        first, second = self.stack.gateways
        return {"app": self.app, "gateway-1": first, "gateway-2": second, "nginx": self.stack.nginx}

    def watched(self) -> list[Watched]:
        first, second = self.stack.gateways
        return [
            Watched("gateway-1", lambda: first.pid, first.url),
            Watched("gateway-2", lambda: second.pid, second.url),
            Watched("app", lambda: self.app.pid, self.app.url),
            Watched("nginx", lambda: self.stack.nginx.pid, children=True),
            Watched("redis", lambda: self.redis.pid),
            Watched("the class", os.getpid),
        ]


class Soak:
    """A class held in a school, and everything that is known of it afterwards."""

    def __init__(self, school: School, readers: Readers, seconds: float) -> None:
        self.school = school
        self.room = Classroom(readers)
        self.seconds = seconds
        self.accidents = Accidents(school.stack, school.redis, min(300.0, max(35.0, seconds / 6)))
        self.vitals = Vitals(school.watched(), school.folder, self._calm)
        self.before: dict[str, Sample] = {}
        self.after: dict[str, Sample] = {}

    async def hold(self, clients: int, pages: int) -> None:
        """Hold the class, with a look at the processes before anyone came and after everyone has gone."""
        await asyncio.sleep(2)
        self.before = await self.vitals.at_rest()
        looking = asyncio.create_task(self.vitals.look())
        url = f"http://127.0.0.1:{self.school.stack.nginx.port}"
        conversations = [Conversation(self.room, url, number).go_on() for number in range(pages)]
        try:
            await self.room.held(clients, self._bell(), self.accidents.happen(self.room.over), *conversations)
        finally:
            looking.cancel()
            await asyncio.wait([looking])
        await asyncio.sleep(SETTLED)
        self.after = await self.vitals.at_rest()

    def _calm(self) -> bool:
        return self.accidents.calm and not self.room.over.is_set()

    async def _bell(self) -> None:
        await asyncio.sleep(self.seconds)
        self.room.over.set()
