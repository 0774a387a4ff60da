"""The chunks of a streamed answer, as few and as plain as what follows allows.

What a chain does with a chunk costs the same whether it holds one token or ten, and several times what it costs to
read it. So chunks that one read from the network gave, and that only carry on the same text, become one.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

import openai
from openai.resources.chat import AsyncCompletions, Completions

from streamlab.models.connections import more_lies_ready

T = TypeVar("T")

TEXTS = ("content", "reasoning_content", "reasoning")


class PlainCompletions(Completions):
    """Gives the chunks of a stream as dicts, in the form in which they came over the wire.

    `ChatOpenAI` reads dicts as well; a validated model of each chunk, which it turns into a dict at once, costs more
    than all the rest of the chain (figures: `benchmarks/chunks.py`).
    """

    def create(self, **payload: Any) -> Any:
        completions = Completions(self._client)
        if not payload.get("stream"):
            return completions.create(**payload)
        return completions.with_raw_response.create(**payload).parse(to=JoinedStream[object])


class AsyncPlainCompletions(AsyncCompletions):
    """The same on the event loop, for the agent; there the chunks stay as many as they came."""

    async def create(self, **payload: Any) -> Any:
        completions = AsyncCompletions(self._client)
        if not payload.get("stream"):
            return await completions.create(**payload)
        return (await completions.with_raw_response.create(**payload)).parse(to=openai.AsyncStream[object])


class JoinedStream(openai.Stream[T]):
    """A stream in which nothing that has arrived waits for what has not."""

    def __stream__(self) -> Iterator[T]:
        held: T | None = None
        try:
            for chunk in super().__stream__():
                joined = join(held, chunk) if held else chunk
                if held and joined is None:
                    yield held
                held = joined or chunk
                if not more_lies_ready(self.response):
                    yield held
                    held = None
        except Exception:
            if held:
                yield held  # it came before what is wrong
            raise
        if held:
            yield held


def join(chunk: Any, following: Any) -> Any:
    """One chunk with the text of both, None if one of them has more to say than text of the same kind."""
    first, second = _only_text(chunk), _only_text(following)
    if not first or not second or first[0] != second[0]:
        return None
    kind, text = first[0], first[1] + second[1]
    choice = chunk["choices"][0]
    return {**chunk, "choices": [{**choice, "delta": {**choice["delta"], kind: text}}]}


def _only_text(chunk: Any) -> tuple[str, str] | None:
    """The kind of text and the text of a chunk that has nothing else; who speaks counts for nothing here."""
    match chunk:
        case {"choices": [{"delta": dict(delta)} as choice]} if not (
            chunk.get("usage") or choice.get("finish_reason") or choice.get("logprobs")
        ):
            said = [(name, value) for name, value in delta.items() if value and name != "role"]
            if len(said) == 1 and said[0][0] in TEXTS and isinstance(said[0][1], str):
                return said[0]
    return None
