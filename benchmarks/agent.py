"""CPU per text delta of an agent's answer, from the model's socket to a follower, beside the agent's bare stream.

Counts the process time of this process; the model writes, as fast as it can, in a process of its own. It is divided
by the number of chunks with text that the model sends, the same for every way. *Ours* is the whole way: agent, its
memory, translation, run, log, and a follower that reads the log on the event loop. Its peer is the agent's bare stream:
the same tools and limits over `ChatOpenAI` as it comes, without memory, read by `astream_events(version="v2")`, all
that comes thrown away. Every measurement has an event loop and a client of its own; to make them is not counted, to
build the agent is.

For orientation, what the modes to read the agent cost over our own model client, thrown away likewise. v3 is in beta:
the events of its run are content blocks, and reasoning beside the content is not among them. The mode `tasks` tells
when each model or tool call begins and ends, `updates` only what it gave. *long*: 1,000 chunks, no tools; *tools*: two
calls, a short answer.
"""

import gc
import time
import warnings
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import closing
from functools import partial
from typing import Any

import uvloop
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

from benchmarks.apps.bare import bare_model
from benchmarks.harness import Claim, Result, by_turns, middles, print_table
from streamlab.agent.graph import AgentAttempt, Thread, chat_agent
from streamlab.demo_model.process import DemoModel
from streamlab.hub import MemoryHub
from streamlab.models.catalog import Models
from streamlab.models.connections import async_http_client
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.runs.run import Runs
from streamlab.settings import Settings

TARGET = 1.15
FAST = "demo?first=0&jitter=0&rate=1000000"
SHAPES = {  # model, question
    "long": (f"{FAST}&chunks=1000", "What is streaming?"),
    "tools": (FAST, "How do the sales of North and South compare, and what is 839320 / 12?"),
}
PEER = "agent's bare stream"

ReadMode = Callable[[BaseChatModel, str], Awaitable[int]]  # reads one answer to its end; how many items it gave


async def ours(model: BaseChatModel, question: str) -> int:
    hub, memory = MemoryHub(), InMemorySaver()
    thread = Thread(memory, [HumanMessage(question)])
    run_id = Runs(hub).start(lambda: AgentAttempt(lambda: chat_agent(model, "", memory), thread))
    with hub.follow(run_id) as follower:
        while await follower.batch():
            pass
        return follower.position.seq


async def events_v2(model: BaseChatModel, question: str) -> int:
    return await drain(chat_agent(model, "").astream_events(agent_input(question), version="v2"))


async def events_v3(model: BaseChatModel, question: str) -> int:
    async with await chat_agent(model, "").astream_events(agent_input(question), version="v3") as run:
        return await drain(run)


def stream_modes(*names: Any) -> ReadMode:
    """Read by `astream` with these stream modes."""

    async def read(model: BaseChatModel, question: str) -> int:
        return await drain(chat_agent(model, "").astream(agent_input(question), stream_mode=list(names)))

    return read


async def invoke(model: BaseChatModel, question: str) -> int:
    answer = await chat_agent(model, "").ainvoke(agent_input(question))
    return len(answer["messages"][-1].text)  # nothing else can be counted


READ_MODES: dict[str, ReadMode] = {
    "ours": ours,
    PEER: events_v2,
    "astream_events(v2)": events_v2,
    "astream_events(v3)": events_v3,
    "astream(messages)": stream_modes("messages"),
    "astream(messages, updates)": stream_modes("messages", "updates"),
    "astream(messages, tasks)": stream_modes("messages", "tasks"),
    "ainvoke": invoke,
}


def agent_input(question: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(question)]}


async def drain(items: AsyncIterable[Any]) -> int:
    return sum([1 async for _ in items])


async def text_chunks(url: str, shape: str) -> int:
    """Count the chunks of an answer that have text."""
    name, question = SHAPES[shape]
    with closing(Models(Settings(), url)) as models:
        model = our_model(models, name)
        async with model.root_async_client:
            chunks = chat_agent(model, "").astream(agent_input(question), stream_mode="messages")
            return sum([1 async for chunk, _ in chunks if isinstance(chunk, AIMessageChunk) and chunk.text])


def our_model(models: Models, name: str) -> ChatOpenAI:
    model = models.chat_model(name, DEFAULT_TEMPERATURE)
    assert isinstance(model, ChatOpenAI)
    return model


async def measure_once(url: str, mode: str, shape: str) -> tuple[int, float]:
    """Return how many items one answer gave, and the seconds of process time that it took."""
    name, question = SHAPES[shape]
    with closing(Models(Settings(), url)) as models:
        model = (
            bare_model(name, url, http_async_client=async_http_client()) if mode == PEER else our_model(models, name)
        )
        async with model.root_async_client:
            gc.collect()
            began = time.process_time()
            count = await READ_MODES[mode](model, question)
            return count, time.process_time() - began


def measure(url: str, shape: str, rounds: int) -> dict[str, list[float]]:
    """Measure µs per text delta for each read mode."""
    deltas = uvloop.run(text_chunks(url, shape))

    def cost(mode: str) -> float:
        count, seconds = uvloop.run(measure_once(url, mode, shape))
        if count < deltas:
            raise RuntimeError(f"{mode}: {count} items of {deltas}")
        return seconds / deltas * 1e6

    return by_turns({name: partial(cost, name) for name in READ_MODES}, rounds)


def run(rounds: int = 9) -> Result:
    with DemoModel() as demo, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*v3 streaming protocol")  # that it is beta
        gc.freeze()  # as the app does
        results = {shape: measure(demo.base_url, shape, rounds) for shape in SHAPES}
    costs = {shape: middles(runs) for shape, runs in results.items()}
    rows = [(name, *(f"{cost[name]:,.0f}" for cost in costs.values())) for name in READ_MODES]
    print_table(("µs of CPU per text delta", *SHAPES), rows)
    claims = [
        Claim(f"CPU per text delta, {shape}, beside {PEER}", cost["ours"], cost[PEER], TARGET, "µs")
        for shape, cost in costs.items()
    ]
    return Result(claims, results)
