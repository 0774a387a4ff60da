"""Writes a run as the AI SDK's UI message stream."""

from collections.abc import Sequence

from streamlab.events.event import Event, merge_deltas
from streamlab.gateway.control import Close, Drain, Open
from streamlab.gateway.feed import Frame
from streamlab.gateway.protocols.ai_sdk.message import Message, Told, Version, encode_chunk
from streamlab.gateway.protocols.sse import STILL_HERE, Body, packet
from streamlab.gateway.writer import Packet, Writer

HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}
END = packet(b"data: [DONE]\n\n")
LEAVING = "The server is leaving, and the answer goes on. Reload the page to see the rest of it."
LAPSED = "The right to read this answer is over."


class MessageWriter(Writer[Body]):
    """Tells a message, whose id is the run's: so whoever comes back replaces what it has of it."""

    name = "ai-sdk"

    def __init__(self, version: Version) -> None:
        self._told = Told(version)

    def opening(self, event: Open) -> Sequence[Packet[Body]]:
        return [packet(encode_chunk({"type": "start", "messageId": event.run_id}))]

    def frame(self, frame: Frame) -> Sequence[Packet[Body]]:
        packets, self._told = frame.form(_packets, self._told)
        return packets

    def sign_of_life(self) -> Sequence[Packet[Body]]:
        return STILL_HERE

    def closing(self, event: Drain | Close | None) -> Sequence[Packet[Body]]:
        """Write the end. A stream that ended without a word before its run would be taken for the whole answer."""
        if event is None:
            return [END]
        said = LEAVING if isinstance(event, Drain) else LAPSED
        return [packet(encode_chunk({"type": "error", "errorText": said}))]


def _packets(frame: Frame, told: Told) -> tuple[list[Packet[Body]], Told]:
    """Write a frame, in which adjacent pieces are one: each chunk is a drawing of the page."""
    message = Message(told)
    message.tell(item for item in frame.items if not isinstance(item, Event))  # comes before the events
    message.tell(merge_deltas(item for item in frame.items if isinstance(item, Event)))
    chunks = b"".join(map(encode_chunk, message.chunks))
    return [packet(chunks, frame.events)] if chunks else [], message.told
