"""Chunks of a provider's own LangChain client, joined where several lie ready: what `join` is for OpenAI's wire.

What a chain does with a chunk costs the same whether it holds one token or ten. So chunks that one read from the
network gave, and that only carry on the same text, become one. Nothing that has arrived waits for what has not.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

_BARE = frozenset(("type", "index"))  # what a block has beside its text, if it has nothing else to say
_FIELDS = {"text": "text", "thinking": "thinking"}  # where a block of this type has its text


class _Text(NamedTuple):
    text: str
    kind: tuple[Any, ...]
    """What another must be equal in to carry it on."""


def joined(
    chunks: Generator[ChatGenerationChunk, None, None], more_lies_ready: Callable[[], bool]
) -> Iterator[ChatGenerationChunk]:
    """Give the chunks, those of mere text as one until no more of it lies ready."""
    held = _Held()
    with closing(chunks) as incoming:
        try:
            for chunk in incoming:
                text = _mere_text(chunk)
                if not text or text.kind != held.kind:
                    yield from held.given()
                if text:
                    held.add(chunk, text)
                else:
                    yield chunk
                if not more_lies_ready():
                    yield from held.given()
        except Exception:
            yield from held.given()  # it came before what is wrong
            raise
    yield from held.given()


class _Held:
    """Chunks that carry on one text."""

    def __init__(self) -> None:
        self.kind: tuple[Any, ...] | None = None
        self._first: ChatGenerationChunk | None = None
        self._texts: list[str] = []

    def add(self, chunk: ChatGenerationChunk, text: _Text) -> None:
        self.kind = text.kind
        self._first = self._first or chunk
        self._texts.append(text.text)

    def given(self) -> Iterator[ChatGenerationChunk]:
        """Give them as one, if there are any, and hold nothing any more."""
        first, texts = self._first, self._texts
        self.kind, self._first, self._texts = None, None, []
        if first:
            yield _with_text(first, "".join(texts)) if len(texts) > 1 else first


def _mere_text(chunk: ChatGenerationChunk) -> _Text | None:
    """Find the text of a chunk that has nothing else, save what its provider says with each anew."""
    message, info = chunk.message, chunk.generation_info or {}
    if "finish_reason" in info or not isinstance(message, AIMessageChunk):
        return None
    if message.tool_call_chunks or message.additional_kwargs or message.usage_metadata or message.chunk_position:
        return None
    beside = (message.id, message.response_metadata, info)
    match message.content:
        case str(text) if text:
            return _Text(text, beside)
        case [dict(block)] if (field := _FIELDS.get(block.get("type", ""))) and block.keys() - _BARE == {field}:
            said = block[field]
            return _Text(said, (*beside, field, block.get("index"))) if isinstance(said, str) and said else None
    return None


def _with_text(chunk: ChatGenerationChunk, text: str) -> ChatGenerationChunk:
    """Make a chunk of another text of the same kind."""
    match chunk.message.content:
        case [dict(block)]:
            chunk.message.content = [{**block, _FIELDS[block["type"]]: text}]
        case _:
            chunk.message.content = text
    return ChatGenerationChunk(message=chunk.message, generation_info=chunk.generation_info)  # with the message's text
