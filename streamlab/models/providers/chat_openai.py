"""What leans on the inside of langchain-openai: which chunks `ChatOpenAI` reads, and what it keeps of them.

Checked with langchain-openai 1.7.4 (and openai 3.57.0, of which only public parts are used). Two things are not
promised:

- `_convert_chunk_to_generation_chunk` is called for each chunk. It is private, but LangChain's own packages for other
  providers override it as well. Without it, reasoning that stands beside the content is lost, and that is logged.
- `_stream` and `_astream` call `create` of the public fields `client` and `async_client`, and take chunks that are
  dicts as well. If they went another way, the chunks would be those of the stock client: whole, only dearer.

`tests/test_upstream.py` fails when either changes.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import openai
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI

from streamlab.models.chunks import join, normalised
from streamlab.models.connections import more_lies_ready

logger = logging.getLogger(__name__)

HOOK = "_convert_chunk_to_generation_chunk"


class CompatibleChatOpenAI(ChatOpenAI):
    """ChatOpenAI that also keeps the reasoning that compatible servers send beside the content.

    It is not part of OpenAI's protocol and is dropped by ChatOpenAI on purpose. Here it goes into
    `additional_kwargs["reasoning_content"]`, the name under which `streamlab.models.chunks` has it.
    """

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *args: Any, **kwargs: Any
    ) -> ChatGenerationChunk | None:
        generation = super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
        if generation and (choices := chunk.get("choices")):
            delta = choices[0].get("delta") or {}
            if reasoning := delta.get("reasoning_content"):
                generation.message.additional_kwargs["reasoning_content"] = reasoning
        return generation


def give_plain_chunks(model: ChatOpenAI) -> None:
    """Make the model read normalised dicts in place of validated objects.

    `ChatOpenAI` turns each object into a dict at once; making them costs more than all the rest of the chain
    (figures: `benchmarks/chunks.py`).
    """
    check_hook(type(model).__bases__[0])
    model.client = PlainCompletions(model.root_client)
    model.async_client = AsyncPlainCompletions(model.root_async_client)


def check_hook(base: type) -> bool:
    """Tell whether the class that is extended still has the hook, and log when it has not."""
    found = callable(getattr(base, HOOK, None))
    if not found:
        logger.warning("%s has no %s any more: reasoning beside the content is dropped", base.__name__, HOOK)
    return found


class PlainCompletions:
    """The chat completions of a client, whose streams are normalised dicts; all else is as the client has it."""

    def __init__(self, client: openai.OpenAI | openai.AsyncOpenAI) -> None:
        self._stock: Any = client.chat.completions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def create(self, **payload: Any) -> Any:
        if not payload.get("stream"):
            return self._stock.create(**payload)
        raw = self._stock.with_raw_response.create(**payload)
        return PlainStream(raw.parse(to=openai.Stream[object]))


class AsyncPlainCompletions(PlainCompletions):
    """The same on the event loop, for the agent."""

    async def create(self, **payload: Any) -> Any:
        if not payload.get("stream"):
            return await self._stock.create(**payload)
        raw = await self._stock.with_raw_response.create(**payload)
        return AsyncPlainStream(raw.parse(to=openai.AsyncStream[object]))


class PlainStream:
    """Normalised chunks, joined where several lie ready: nothing that has arrived waits for what has not."""

    def __init__(self, stream: openai.Stream[object]) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[Any]:
        response = self._stream.response
        held: Any = None
        try:
            for chunk in map(normalised, self._stream):
                joined = join(held, chunk) if held else chunk
                if held and joined is None:
                    yield held
                held = joined or chunk
                if not more_lies_ready(response):
                    yield held
                    held = None
        except Exception:
            if held:
                yield held  # it came before what is wrong
            raise
        if held:
            yield held


class AsyncPlainStream:
    """Normalised chunks, as many as they came."""

    def __init__(self, stream: openai.AsyncStream[object]) -> None:
        self._stream = stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stream.close()

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for chunk in self._stream:
            yield normalised(chunk)
