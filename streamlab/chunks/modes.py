"""Read modes of one chain: what a program sees of an answer, and what else it can do meanwhile.

Each mode is a coroutine on an event loop of its own, where a second task beats: it notes the time every 50 ms, as long
as it is let. A call that waits without `await` keeps the loop to itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.runnables import Runnable, RunnableConfig

from streamlab.chunks.views import Kind
from streamlab.models.prompt import PROMPT

BEAT = 0.05  # seconds between two beats of the second task
BLOCKED = 0.15  # seconds without a beat that count as blocked

ReadMode = Literal["message", "text", "json", "stream", "astream", "invoke", "events"]
CaptureTopic = Literal["parsers", "calls"]
TOPICS: dict[CaptureTopic, tuple[ReadMode, ...]] = {
    "parsers": ("message", "text", "json"),
    "calls": ("stream", "astream", "invoke", "events"),
}

Model = Runnable[LanguageModelInput, AIMessage]
Inputs = dict[str, Any]
Chain = Runnable[Inputs, Any]
Take = Callable[[Any], None]


def message_chain(model: Model) -> Chain:
    return PROMPT | model


def text_chain(model: Model) -> Chain:
    return PROMPT | model | StrOutputParser()


def json_chain(model: Model) -> Chain:
    return PROMPT | model | JsonOutputParser()


async def read_stream(chain: Chain, inputs: Inputs, take: Take, config: RunnableConfig) -> None:
    for chunk in chain.stream(inputs, config):
        take(chunk)


async def read_astream(chain: Chain, inputs: Inputs, take: Take, config: RunnableConfig) -> None:
    async for chunk in chain.astream(inputs, config):
        take(chunk)


async def read_invoke(chain: Chain, inputs: Inputs, take: Take, config: RunnableConfig) -> None:
    take(chain.invoke(inputs, config))


async def read_events(chain: Chain, inputs: Inputs, take: Take, config: RunnableConfig) -> None:
    async for event in chain.astream_events(inputs, config, version="v2"):
        take(event)


Read = Callable[[Chain, Inputs, Take, RunnableConfig], Awaitable[None]]

READ_MODES: dict[ReadMode, tuple[Callable[[Model], Chain], Read, Kind]] = {
    "message": (message_chain, read_stream, "message"),
    "text": (text_chain, read_stream, "text"),
    "json": (json_chain, read_stream, "object"),
    "stream": (text_chain, read_stream, "text"),
    "astream": (text_chain, read_astream, "text"),
    "invoke": (text_chain, read_invoke, "text"),
    "events": (text_chain, read_events, "event"),
}
"""For each mode the chain that is read, how, and what kind of chunks that gives."""


async def beside_a_heartbeat(read: Callable[[], Awaitable[None]], beat: Callable[[], None]) -> None:
    """Read, and let the second task beat for as long as that takes."""
    heart = asyncio.create_task(_heartbeat(beat))
    await asyncio.sleep(0)  # let it begin
    try:
        await read()
    finally:
        heart.cancel()


async def _heartbeat(beat: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(BEAT)
        beat()


def pauses(beats: Sequence[float], end: float) -> list[tuple[float, float]]:
    """List from when to when the second task did not run: between 0, its beats and the end. In seconds, all of them."""
    return list(pairwise([0.0, *beats, max([end, *beats[-1:]])]))


def blocked(beats: Sequence[float], end: float) -> list[tuple[float, float]]:
    """Keep the pauses that are too long to be those between two beats."""
    return [(start, stop) for start, stop in pauses(beats, end) if stop - start > BLOCKED]
