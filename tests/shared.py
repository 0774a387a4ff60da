"""What two processes on one Redis share: conversations, and gateways before them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import anyio
import httpx2
import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from streamlab.agent.tasks import Agents
from streamlab.chats.chat import Chat
from streamlab.chats.chats import Chats
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.run import RunLimits, Runs
from tests.conftest import demo_model
from tests.gateway import Served, served
from tests.redis_server import RedisServer

LEASE = 1.0  # seconds: long enough for a busy machine to renew it
TIMES = Times(lease=LEASE)
PATIENCE = 40.0
HISTORY = 1_000
ENDLESS: dict[str, Any] = {"chunks": 100_000, "rate": 50}

SECRET = "swordfish-0123456789"
BEARER = {"authorization": f"Bearer {SECRET}"}


def name() -> str:
    return uuid4().hex


async def soon(holds: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until what is asked again and again is so."""
    with anyio.fail_after(patience):
        while not await holds():  # noqa: ASYNC110 # another process may be the one to change it
            await anyio.sleep(0.05)


@dataclass
class Side:
    """What one process has."""

    hub: RedisHub
    runs: Runs
    agents: Agents
    chats: Chats

    async def settled(self, chat: Chat) -> Chat:
        async def ended() -> bool:
            return (await self.chats.get(chat.id)).live is None

        await soon(ended)
        return await self.chats.get(chat.id)


@asynccontextmanager
async def a_side(url: str, models: Models, live: int = 100) -> AsyncIterator[Side]:
    async with RedisHub(url, times=TIMES) as hub:
        runs = Runs(hub, RunLimits(backoff=0.01, total=PATIENCE, live=live))
        agents = Agents(runs, models, hub, HISTORY)
        try:
            yield Side(hub, runs, agents, Chats(runs, models, agents, hub, HISTORY))
        finally:
            await runs.close()


def says(text: str, **options: object) -> Options:
    return Options(demo_model(text=text, **options), temperature=0)


Pair = tuple[Served, Served]


@asynccontextmanager
async def pair(*urls: str, **settings: Any) -> AsyncIterator[Pair]:
    common: dict[str, Any] = {
        "gateway_secret": SecretStr("s" * 32),
        "gateway_tokens": (SecretStr(f"ada:{SECRET}"),),
    } | settings
    here, there = (served(redis_url=SecretStr(url), **common) for url in urls)
    async with here as first, there as second:
        for lab in (first, second):
            lab.client.headers.update(BEARER)
        yield first, second


@pytest.fixture(scope="module")
async def gateways(anyio_backend: str, redis_server: RedisServer) -> AsyncIterator[Pair]:
    """Serve two gateways as nginx has them behind it."""
    async with pair(
        redis_server.url, redis_server.url, gateway_max_runs=500, gateway_runs_per_minute=10_000
    ) as gateways:
        yield gateways


async def ask(lab: Served, route: str = "/runs", key: str | None = None, **body: Any) -> httpx2.Response:
    headers = {"idempotency-key": key} if key else {}
    return await lab.client.post(route, json={"message": "q", "model": demo_model()} | body, headers=headers)


async def has_ended(lab: Served, run_id: str) -> None:
    async def ended() -> bool:
        return bool((await lab.client.get(f"/runs/{run_id}")).json()["status"] != "live")

    await soon(ended)


def shown_on(app: AppTest) -> str:
    """Return the Markdown of the page's answers."""
    return "\n".join(each.value for message in app.chat_message for each in message.markdown)


def figure(text: str, series: str) -> float:
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(series + " "))
