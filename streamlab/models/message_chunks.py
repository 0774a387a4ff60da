"""The chunks of a provider's own LangChain client, in the form that all else reads: what `chunks` is for OpenAI's wire.

Why the model stopped is said as OpenAI does, in the last chunk's `generation_info`. An answer is complete when the
server said why it stopped, and only then. Tool calls come when the answer is complete: LangChain takes half of a
call's arguments for whole ones, so what was cut must not get as far.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, cast

import anyio
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from streamlab.models.chunks import finish_reason
from streamlab.models.connections import NextStream
from streamlab.models.failures import Failure
from streamlab.models.joined_chunks import joined

if TYPE_CHECKING:
    _Client = BaseChatModel
else:
    _Client = object  # as a model of pydantic's own it would put its fields in the place of the client's

AFTER_END = 2.0  # seconds that a server may take to hang up
_CALLS = frozenset(("tool_use", "input_json_delta"))  # blocks of a content that are a call's


class WholeAnswers(_Client):
    """Stands before a provider's own client: its answers are whole, or fail."""

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        return _read(super()._stream(messages, stop, None, **kwargs), run_manager)

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        return _aread(super()._astream(messages, stop, None, **kwargs), run_manager)

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return _whole(super()._generate(*args, **kwargs))  # type: ignore[safe-super]

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return _whole(await super()._agenerate(*args, **kwargs))


class _Answer:
    """Reads the chunks of one answer."""

    def __init__(self) -> None:
        self.finish: str | None = None
        self.over = False
        """Whether the server has said all that it says."""
        self._begun = False
        self._written = False
        self._calls: list[ChatGenerationChunk] = []
        self._usage: UsageMetadata | None = None  # what was told and is not given yet

    def feed(self, chunk: ChatGenerationChunk) -> Iterator[ChatGenerationChunk]:
        """Give the chunks that are to be seen now."""
        message = cast(AIMessageChunk, chunk.message)
        self._begun = True
        self._written = self._written or bool(message.content)
        finish = None if self.finish else finish_of(message.response_metadata, chunk.generation_info)
        counted = self._count(message)
        if finish:
            self.finish = finish
            if finish == "length":  # at which a call may have been cut, too
                self._calls, chunk = [], _without_calls(chunk)
            yield from self._calls
            chunk.generation_info = {**(chunk.generation_info or {}), "finish_reason": finish}
        elif message.tool_call_chunks and not self.finish:
            self._calls.append(chunk)
            return
        if self.finish and self._usage and _plausible(self._usage, written=self._written):
            cast(AIMessageChunk, chunk.message).usage_metadata, self._usage = self._usage, None
        yield chunk
        self.over = bool(self.finish and counted)

    def _count(self, message: AIMessageChunk) -> bool:
        """Take what a chunk tells of the usage, of which each tells what is new; tell whether it told any.

        It is given once, at the end: what a server tells before is not what the answer came to.
        """
        if told := message.usage_metadata:
            message.usage_metadata = None
            self._usage = add_usage(self._usage, told) if self._usage else told
        return bool(told)

    def close(self) -> None:
        """Raise Failure for an answer that is not whole."""
        if failure := _failure(self.finish):
            raise failure
        if self.finish:
            return
        if self._begun:
            raise Failure("connection_lost", detail="the answer ended before the server said that it was whole")
        raise Failure("provider_unavailable", detail="the server sent nothing that is a chunk of an answer")


def _read(
    chunks: Iterator[ChatGenerationChunk], manager: CallbackManagerForLLMRun | None
) -> Iterator[ChatGenerationChunk]:
    """Give an answer's chunks, joined where several lie ready, and tell `manager` of each. Raises Failure."""
    for chunk in joined(_checked(chunks), NextStream().more_lies_ready):
        if manager:
            manager.on_llm_new_token(chunk.text, chunk=chunk)
        yield chunk


def _checked(chunks: Iterator[ChatGenerationChunk]) -> Generator[ChatGenerationChunk, None, None]:
    answer = _Answer()
    with closing(cast(Generator[ChatGenerationChunk, None, None], chunks)) as incoming:
        try:
            for chunk in incoming:
                yield from answer.feed(chunk)
                if answer.over:
                    break
        except Exception:
            if not answer.finish:  # after it nothing can harm the answer
                raise
    answer.close()


