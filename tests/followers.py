"""Clients of runs that two gateways behind nginx serve, and what the gateways say of them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
import httpx2

from streamlab.events.event import StreamEvent, decode
from streamlab.gateway.control import CONTROL_EVENTS
from tests.events import content
from tests.gateway import Sent, StreamParser, log_events, seqs
from tests.stack import BEARER, PATIENCE, GatewayProcess, Stack


@asynccontextmanager
async def browser(base_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Open an HTTP client with as many connections as it likes."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=base_url, headers=BEARER, limits=limits, timeout=PATIENCE) as client:
        yield client


class Client:
    """Follows a run, and comes back with the last id that it has until the run ends, as an EventSource does."""

    def __init__(self, run_id: str, token: str) -> None:
        self.events: list[StreamEvent] = []
        self.drained = 0
        self.visits = 0
        self.statuses: set[int] = set()
        self._last_id = ""
        self._path = f"/runs/{run_id}/events?token={token}"

    async def follow(self, client: httpx2.AsyncClient) -> None:
        while not (self.events and self.events[-1].type == "done"):
            self.visits += 1
            with suppress(httpx2.TransportError):  # cut
                await self._visit(client)
            await anyio.sleep(0.1)

    async def _visit(self, client: httpx2.AsyncClient) -> None:
        headers = {"last-event-id": self._last_id} if self._last_id else {}
        async with client.stream("GET", self._path, headers=headers) as response:
            self.statuses.add(response.status_code)
            parser = StreamParser()
            async for piece in response.aiter_raw():
                known = len(parser.events)
                parser.feed(piece)
                self._take(parser.events[known:])

    def _take(self, sent: list[Sent]) -> None:
        self.drained += sum(each.type == "drain" for each in sent)
        if events := log_events(sent):
            self.events += events
            self._last_id = next(each.id for each in reversed(sent) if each.type not in CONTROL_EVENTS)


async def figure(gateway: GatewayProcess, name: str) -> float:
    """Return what Prometheus reads under this name and labels."""
    async with browser(gateway.url) as client:
        text = (await client.get("/metrics")).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])


async def followers(gateway: GatewayProcess) -> float:
    return await figure(gateway, 'streamlab_followers{protocol="sse"}')


async def until_followed(gateway: GatewayProcess, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await followers(gateway) < count:  # noqa: ASYNC110 # another process counts them
            await anyio.sleep(0.1)


@asynccontextmanager
async def followed(stack: Stack, run_ids: Sequence[str], count: int) -> AsyncIterator[list[list[Client]]]:
    """Follow each run with so many clients through nginx, some at each gateway, until all have its end."""
    limits = httpx2.Limits(max_connections=None)
    async with (
        browser(stack.url) as owner,
        httpx2.AsyncClient(base_url=stack.url, limits=limits, timeout=PATIENCE) as watcher,
    ):
        tokens = [(await owner.post(f"/runs/{run_id}/token")).json()["token"] for run_id in run_ids]
        groups = [[Client(run_id, token) for _ in range(count)] for run_id, token in zip(run_ids, tokens, strict=True)]
        clients = [client for group in groups for client in group]
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(client.follow(watcher))
            while not all(client.events for client in clients):  # noqa: ASYNC110 # nothing tells of it
                await anyio.sleep(0.05)
            assert min([await followers(gateway) for gateway in stack.gateways]) > 0
            yield groups
    assert {status for client in clients for status in client.statuses} == {200}
    assert not [token for token in tokens if token in stack.nginx.logged]


async def start_run(gateway: GatewayProcess, model: str) -> str:
    """Start a run that this gateway produces, and return its id."""
    async with browser(gateway.url) as client:
        started = await client.post("/runs", json={"message": "What is streaming?", "model": model})
    assert started.status_code == 201
    run_id: str = started.json()["id"]
    return run_id


async def stored(gateway: GatewayProcess, run_id: str) -> list[StreamEvent]:
    """Return all events of a run, as a gateway has them."""
    events: list[StreamEvent] = []
    after = ""
    async with browser(gateway.url) as client:
        while True:
            page = await client.get(
                f"/runs/{run_id}/events", params={"after": after, "limit": 1000}, headers={"accept": "application/json"}
            )
            read = page.json()
            events += [decode(json.dumps(event)) for event in read["events"]]
            if read["next"] is None:
                return events
            after = read["next"]


def has_all(client: Client, events: Sequence[StreamEvent]) -> bool:
    """Tell whether nothing is missing and nothing came twice."""
    text = "".join(content(event) for event in client.events if event.type == "text_delta")
    whole = "".join(content(event) for event in events if event.type == "text_delta")
    return (seqs(client.events), text) == (list(range(1, events[-1].seq + 1)), whole)
