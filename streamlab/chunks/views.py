"""One chunk as a reader sees it: a view with a number, a time and a text, behind which is all that the chunk holds."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import AIMessageChunk, BaseMessage
from pydantic import BaseModel

DEEPEST = 60  # levels of nested values that are shown

_HALF = re.compile("[\ud800-\udfff]")


Kind = Literal["message", "text", "object", "event"]


@dataclass(frozen=True, slots=True)
class ChunkView:
    """A chunk, as number `number` of its capture, `at` seconds after just before the request.

    `chunk` is what the chain gave: an AIMessageChunk, a text, a partial object, or an event of `astream_events`.
    `text` is what is seen at once; it is empty for a chunk without any.
    """

    kind: Kind
    number: int
    at: float
    chunk: Any
    text: str

    @property
    def detail(self) -> Any:
        """Everything in the chunk, as JSON can say it."""
        return as_json(self.chunk)

    @property
    def carries_usage(self) -> bool:
        """It is the message that tells how many tokens were used."""
        return isinstance(self.chunk, AIMessageChunk) and bool(self.chunk.usage_metadata)


def chunk_view(kind: Kind, number: int, at: float, chunk: Any) -> ChunkView:
    return ChunkView(kind, number, at, chunk, _text(kind, chunk))


def joined(views: Sequence[ChunkView]) -> Any:
    """Join chunks of one kind to what they amount to, as JSON can say it; None for none.

    Messages are joined by `+`, and texts one after the other. Each object takes the place of the one before it.
    Of events those count that carry the chain's own output, which is text here.
    """
    chunks = [each.chunk for each in views]
    if not chunks:
        return None
    match views[0].kind:
        case "message":
            return as_json(chunks[0] + chunks[1:])
        case "text":
            return readable("".join(chunks))
        case "object":
            return as_json(chunks[-1])
        case "event":
            return readable("".join(map(_output, chunks)))


def joined_text(views: Sequence[ChunkView]) -> str:
    """Join the visible text of message chunks."""
    return readable("".join(str(each.chunk.text) for each in views))


def readable(text: str) -> str:
    r"""Make the text one that can be shown. Two halves of a character that meet are the character; a half that stays
    alone has no meaning and no UTF-8 form, so it is written as its escape (`\ud83d`).
    """
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", whole)


def as_json(value: Any, depth: int = 0) -> Any:
    """Turn the value into JSON's own types, for the screen: what these cannot say becomes a text."""
    if depth > DEEPEST:
        return "…"
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return readable(value)
        case BaseMessage():
            return as_json(_message(value), depth)
        case BaseModel():
            return as_json(value.model_dump(), depth)
        case Mapping():
            return {readable(str(key)): as_json(inner, depth + 1) for key, inner in value.items()}
        case list() | tuple():
            return [as_json(inner, depth + 1) for inner in value]
        case _:
            return readable(str(value))


def _message(message: BaseMessage) -> dict[str, Any]:
    """List what a message holds, in the order in which one asks for it."""
    fields = message.model_dump()
    names = ("content", "tool_call_chunks", "usage_metadata", "response_metadata", "additional_kwargs")
    first = {name: fields.pop(name) for name in names if name in fields}
    return first | {"content_blocks": list(message.content_blocks)} | fields


def _text(kind: Kind, chunk: Any) -> str:
    match kind:
        case "message":
            calls = (f"{piece['name'] or ''}{piece['args'] or ''}" for piece in chunk.tool_call_chunks)
            return readable(str(chunk.text) or " ".join(calls))
        case "text":
            return readable(chunk)
        case "object":
            return json.dumps(as_json(chunk), ensure_ascii=False, separators=(",", ":"))
        case "event":
            return str(chunk["event"])


def _output(event: Mapping[str, Any]) -> str:
    """Find the text that an event of the whole chain carries, which is the one without parents."""
    whole = event["event"] == "on_chain_stream" and not event["parent_ids"]
    return str(event["data"]["chunk"]) if whole else ""
