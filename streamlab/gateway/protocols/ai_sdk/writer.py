"""Writes a run as the AI SDK's UI message stream."""

from collections.abc import Sequence

from streamlab.events.event import Event, merge_deltas
from streamlab.gateway.control import Close, Drain, Open
from streamlab.gateway.feed import Frame
from streamlab.gateway.protocols.ai_sdk.chat import Chat
from streamlab.gateway.protocols.ai_sdk.message import Json, Message, Told, Version, encode_chunk
from streamlab.gateway.protocols.sse import STILL_HERE, Body, packet
from streamlab.gateway.writer import Packet, Writer

HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}
END = packet(b"data: [DONE]\n\n")
LEAVING = "The server is leaving, and the answer goes on. Reload the page to see the rest of it."
LAPSED = "The right to read this answer is over."


class MessageWriter(Writer[Body]):
    """Tells a message, whose id is the run's: so whoever comes back replaces what it has of it.

    Where the `chat` is given the question is told, too: as data for the page alone, which no version puts into the
    message, and which a page that does not know it ignores.
    """

    name = "ai-sdk"

    def __init__(self, version: Version, chat: Chat | None = None) -> None:
        self._chat = chat
        self._told = Told(version)

    def opening(self, event: Open) -> Sequence[Packet[Body]]:
        start = encode_chunk({"type": "start", "messageId": event.run_id})
        return [packet(start + (encode_chunk(_question(self._chat)) if self._chat else b""))]

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


def _question(chat: Chat) -> Json:
    return {"type": "data-question", "data": {"id": chat.message, "text": chat.question}, "transient": True}


def _packets(frame: Frame, told: Told) -> tuple[list[Packet[Body]], Told]:
    """Write a frame, in which adjacent pieces are one: each chunk is a drawing of the page."""
    message = Message(told)
    message.tell(item for item in frame.items if not isinstance(item, Event))  # comes before the events
    message.tell(merge_deltas(item for item in frame.items if isinstance(item, Event)))
    chunks = b"".join(map(encode_chunk, message.chunks))
    return [packet(chunks, frame.events)] if chunks else [], message.told
