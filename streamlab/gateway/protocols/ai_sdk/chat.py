"""What the AI SDK's chat was asked last, and which run of ours answers it."""

from dataclasses import dataclass

from streamlab.hub.shared import DocumentType, json_form

SECONDS = 24 * 3600.0  # at least as long as the run's log is there
BYTES = 64 * 1024 * 1024  # that one process keeps of what was asked


@dataclass(frozen=True, slots=True)
class Chat:
    """The last run of a chat, and its question: the text, and the id of the message that it was in."""

    run: str
    message: str = ""
    question: str = ""


CHAT = DocumentType("ai-sdk-chat", *json_form(Chat), SECONDS, BYTES, size=lambda chat: 1_000 + len(chat.question))
