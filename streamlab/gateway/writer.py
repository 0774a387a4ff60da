"""The seam for protocols: a writer puts a client's stream into a protocol's words, and one loop sends what it wrote."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

from streamlab.gateway.control import Close, Drain, Open
from streamlab.gateway.delivery import Delivery, EndReason
from streamlab.gateway.feed import Frame

PROTOCOLS = {
    "sse": "SSE",
    "websocket": "WebSocket",
    "grpc": "gRPC",
    "ai-sdk": "AI SDK",
    "openai-chat": "OpenAI chat",
    "openai-responses": "OpenAI responses",
    "ag-ui": "AG-UI",
}
"""The name of each protocol in figures and logs, and as people read it."""

Data = TypeVar("Data")


class Packet(NamedTuple, Generic[Data]):
    """What is sent by one call, of `size` bytes; it holds so many events of the log."""

    data: Data
    size: int
    events: int = 0


class Writer(ABC, Generic[Data]):
    """Writes a stream's opening, frames, signs of life and closing. Knows no connection: a transport sends the packets.

    A new protocol is one such class in a file of `protocols/`, its name in PROTOCOLS and its route. Each stream has a
    writer of its own, which may keep what its protocol wants to know, such as the part of a message that is open.

    Still each frame is encoded once for all who stand at it, for `Frame.form` shares what a function makes of a frame
    and of the state before it. A writer with state keeps that as one hashable value and has the function return the
    state after the frame beside the packets: clients that have read alike have equal states, and share. What is one
    client's own has no place in it, nor in a frame.
    """

    name: ClassVar[str]

    @abstractmethod
    def opening(self, event: Open) -> Sequence[Packet[Data]]:
        """Write what comes before the first frame."""

    @abstractmethod
    def frame(self, frame: Frame) -> Sequence[Packet[Data]]:
        """Write the next frame, by `Frame.form`; each frame of the stream comes once, in order."""

    @abstractmethod
    def sign_of_life(self) -> Sequence[Packet[Data]]:
        """Write what keeps a silent connection awake; nothing where the transport does that."""

    @abstractmethod
    def closing(self, event: Drain | Close | None) -> Sequence[Packet[Data]]:
        """Write the end: the event says why it comes before the run's, None that the run is over."""


async def write_stream(
    delivery: Delivery, writer: Writer[Data], opening: Open, send: Callable[[Data], Awaitable[None]]
) -> bool:
    """Send a delivery from its opening to its closing; tell whether the client is still there to be told the end."""

    async def send_all(packets: Sequence[Packet[Data]]) -> None:
        for packet in packets:
            await delivery.send(send(packet.data), packet.size, packet.events)

    await send_all(writer.opening(opening))
    while (frame := await delivery.next()) is not None:
        await send_all(writer.frame(frame) if frame.items else writer.sign_of_life())
    if delivery.reason in ("client", "slow"):
        return False
    await send_all(writer.closing(_farewell(delivery.reason)))
    return True


def _farewell(reason: EndReason | None) -> Drain | Close | None:
    match reason:
        case "drained":
            return Drain()
        case "expired" | "revoked":
            return Close(reason)
    return None
