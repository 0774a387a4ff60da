"""What a provider's own protocol says, sent by a server of the test's own, and asked as the app asks it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr

from streamlab.agent.graph import AgentAttempt, Thread, chat_agent
from streamlab.events.event import StreamEvent, TextDelta
from streamlab.models.catalog import Models
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.runs.chain import ChainAttempt, chat_chain, chat_input
from streamlab.settings import Settings

KEY = "key-of-the-owner-0123456789"
Make = Callable[[Models, str], ChainAttempt | AgentAttempt]
DATA = Path(__file__).parent / "data/providers"
FUNCTION = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}},
}


@contextmanager
def asking(**settings: str) -> Iterator[Models]:
    """Connect models to a server, by the settings of its provider; the key is KEY."""
    keys = {name: SecretStr(value) if name.endswith("key") else value for name, value in settings.items()}
    with closing(Models(Settings.model_validate(keys), "http://127.0.0.1:9/v1")) as models:
        yield models


def chain(models: Models, model: str, question: str = "hi", temperature: float = DEFAULT_TEMPERATURE) -> ChainAttempt:
    """Make an attempt at an answer without tools."""
    inputs = chat_input("Be brief.", [], question, 1_000)
    return ChainAttempt(lambda: chat_chain(models.chat_model(model, temperature)), inputs)


def agent(models: Models, model: str, question: str = "hi") -> AgentAttempt:
    """Make an attempt at one with tools."""
    return attempt_at(models, model, next_thread(question))


def next_thread(question: str, after: Thread | None = None) -> Thread:
    """Make a turn's conversation, which goes on from that of another turn."""
    memory = after.memory if after else InMemorySaver()
    return Thread(memory, [HumanMessage(question)], after.id if after else None)


def attempt_at(models: Models, model: str, thread: Thread) -> AgentAttempt:
    """Make an attempt at an answer with tools in this conversation."""
    memory = thread.memory
    return AgentAttempt(lambda: chat_agent(models.chat_model(model, DEFAULT_TEMPERATURE), "", memory), thread)


def front_end(models: Models, model: str, *tools: dict[str, Any], **fields: Any) -> ChainAttempt:
    """Make an attempt at what a front end asks in OpenAI's words: with tools of its own, and further fields."""
    client, provider = models.chat_model(model, DEFAULT_TEMPERATURE), models.provider(model)
    return ChainAttempt(lambda: provider.bound(client, tools, fields) | StrOutputParser(), [HumanMessage("hi")])


async def events(attempt: ChainAttempt | AgentAttempt) -> list[StreamEvent]:
    """Read it to its end, or to its failure."""
    return [event async for batch in attempt.events(lambda: 0.0) for event in batch]


async def until_text(attempt: ChainAttempt | AgentAttempt, scope: anyio.CancelScope) -> None:
    """Read it to its first text, and then stop."""
    async for batch in attempt.events(lambda: 0.0):
        if any(isinstance(event, TextDelta) for event in batch):
            scope.cancel()


@asynccontextmanager
async def unfinished(answer: bytes) -> AsyncIterator[tuple[str, anyio.Event]]:
    """Serve an answer that begins and never ends, at a URL; the event says that its client has left."""
    left = anyio.Event()

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(answer)
            try:
                while await stream.receive():
                    pass
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                left.set()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as serving,
    ):
        serving.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}", left
        serving.cancel_scope.cancel()
