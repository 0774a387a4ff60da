"""The ways to read a run through nginx: each protocol as it is on the wire, and as the project's client reads it.

A reader gives a connection's messages, as `(name, resume token, data)`, from a resume token on, until the connection
ends in whatever way; to come back is its user's business. What is read off the wire is nowhere mended: neither what
came twice is dropped, nor is a hole filled.
"""

import asyncio
import dataclasses
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import grpc
import grpc.aio
import httpx2
from streamlab_client import AsyncClient, Event, StreamlabError
from streamlab_client._async.transport import ProtocolName
from streamlab_client.grpc_messages import parse_event_message
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1.streamlab_pb2_grpc import StreamlabStub
from tests.gateway import StreamParser
from tests.stack import BEARER, TOKEN, Nginx

Message: TypeAlias = tuple[str, str, Any]
Messages: TypeAlias = AsyncGenerator[Message]
Read: TypeAlias = Callable[[str, str], Messages]

PROTOCOLS: tuple[ProtocolName, ...] = ("sse", "websocket", "grpc")
READ_TIMEOUT = 40.0  # seconds: more than two signs of life


class GaveUp(Exception):
    """The Python client came back as often as it does, and would not again; or there is no such run."""


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    read: Read


def fields_of(event: Event) -> dict[str, Any]:
    """Return what the Python client's event says, as JSON has it."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    if usage := fields.get("usage"):
        fields["usage"] = dataclasses.asdict(usage)
    return fields


class Readers:
    """All ways, over connections that are closed when the block ends."""

    def __init__(self, nginx: Nginx) -> None:
        self._url = f"http://127.0.0.1:{nginx.port}/api"
        self._grpc = f"127.0.0.1:{nginx.grpc_port}"
        self._open = AsyncExitStack()
        self.refusals: Counter[str] = Counter()
        self.connections = 0
        self.away: dict[str, float] = {}  # the longest from a first refusal to a stream, in seconds
        self._sent_away: dict[asyncio.Task[Any] | None, float] = {}
        self.http: httpx2.AsyncClient
        self.clients: dict[ProtocolName, AsyncClient] = {}

    async def __aenter__(self) -> Self:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
        timeout = httpx2.Timeout(READ_TIMEOUT)
        self.http = await self._open.enter_async_context(
            httpx2.AsyncClient(base_url=self._url, headers=BEARER, limits=limits, timeout=timeout)
        )
        for protocol in PROTOCOLS:
            url = self._grpc if protocol == "grpc" else self._url
            self.clients[protocol] = await self._open.enter_async_context(AsyncClient(url, TOKEN, protocol=protocol))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @property
    def ways(self) -> list[Way]:
        raw = [Way("sse", self._sse), Way("websocket", self._websocket), Way("grpc", self._grpc_events)]
        return raw + [Way(f"client/{protocol}", self._client(protocol)) for protocol in PROTOCOLS]

    async def _sse(self, run_id: str, after: str) -> Messages:
        headers = {"last-event-id": after} if after else {}
        with suppress(httpx2.TransportError):  # cut
            async with self.http.stream("GET", f"/runs/{run_id}/events", headers=headers) as response:
                if response.status_code != 200:
                    self._refused("sse", response.status_code)
                    return
                self._served("sse")
                parser = StreamParser()
                async for piece in response.aiter_raw():
                    parser.feed(piece)
                    for sent in parser.events:
                        yield sent.type, sent.id, sent.json
                    parser.events.clear()

    async def _websocket(self, run_id: str, after: str) -> Messages:
        url = f"{self._url.replace('http', 'ws', 1)}/runs/{run_id}/ws" + (f"?after={after}" if after else "")
        try:
            async with connect(url, additional_headers=BEARER, compression=None, proxy=None) as socket:
                self._served("websocket")
                async for text in socket:
                    message = json.loads(text)
                    yield message["event"], message.get("id", ""), message["data"]
        except InvalidStatus as refused:
            self._refused("websocket", refused.response.status_code)
        except ConnectionClosed as closed:  # cut, drained, or refused with an HTTP status in its code
            if closed.rcvd and closed.rcvd.code >= 4000:
                self._refused("websocket", closed.rcvd.code - 4000)
        except (OSError, WebSocketException):
            return  # cut

    async def _grpc_events(self, run_id: str, after: str) -> Messages:
        own = [("grpc.use_local_subchannel_pool", 1)]  # else all of them would share one connection
        async with grpc.aio.insecure_channel(self._grpc, own) as channel:
            stub: Any = StreamlabStub(channel)
            call = stub.Follow(pb.FollowRequest(run_id=run_id, after=after), metadata=tuple(BEARER.items()))
            try:
                async for event in call:
                    if event.type == "open":
                        self._served("grpc")
                    if event.type:
                        message = parse_event_message(event)
                        yield message.name, message.token, message.data
            except grpc.aio.AioRpcError as error:
                why = f"{error.code().name} {error.details()}"
                self._refused("grpc", 404 if error.code() is grpc.StatusCode.NOT_FOUND else why)
            finally:
                call.cancel()

    def _served(self, protocol: str) -> None:
        self.connections += 1
        since = self._sent_away.pop(asyncio.current_task(), None)
        if since is not None:
            self.away[protocol] = max(self.away.get(protocol, 0.0), time.monotonic() - since)

    def _refused(self, protocol: str, status: int | str) -> None:
        self.refusals[f"{protocol} {status}"] += 1
        self._sent_away.setdefault(asyncio.current_task(), time.monotonic())
        if status == 404:
            raise GaveUp(f"{protocol}: there is no such run")

    def _client(self, protocol: ProtocolName) -> Read:
        async def read(run_id: str, after: str) -> Messages:
            stream = self.clients[protocol].follow(run_id, after=after or None)
            try:
                async with aclosing(stream):
                    async for event in stream:
                        yield event.type, stream.token or "", fields_of(event)
            except StreamlabError as error:
                raise GaveUp(f"client/{protocol}: {type(error).__name__} {error.code}") from error
            finally:
                self.connections += stream.connections

        return read

    async def log(self, run_id: str, patience: float) -> list[dict[str, Any]] | None:
        """Return all events of a run as JSON, once it has its end; None when so many seconds do not bring them."""
        events: list[dict[str, Any]] = []
        after: str | None = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while after is not None:
                    page = await self._page(run_id, after)
                    events += page["events"]
                    after = page["next"]
                    if not page["events"]:
                        await asyncio.sleep(0.5)
                return events
        return None

    async def _page(self, run_id: str, after: str) -> Any:
        params, json_please = {"after": after, "limit": "1000"}, {"accept": "application/json"}
        with suppress(httpx2.TransportError):
            page = await self.http.get(f"/runs/{run_id}/events", params=params, headers=json_please)
            if page.status_code == 200:
                return page.json()
        return {"events": [], "next": after}
