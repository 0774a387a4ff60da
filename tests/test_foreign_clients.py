"""Clients for server-sent events that others wrote, with the plain loop that their documents show: JSON in each block.

Those that send their POST again after a cut get the rest of the one answer that they asked for.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import anyio
import anyio.to_thread
import httpx
import httpx_sse
import pytest
import requests
import requests_sse
import sseclient
from aiohttp_sse_client2 import client as aiohttp_sse  # type: ignore[import-untyped]
from openai._streaming import SSEDecoder
from pydantic import SecretStr

from streamlab.gateway.delivery import Pace
from tests.conftest import demo_model
from tests.gateway import Served, served
from tests.test_python_client_cuts import Cutter

pytestmark = pytest.mark.anyio

BEATING = Pace(frame=0.005, heartbeat=0.1, send=10, check=0.05)
TEXT = "An answer of some words that is cut in the middle, and whose rest comes with the next request."
CUT = 900  # bytes of the first connection: past its head, and some events


@dataclass
class Heard:
    """What a client's loop was given: each block's data as JSON, by its event's name."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    last_id: str = ""

    def hear(self, name: str | None, data: str, last_id: str | None) -> bool:
        """Take a block as it was given out; tell whether it is the last."""
        self.events.append((name or "", json.loads(data)))
        self.last_id = last_id or self.last_id
        return name == "done"

    @property
    def text(self) -> str:
        return "".join(data["content"] for name, data in self.events if name == "text_delta")


Client = Callable[[str, dict[str, Any], dict[str, str], Heard], Awaitable[None]]


async def by_httpx_sse(url: str, body: dict[str, Any], headers: dict[str, str], heard: Heard) -> None:
    async with (
        httpx.AsyncClient() as client,
        httpx_sse.aconnect_sse(client, "POST", url, json=body, headers=headers) as source,
    ):
        async for sse in source.aiter_sse():
            heard.hear(sse.event, sse.data, sse.id)


async def by_openai(url: str, body: dict[str, Any], headers: dict[str, str], heard: Heard) -> None:
    async with httpx.AsyncClient() as client, client.stream("POST", url, json=body, headers=headers) as response:
        async for sse in SSEDecoder().aiter_bytes(response.aiter_bytes()):
            heard.hear(sse.event, sse.data, sse.id)


async def by_sseclient(url: str, body: dict[str, Any], headers: dict[str, str], heard: Heard) -> None:
    def read() -> None:
        response = requests.post(url, json=body, headers=headers, stream=True, timeout=60)
        for sse in sseclient.SSEClient(response.iter_content(None)).events():
            heard.hear(sse.event, sse.data, sse.id)

    with suppress(requests.exceptions.ChunkedEncodingError):
        await anyio.to_thread.run_sync(read)


async def by_requests_sse(url: str, body: dict[str, Any], headers: dict[str, str], heard: Heard) -> None:
    """Sends its request again by itself after a cut."""

    def read() -> None:
        moment = timedelta(seconds=0.01)
        options: dict[str, Any] = {"method": "POST", "json": body, "headers": headers, "reconnection_time": moment}
        with requests_sse.EventSource(url, timeout=60, **options) as source:
            for sse in source:
                if heard.hear(sse.type, sse.data, sse.last_event_id):
                    break

    await anyio.to_thread.run_sync(read)


async def by_aiohttp(url: str, body: dict[str, Any], headers: dict[str, str], heard: Heard) -> None:
    options: dict[str, Any] = {"option": {"method": "POST"}, "json": body, "headers": headers}
    async with aiohttp_sse.EventSource(url, **options) as source:
        async for sse in source:
            if heard.hear(sse.type, sse.data, sse.last_event_id):
                break


CLIENTS: tuple[Client, ...] = (by_httpx_sse, by_openai, by_sseclient, by_requests_sse, by_aiohttp)
both = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(BEATING) as lab:
        yield lab


@asynccontextmanager
async def cutting(lab: Served, *first: int) -> AsyncIterator[str]:
    """A way to the gateway whose first connections are cut after so many bytes."""
    cutter = Cutter(lab.port, 1, first=list(first) + [10**9] * 10)
    server = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"


def question() -> dict[str, Any]:
    """Its first word, and each next one, let some signs of life go before."""
    return {"message": "q", "model": demo_model(text=TEXT, first=0.3, rate=60)}


@both
async def test_a_plain_loop_has_json_in_each_block(lab: Served, client: Client) -> None:
    """From the start, over signs of life, to the end."""
    heard = Heard()
    with anyio.fail_after(60):
        await client(f"{lab.url}/chat", question(), {}, heard)
    assert heard.text == TEXT
    assert heard.events[0][0] == "open"
    assert heard.events[-1][0] == "done"
    assert heard.last_id.rpartition("-")[2] == str(heard.events[-1][1]["seq"])


@both
async def test_the_same_question_again_after_a_cut_gives_the_rest(lab: Served, client: Client) -> None:
    """With the id of the last block, as the client itself or its user sends it: one run, and no word twice."""
    heard, asked, started = Heard(), question(), lab.engine.runs.started
    with anyio.fail_after(60):
        async with cutting(lab, CUT) as url:
            while not heard.events or heard.events[-1][0] != "done":
                headers = {"Last-Event-ID": heard.last_id} if heard.last_id else {}
                with suppress(httpx.HTTPError, OSError, aiohttp.ClientError):
                    await client(f"{url}/chat", asked, headers, heard)
    assert heard.text == TEXT
    assert lab.engine.runs.started == started + 1


async def test_who_comes_again_after_the_end_is_told_that_nothing_follows(lab: Served) -> None:
    """By a status without a body, which the standard has readers stop at; nothing is asked."""
    heard = Heard()
    await by_httpx_sse(f"{lab.url}/chat", question(), {}, heard)
    started = lab.engine.runs.started
    again = await lab.client.post("/chat", json=question(), headers={"last-event-id": heard.last_id})
    assert (again.status_code, again.content) == (204, b"")
    assert again.headers["location"]
    assert lab.engine.runs.started == started


@pytest.mark.parametrize("key", [None, "a key that was used"])
async def test_an_id_of_nothing_that_is_here_asks_nothing(lab: Served, key: str | None) -> None:
    """To ask again would be to pay again. With the key of the first request its run is found all the same."""
    body, headers = question(), {"idempotency-key": key} if key else {}
    first = await lab.client.post("/runs", json=body, headers=headers)
    started = lab.engine.runs.started
    headers["last-event-id"] = "0123456789abcdef-7"
    async with lab.client.stream("POST", "/chat", json=body, headers=headers) as again:
        if key:
            assert again.headers["x-run-id"] == first.json()["id"]
        else:
            assert again.status_code == 404
    assert lab.engine.runs.started == started


async def test_nobody_goes_on_with_a_run_of_somebody_else() -> None:
    """Who has another token is told of no such run."""
    tokens = (SecretStr("ada:swordfish-0123456789"), SecretStr("bob:herring-0123456789"))
    async with served(BEATING, gateway_tokens=tokens) as lab:
        heard = Heard()
        ada, bob = ({"authorization": f"Bearer {token}"} for token in ("swordfish-0123456789", "herring-0123456789"))
        await by_httpx_sse(f"{lab.url}/chat", question(), ada, heard)
        asked = {"last-event-id": heard.last_id}
        assert (await lab.client.post("/chat", json=question(), headers=ada | asked)).status_code == 204
        assert (await lab.client.post("/chat", json=question(), headers=bob | asked)).status_code == 404
        assert lab.engine.runs.started == 1
