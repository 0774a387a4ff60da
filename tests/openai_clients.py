"""OpenAI's own clients before a gateway that listens."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio.to_thread
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import SecretStr

from streamlab.gateway.delivery import Pace
from tests.access import BEARER, OTHER, SECRET
from tests.gateway import Served, served

T = TypeVar("T")

QUESTION: list[Any] = [{"role": "user", "content": "What is streaming?"}]
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
WEATHER_TOOL: Any = {"type": "function", "function": WEATHER}
WEATHER_QUESTION: list[Any] = [{"role": "user", "content": "What is the weather in Kyoto?"}]


CHAT = "/openai/v1/chat/completions"


def headers_of(key: str | None = None) -> dict[str, str]:
    return BEARER | {"content-type": "application/json"} | ({"idempotency-key": key} if key else {})


def address(lab: Served) -> str:
    return f"{lab.url}/openai/v1"


@asynccontextmanager
async def openai_client(lab: Served, secret: str = SECRET) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=address(lab), api_key=secret, max_retries=0, timeout=30) as client:
        yield client


async def in_thread(lab: Served, work: Callable[[OpenAI], T]) -> T:
    """Have the client for threads do something."""

    def do() -> T:
        with OpenAI(base_url=address(lab), api_key=SECRET, max_retries=0, timeout=30) as client:
            return work(client)

    return await anyio.to_thread.run_sync(do)


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    """Serve a gateway that has tokens, and as many runs as tests ask for."""
    tokens = (SecretStr(f"ada:{SECRET}"), SecretStr(f"bob:{OTHER}"))
    pace = Pace(frame=0.005, check=0.05)
    async with served(pace, gateway_tokens=tokens, gateway_runs_per_minute=10_000, gateway_max_runs=50) as lab:
        yield lab


@pytest.fixture(scope="module")
async def openai(lab: Served) -> AsyncIterator[AsyncOpenAI]:
    async with openai_client(lab) as client:
        yield client
