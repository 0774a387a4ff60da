"""What a protocol does for a client, and the protocols by their names. Their libraries are loaded when chosen."""

from collections.abc import AsyncGenerator, Generator
from typing import Literal, Protocol

from streamlab_client.reader import Ask, Call, Message
from streamlab_client.runs import RunState, StartedRun

ProtocolName = Literal["sse", "websocket", "grpc"]


class Transport(Protocol):
    """Everything raises StreamlabError. `messages` end when the stream does; closing them closes the connection."""

    def messages(self, call: Call, token: str | None) -> Generator[Message]: ...
    def start(self, ask: Ask, token: str | None) -> StartedRun: ...
    def look(self, run_id: str, token: str | None) -> RunState: ...
    def stop(self, run_id: str, token: str | None) -> bool: ...
    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """The same on an event loop."""

    def messages(self, call: Call, token: str | None) -> AsyncGenerator[Message]: ...
    async def start(self, ask: Ask, token: str | None) -> StartedRun: ...
    async def look(self, run_id: str, token: str | None) -> RunState: ...
    async def stop(self, run_id: str, token: str | None) -> bool: ...
    async def close(self) -> None: ...


def transport_of(protocol: ProtocolName, url: str, heartbeat: float) -> Transport:
    """Raises ImportError where the protocol's library is not installed, ValueError for an address that is none."""
    match protocol:
        case "sse":
            from streamlab_client.sse import Sse

            return Sse(url, heartbeat)
        case "websocket":
            from streamlab_client.websocket import WebSocket

            return WebSocket(url, heartbeat)
        case "grpc":
            from streamlab_client.grpc_calls import Grpc

            return Grpc(url, heartbeat)
    raise ValueError(f"there is no protocol {protocol!r}: sse, websocket or grpc")


def async_transport_of(protocol: ProtocolName, url: str, heartbeat: float) -> AsyncTransport:
    match protocol:
        case "sse":
            from streamlab_client.sse import AsyncSse

            return AsyncSse(url, heartbeat)
        case "websocket":
            from streamlab_client.websocket import AsyncWebSocket

            return AsyncWebSocket(url, heartbeat)
        case "grpc":
            from streamlab_client.grpc_calls import AsyncGrpc

            return AsyncGrpc(url, heartbeat)
    raise ValueError(f"there is no protocol {protocol!r}: sse, websocket or grpc")
