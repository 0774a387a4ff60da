"""The chain that answers, and one attempt at running it.

The chain is driven by `.stream()` in a thread rather than by `.astream()` on the loop. Both do the same work, but
`.astream()` makes a task for every chunk at every stage of the chain, and at its end it joins all chunks again, on
the loop, while every other stream waits (figures: `make bench`, ARCHITECTURE.md).
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    trim_messages,
)
from langchain_core.messages import ToolCall as Call
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, GenerationChunk, LLMResult
from langchain_core.runnables import Runnable

from streamlab.attachments.content import message_tokens, typed_tokens
from streamlab.events.event import StreamEvent, TextDelta, Thinking, ToolCall, Usage
from streamlab.models.connections import Connections
from streamlab.models.message_chunks import reasoning_text
from streamlab.models.prompt import CHAT_PROMPT
from streamlab.models.usage import estimated_usage, reported_usage
from streamlab.runs.pump import Pump

Clock = Callable[[], float]

Inputs = dict[str, Any] | list[BaseMessage]
"""What a chain takes: what CHAT_PROMPT does, or all messages."""

MESSAGE_TOKENS = 4  # what a message costs besides what is in it
LONGEST_DELTA = 32 * 1024  # characters; what one event may hold is counted in bytes


def chat_chain(model: BaseChatModel) -> Runnable[dict[str, Any], str]:
    """Make the chain that takes `chat_input(...)` and gives the answer's text."""
    return CHAT_PROMPT | model | StrOutputParser()


def chat_input(
    system: str, history: Sequence[BaseMessage], question: str | HumanMessage, history_tokens: int
) -> dict[str, Any]:
    """Prepare what `chat_chain` takes: the newest exchanges that fit into `history_tokens`, and the whole question."""
    return {
        "system": [SystemMessage(system)] if system.strip() else [],
        "history": newest(history, history_tokens),
        "question": [question if isinstance(question, HumanMessage) else HumanMessage(question)],
    }


def newest(messages: Sequence[BaseMessage], tokens: int) -> list[BaseMessage]:
    """Keep the last exchanges that fit; each is whole, from its question on, with the files that go with it."""

    def count(messages: Sequence[BaseMessage]) -> int:
        return sum(typed_tokens(message) + MESSAGE_TOKENS for message in messages)

    return trim_messages(messages, max_tokens=tokens, token_counter=count, strategy="last", start_on="human")


def count_tokens(messages: Sequence[BaseMessage]) -> int:
    """Estimate the tokens without tables."""
    return sum(message_tokens(message) + MESSAGE_TOKENS for message in messages)


class ChainAttempt:
    """One run of a chain, from its input to its events: `thinking`, `text_delta`, and a `tool_call` for what the model
    calls of the functions that are in the chain, which whoever asked will run.
    """

    def __init__(self, build: Callable[[], Runnable[Any, str]], inputs: Inputs) -> None:
        self._build = build  # called in the thread: a new model's client takes time to make
        self._inputs = inputs
        self._observer = _Observer()
        self._text: list[str] = []
        self._thoughts: list[str] = []

    @property
    def usage(self) -> Usage:
        """As the server reported it, otherwise estimated from what was sent and has arrived."""
        if self._observer.usage:
            return self._observer.usage
        sent = CHAT_PROMPT.invoke(self._inputs).to_messages() if isinstance(self._inputs, dict) else self._inputs
        return estimated_usage(count_tokens(sent), "".join(self._text), "".join(self._thoughts))

    @property
    def remark(self) -> str | None:
        """What is to be said of the answer, also that it ends with `tool_calls` for whoever asked."""
        return "tool_calls" if self._observer.calls else answer_remark(self._observer.finish, self._observer.text_kind)

    async def events(self, clock: Clock) -> AsyncIterator[list[StreamEvent]]:
        """Give the events in batches, as they gather; `at` is the clock's time in the moment each one arrived."""
        connections = Connections()

        def produce() -> Iterator[StreamEvent]:
            connections.adopt()
            return self._produce(clock)

        with Pump(produce, connections.end) as pump:
            async for batch in pump.batches():
                yield batch

    def _produce(self, clock: Clock) -> Iterator[StreamEvent]:
        for text in self._build().stream(self._inputs, config={"callbacks": [self._observer]}):
            if reasoning := self._observer.take_reasoning():
                self._thoughts.append(reasoning)
                yield Thinking(reasoning, at=clock())
            self._text.append(text)
            for start in range(0, len(text), LONGEST_DELTA):
                yield TextDelta(text[start : start + LONGEST_DELTA], at=clock())
        for call in self._observer.calls:
            yield ToolCall(call["name"] or "", call["id"] or "", call["args"], at=clock())


class _Observer(BaseCallbackHandler):
    """What the parser drops: reasoning, usage and why the model stopped."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.text_kind: str | None = None
        self._reasoning: list[str] = []
        self._calling: AIMessage | None = None

    @property
    def calls(self) -> list[Call | InvalidToolCall]:
        """Return the calls that the model made; the arguments of one that are no JSON are as it wrote them."""
        message = self._calling
        return [*message.tool_calls, *message.invalid_tool_calls] if message else []

    def take_reasoning(self) -> str:
        if not self._reasoning:
            return ""
        text = "".join(self._reasoning)
        self._reasoning.clear()
        return text

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Take these from an answer that came whole; of a stream it is known already."""
        generation = response.generations[0][0]
        message = generation.message if isinstance(generation, ChatGeneration) else None
        if isinstance(message, AIMessage) and not isinstance(message, AIMessageChunk):
            if reported := message.usage_metadata:
                self.usage = reported_usage(reported)
            self.finish = message.response_metadata.get("finish_reason")
            self._reasoning.append(reasoning_text(message))
            self._calling = message

    def on_llm_new_token(
        self, token: Any, *, chunk: GenerationChunk | ChatGenerationChunk | None = None, **kwargs: Any
    ) -> None:
        message = chunk.message if isinstance(chunk, ChatGenerationChunk) else None
        if not isinstance(message, AIMessageChunk):
            return
        if reported := message.usage_metadata:
            self.usage = reported_usage(reported)
        if chunk and chunk.generation_info and (finish := chunk.generation_info.get("finish_reason")):
            self.finish = finish
        if isinstance(before := self._calling, AIMessageChunk):
            self._calling = before + message
        elif message.tool_call_chunks:
            self._calling = message
        if message.additional_kwargs or not isinstance(message.content, str):
            self._reasoning.append(reasoning_text(message))
            self.text_kind = message.additional_kwargs.get("text_kind") or self.text_kind


def answer_remark(finish: str | None, text_kind: str | None) -> str | None:
    """Say what sets an answer apart: it was cut at its `length`, is a `refusal`, or a `transcript` of a spoken one."""
    return "length" if finish == "length" else text_kind