async def _aread(
    chunks: AsyncIterator[ChatGenerationChunk], manager: AsyncCallbackManagerForLLMRun | None
) -> AsyncIterator[ChatGenerationChunk]:
    """Do the same on the event loop, where none are joined."""
    answer = _Answer()
    async with aclosing(cast(AsyncGenerator[ChatGenerationChunk, None], chunks)) as incoming:
        try:
            while chunk := await _next(incoming, answer):
                for each in answer.feed(chunk):
                    if manager:
                        await manager.on_llm_new_token(each.text, chunk=each)
                    yield each
        except Exception:
            if not answer.finish:
                raise
    answer.close()


async def _next(incoming: AsyncIterator[ChatGenerationChunk], answer: _Answer) -> ChatGenerationChunk | None:
    """Wait for a chunk; after the last for the stream's own end only, by which all beneath it is closed in order."""
    with anyio.move_on_after(AFTER_END if answer.over else None):
        return await anext(incoming, None)
    return None


def own_words(messages: Sequence[BaseMessage], provider: str) -> list[BaseMessage]:
    """Tell what another provider's model wrote as text with its calls.

    Thoughts and signatures are no one else's: who signed none of them refuses them. `provider` is as LangChain has it.
    """
    return [_plain(message) if _is_foreign(message, provider) else message for message in messages]


def _is_foreign(message: BaseMessage, provider: str) -> bool:
    own = message.response_metadata.get("model_provider") == provider
    return isinstance(message, AIMessage) and not isinstance(message.content, str) and not own


def _plain(message: BaseMessage) -> BaseMessage:
    return message.model_copy(update={"content": message.text, "additional_kwargs": {}})


def _whole(result: ChatResult) -> ChatResult:
    """Say in the same way why the model stopped that was not streamed. Raises Failure."""
    for generation in result.generations:
        said = {**(result.llm_output or {}), **generation.message.response_metadata}
        finish = finish_of(said, generation.generation_info)
        if failure := _failure(finish):
            raise failure
        if finish:
            generation.message.response_metadata["finish_reason"] = finish
        message = generation.message
        if isinstance(message, AIMessage) and (told := message.usage_metadata):
            message.usage_metadata = told if _plausible(told, written=bool(message.content)) else None
    return result


def finish_of(said: dict[str, Any], info: dict[str, Any] | None = None) -> str | None:
    """Find why the model stopped: Anthropic's `stop_reason`, Google's `finish_reason`, or what Google blocked."""
    feedback = said.get("prompt_feedback") or {}
    if feedback.get("block_reason"):
        return "content_filter"
    reason = (info or {}).get("finish_reason") or said.get("finish_reason") or said.get("stop_reason")
    return finish_reason(reason)


def reasoning_text(message: AIMessage) -> str:
    """Find a message's reasoning: beside the content, or blocks of type `reasoning` or `thinking` within it."""
    beside = message.additional_kwargs.get("reasoning_content") or ""
    blocks = message.content if isinstance(message.content, list) else []
    return beside + "".join(_block_reasoning(block) for block in blocks if isinstance(block, dict))


def _block_reasoning(block: dict[str, Any]) -> str:
    match block.get("type"):
        case "thinking":
            inner = block.get("thinking") or ""
            return inner if isinstance(inner, str) else _texts(inner)
        case "reasoning":
            return str(block.get("reasoning") or "") or _texts(block.get("summary") or [])
        case _:
            return ""


def _texts(parts: list[dict[str, Any]]) -> str:
    return "".join(part.get("text") or "" for part in parts)


def _failure(finish: str | None) -> Failure | None:
    if finish == "content_filter":
        return Failure("content_filtered")
    if finish == "error":
        return Failure("provider_unavailable", detail="the server ended the answer because of an error")
    return None


def _plausible(usage: UsageMetadata, *, written: bool) -> bool:
    """Tell whether somebody counted: a server that counts nothing tells zeros."""
    return bool(usage["input_tokens"] and (usage["output_tokens"] or not written))


def _without_calls(chunk: ChatGenerationChunk) -> ChatGenerationChunk:
    message = chunk.message
    if not isinstance(message, AIMessageChunk) or not message.tool_call_chunks:
        return chunk
    content: Any = message.content
    if isinstance(content, list):
        content = [block for block in content if not (isinstance(block, dict) and block.get("type") in _CALLS)]
    left = AIMessageChunk(
        content=content,
        response_metadata=message.response_metadata,
        id=message.id,
    )
    return ChatGenerationChunk(message=left, generation_info=chunk.generation_info)
