"""Files as a model is told of them: LangChain's blocks, which each provider's client translates, and named texts."""

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from streamlab.attachments.files import File
from streamlab.text.tokens import estimate_tokens

IMAGE_TOKENS = 1_000  # about what the providers count for a picture of a million pixels
TYPED = "typed"
"""Where a message has what was typed, beside the files that go with it; no client sends it."""

_FENCE = re.compile(r"`{3,}")
_LANGUAGE = re.compile(r"[a-z0-9+#]{1,12}")


def question_message(question: str, files: Sequence[File] = (), left_out: Sequence[str] = ()) -> HumanMessage:
    """Ask a question with its files before it; of those that are `left_out` only the names are told.

    Without an image the content is one text: many compatible servers take no other.
    """
    if not files and not left_out:
        return HumanMessage(question)
    told = [f"[{', '.join(left_out)}: attached here before, and not sent again]"] if left_out else []
    texts = [named_text(file.name, file.text) for file in files if not file.is_image]
    text = "\n\n".join(filter(None, (*told, *texts, question)))
    pictures = [image_block(file.media_type, file.data) for file in files if file.is_image]
    content: Any = [*pictures, *([{"type": "text", "text": text}] if text else [])] if pictures else text
    return HumanMessage(content, additional_kwargs={TYPED: question})


def named_text(name: str, text: str) -> str:
    """Write a text file as a fenced block after its name."""
    ending = name.rpartition(".")[2].lower()
    fence = max((*_FENCE.findall(text), "``"), key=len) + "`"
    body = text.removesuffix("\n")
    return f"{name}:\n{fence}{ending if _LANGUAGE.fullmatch(ending) else ''}\n{body}\n{fence}"


def image_block(media_type: str, data: bytes) -> dict[str, Any]:
    return {"type": "image", "base64": base64.b64encode(data).decode(), "mime_type": media_type}


def has_images(messages: Iterable[BaseMessage]) -> bool:
    """Tell whether any of the messages shows an image."""
    return any(_images(message) for message in messages)


def typed_tokens(message: BaseMessage) -> int:
    """Estimate the tokens of a message without the files that go with it."""
    return estimate_tokens(message.additional_kwargs.get(TYPED, message.text))


def message_tokens(message: BaseMessage) -> int:
    """Estimate the tokens of a message with all that it shows."""
    return estimate_tokens(message.text) + IMAGE_TOKENS * _images(message)


def _images(message: BaseMessage) -> int:
    blocks = message.content if isinstance(message.content, list) else []
    return sum(1 for block in blocks if isinstance(block, dict) and block.get("type") == "image")
