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
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import anyio
import httpx2
import openai
from langchain_core.language_models import LanguageModelInput
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI

from streamlab.models.chunks import Chunk, ChunkReader, join
from streamlab.models.connections import more_lies_ready, wait_no_longer
from streamlab.models.failures import Failure
from streamlab.models.message_chunks import own_words

logger = logging.getLogger(__name__)

HOOK = "_convert_chunk_to_generation_chunk"
AFTER_END = 2.0  # seconds that a server may take, after the last of the text, to tell the usage and to hang up
BESIDE = ("reasoning_content", "text_kind")


if TYPE_CHECKING:
    _Client = BaseChatOpenAI
else:
    _Client = object  # as a model of pydantic's own it would put its fields in the place of the client's


class _KeepsBeside(_Client):
    """Stands before a client, which then also keeps what `streamlab.models.chunks` finds beside OpenAI's protocol.

    ChatOpenAI drops it on purpose. Here it goes into `additional_kwargs`, under the names that it has there.
    """

    def _get_request_payload(self, input_: LanguageModelInput, **kwargs: Any) -> dict[str, Any]:
        messages = own_words(self._convert_input(input_).to_messages(), "openai")
        payload: dict[str, Any] = super()._get_request_payload(messages, **kwargs)
        return payload

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *args: Any, **kwargs: Any
    ) -> ChatGenerationChunk | None:
        generation = super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
        if generation and (choices := chunk.get("choices")):
            delta = choices[0].get("delta") or {}
            for name in BESIDE:
                if said := delta.get(name):
                    generation.message.additional_kwargs[name] = said
        return generation


class CompatibleChatOpenAI(_KeepsBeside, ChatOpenAI):
    """ChatOpenAI that does."""


class CompatibleAzureChatOpenAI(_KeepsBeside, AzureChatOpenAI):
    """AzureChatOpenAI that does."""


def give_plain_chunks(model: BaseChatOpenAI) -> None:
    """Make the model read normalised dicts in place of validated objects.

    `ChatOpenAI` turns each object into a dict at once; making them costs more than all the rest of the chain
    (figures: `benchmarks/chunks.py`).
    """
    check_hook(BaseChatOpenAI)
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
        self._key = client.api_key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def create(self, **payload: Any) -> Any:
        if not payload.get("stream"):
            return self._stock.create(**payload)
        raw = self._stock.with_raw_response.create(**payload)
        return PlainStream(raw.http_response, self._reader(payload))

    def _reader(self, payload: dict[str, Any]) -> ChunkReader:
        calls = (call for message in payload.get("messages", ()) for call in message.get("tool_calls") or ())
        return ChunkReader((call["id"] for call in calls), self._key)


class AsyncPlainCompletions(PlainCompletions):
    """The same on the event loop, for the agent."""

    async def create(self, **payload: Any) -> Any:
        if not payload.get("stream"):
            return await self._stock.create(**payload)
        raw = await self._stock.with_raw_response.create(**payload)
        return AsyncPlainStream(raw.http_response, self._reader(payload))


class PlainStream:
    """Normalised chunks, joined where several lie ready: nothing that has arrived waits for what has not."""

    def __init__(self, response: httpx2.Response, reader: ChunkReader) -> None:
        self._response = response
        self._reader = reader

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._response.close()

    def __iter__(self) -> Iterator[Chunk]:
        held: Chunk | None = None
        try:
            for chunk in self._chunks():
                joined = join(held, chunk) if held else chunk
                if held and joined is None:
                    yield held
                held = joined or chunk
                if not more_lies_ready(self._response):
                    yield held
                    held = None
        except Exception:
            if held:
                yield held  # it came before what is wrong
            raise
        if held:
            yield held

    def _chunks(self) -> Iterator[Chunk]:
        with _named_breaks(self._reader):
            for data in self._response.iter_bytes():
                yield from self._reader.feed(data)
                if self._reader.ended:
                    break
                if self._reader.complete:
                    wait_no_longer(self._response, AFTER_END)
        yield from self._reader.close()


class AsyncPlainStream:
    """Normalised chunks, as many as they came."""

    def __init__(self, response: httpx2.Response, reader: ChunkReader) -> None:
        self._response = response
        self._reader = reader

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._response.aclose()

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        with _named_breaks(self._reader):
            async for data in self._parts():
                for chunk in self._reader.feed(data):
                    yield chunk
                if self._reader.ended:
                    break
        for chunk in self._reader.close():
            yield chunk

    async def _parts(self) -> AsyncIterator[bytes]:
        """Give the parts of the body; of a whole answer no longer than what may still follow it takes."""
        parts = self._response.aiter_bytes()
        data: bytes | None = b""
        while data is not None:
            yield data
            with anyio.move_on_after(AFTER_END if self._reader.complete else None) as scope:
                data = await anext(parts, None)
            if scope.cancelled_caught:
                return


@contextmanager
def _named_breaks(reader: ChunkReader) -> Iterator[None]:
    """Name the failure of a connection that breaks; after the end of the answer nothing is lost by it."""
    try:
        yield
    except httpx2.TimeoutException:
        if not reader.complete:
            raise TimeoutError from None
    except httpx2.RequestError as error:
        if not reader.complete:
            raise Failure("connection_lost") from error
