"""What a protocol does for a client, and the protocols by their names. Their libraries are loaded when chosen."""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

from streamlab_client.reader import Message, Request, StartRequest
from streamlab_client.runs import RunState, StartedRun

ProtocolName = Literal["sse", "websocket", "grpc"]


class AsyncTransport(Protocol):
    """The calls of one server. Each raises StreamlabError.

    `messages` gives what the server sends, until it ends or breaks; closing it closes the connection.
    """

    def messages(self, request: Request, token: str | None) -> AsyncGenerator[Message]: ...
    async def start(self, start: StartRequest, token: str | None) -> StartedRun: ...
    async def state(self, run_id: str, token: str | None) -> RunState: ...
    async def stop(self, run_id: str, token: str | None) -> bool: ...
    async def close(self) -> None: ...


def make_transport(protocol: ProtocolName, url: str, heartbeat: float) -> AsyncTransport:
    """Make the transport of a protocol. Raises ImportError where its library is missing, ValueError for a wrong URL."""
    match protocol:
        case "sse":
            from streamlab_client._async.http import HttpTransport

            return HttpTransport(url, heartbeat)
        case "websocket":
            from streamlab_client._async.websocket import WebSocketTransport

            return WebSocketTransport(url, heartbeat)
        case "grpc":
            from streamlab_client._async.grpc import GrpcTransport

            return GrpcTransport(url, heartbeat)
    raise ValueError(f"there is no protocol {protocol!r}: sse, websocket or grpc")
