"""A gateway that listens over HTTP and gRPC, and what its calls said."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from streamlab.gateway.delivery import Pace
from streamlab.gateway.protocols.grpc_server import grpc_port
from streamlab.hub import Log
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1 import streamlab_pb2_grpc
from tests.conftest import demo_model
from tests.gateway import FAST, Served, served

SECRET = "swordfish-0123456789"

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Lab:
    """A gateway that listens over HTTP and gRPC, and a client of the latter."""

    http: Served
    port: int
    channel: grpc.aio.Channel

    @property
    def stub(self) -> Any:
        return streamlab_pb2_grpc.StreamlabStub(self.channel)

    async def follow(self, log: Log, after: str = "", metadata: Fields = ()) -> list[pb.Event]:
        """Read the whole stream of a log that has its end."""
        return await whole(self.stub.Follow(pb.FollowRequest(run_id=log.run_id, after=after), metadata=metadata))

    def figure(self, name: str) -> float:
        """Return a sample of the metrics, by its name and labels."""
        text = self.http.gateway.metrics.text().decode()
        return float(next(line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(f"{name} ")))


@asynccontextmanager
async def lab_of(pace: Pace = FAST, **settings: Any) -> AsyncIterator[Lab]:
    async with served(pace, **settings) as http, grpc_port(http.gateway, "127.0.0.1", 0) as port:
        assert port
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Lab(http, port, channel)


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Lab]:
    async with lab_of() as lab:
        yield lab


async def whole(call: Any) -> list[pb.Event]:
    return [event async for event in call]


async def cut(call: Any) -> tuple[list[pb.Event], grpc.aio.AioRpcError]:
    """Return what came of a stream that ends with an error, and the error."""
    events: list[pb.Event] = []
    try:
        async for event in call:
            events.append(event)
    except grpc.aio.AioRpcError as error:
        return events, error
    raise AssertionError("it ended well")


def refused(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    """Return the status and the code of an error that has the shape of every error."""
    trailers = dict(error.trailing_metadata())
    assert (error.details() or "").endswith((".", "…"))
    assert isinstance(trailers["error-hint-bin"], bytes)
    return error.code(), str(trailers["error-code"])


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refused(caught.value)


def entries(events: list[pb.Event]) -> list[pb.Event]:
    """Return the events that stand in a log."""
    return [event for event in events if event.token]


def seqs(events: list[pb.Event]) -> list[int]:
    """Return every seq that the events stand for."""
    return [
        seq
        for event in entries(events)
        for seq in range(event.seq_from if event.HasField("seq_from") else event.seq, event.seq + 1)
    ]


def types(events: list[pb.Event]) -> list[str]:
    for event in events:
        assert event.WhichOneof("body") == event.type
    return [event.type for event in events]


def text(events: list[pb.Event]) -> str:
    return "".join(event.text_delta.content for event in events)


def plain(event: pb.Event) -> dict[str, Any]:
    """Return the event as JSON has it over the other protocols."""
    data = MessageToDict(event, preserving_proto_field_name=True)
    body = data.pop(event.type, {})
    data.pop("token", None)
    whole: dict[str, Any] = {"type": data["type"], "seq": event.seq, "at": event.at, "step": event.step} | body
    if event.HasField("seq_from"):
        whole["seq_from"] = event.seq_from
    if "usage" in body:
        whole["usage"] = plain_usage(event.done.usage)
    return whole


def plain_usage(usage: pb.Usage) -> dict[str, Any]:
    """Return the tokens as JSON has them in an event."""
    parts = ("reasoning_tokens", "cached_tokens", "cache_write_tokens")
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "estimated": usage.estimated,
    } | {name: getattr(usage, name) for name in parts if usage.HasField(name)}


def slow_model() -> str:
    return demo_model(chunks=100_000, rate=50)
