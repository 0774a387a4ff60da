"""A gateway over every protocol, and the Python client of it."""

import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import anyio
import pytest
from streamlab_client import AsyncClient, Backoff, Client, Event, StreamlabError
from streamlab_client._async.transport import ProtocolName

from streamlab.events.event import Done, Error, Retry, TextDelta, Thinking, ToolCall, ToolResult, Usage
from streamlab.gateway.delivery import Pace
from streamlab.gateway.protocols.grpc_server import grpc_port
from tests.conftest import PATIENCE
from tests.gateway import FAST, Served, served

SECRET = f"access-token-{uuid4().hex}"  # so that it is nowhere by accident
QUICK = Backoff(attempts=40, first=0.01, longest=0.05)
PROTOCOLS: tuple[ProtocolName, ...] = ("sse", "websocket", "grpc")

over_each = pytest.mark.parametrize("protocol", PROTOCOLS)


@dataclass(frozen=True)
class Lab:
    """A gateway that listens over HTTP and gRPC."""

    http: Served
    port: int

    def url(self, protocol: ProtocolName) -> str:
        return f"127.0.0.1:{self.port}" if protocol == "grpc" else self.http.url

    def client(self, protocol: ProtocolName, **options: Any) -> Client:
        return Client(self.url(protocol), protocol=protocol, **({"backoff": QUICK} | options))

    def aclient(self, protocol: ProtocolName, **options: Any) -> AsyncClient:
        return AsyncClient(self.url(protocol), protocol=protocol, **({"backoff": QUICK} | options))

    def nobody_reads(self) -> bool:
        return not len(self.http.gateway.deliveries)


@asynccontextmanager
async def lab_of(pace: Pace = FAST, **settings: Any) -> AsyncIterator[Lab]:
    async with served(pace, **settings) as http, grpc_port(http.gateway, "127.0.0.1", 0) as port:
        assert port
        yield Lab(http, port)


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Lab]:
    async with lab_of(gateway_runs_per_minute=1_000) as lab:
        yield lab


async def in_thread(work: Callable[[], Any]) -> Any:
    """Do what blocks, beside the loop on which the gateway runs."""
    with anyio.fail_after(PATIENCE):
        return await anyio.to_thread.run_sync(work)


def check_whole(events: list[Event], answer: str) -> None:
    seqs = [seq for event in events for seq in range(getattr(event, "seq_from", None) or event.seq, event.seq + 1)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert [event.type for event in events[-2:]] == ["final_answer", "done"]
    assert [event.content for event in events if event.type == "final_answer"] == [answer]
    assert answer


USAGE = Usage(3, 4, estimated=True)
EVERYTHING = (
    Thinking("Hm.", at=0.1),
    TextDelta("日本語 🙂\u2028\r\n", at=0.2),
    ToolCall("add", "c1", {"a": 1, "b": [2.5, None, True, {"c": "d"}]}, at=0.3),
    ToolResult("add", "c1", {"sum": 3.5}, "failed", at=0.4),
    ToolCall("none", "c2", {}, at=0.4),
    ToolResult("none", "c2", "text", at=0.5),
    Retry("rate_limited", 0.0, at=0.6, step=2),
    Error("internal", "It broke.", "HTTP 500", at=0.8, step=2),
    Done("failed", "internal", USAGE, at=0.9, step=2),
)


def told(error: StreamlabError) -> str:
    """Return all that an error says, in a log too."""
    return "".join(traceback.format_exception(error)) + f"{error!r} {vars(error)}"
