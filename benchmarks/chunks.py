"""CPU per chunk of an answer, from the model's socket to a follower, beside the bare chain.

Counts the process time of this process, divided by the number of chunks; the model writes them in a process of
its own. *Ours* is the whole way: chain, run, log, and a follower that reads the log on the event loop. The bare chain
is the same prompt and parser with `ChatOpenAI` as it comes, over the same limits of the HTTP client, its text thrown
away. *fast*: as quickly as the model can write; *paced*: one by one, 100 a second.
"""

import gc
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import httpx2
import uvloop

from benchmarks.apps.bare import bare_model
from benchmarks.harness import Claim, Result, by_turns, middles, print_table
from streamlab.agent.tasks import Agents
from streamlab.chats.chats import Chats
from streamlab.demo_model.process import DemoModel
from streamlab.events.event import TextDelta
from streamlab.hub import MemoryHub
from streamlab.models.catalog import Models
from streamlab.models.connections import LIMITS, TIMEOUT, async_http_client
from streamlab.models.options import Options
from streamlab.runs.chain import chat_chain, chat_input
from streamlab.runs.run import Runs
from streamlab.settings import Settings

TARGET = 1.15
QUESTION = "What is streaming?"
INPUT = chat_input("", [], QUESTION, 1_000)
PACES = {"fast": (2_000, 1_000_000), "paced": (200, 100)}  # chunks, chunks per second
PEERS = ("chain.stream()", "chain.astream()")

ReadMode = Callable[[str], int]  # reads one answer of the named model to its end; how many characters it had


async def follow(models: Models, model: str) -> int:
    hub = MemoryHub()
    runs = Runs(hub)
    chat = await Chats(runs, models, Agents(runs, models, hub, 1_000), hub, 1_000).ask(None, QUESTION, Options(model))
    characters = 0
    with hub.follow(chat.turns[-1].run_id) as follower:
        while batch := await follower.batch():
            characters += sum(len(event.content) for event in batch if isinstance(event, TextDelta))
    return characters


def stream(url: str, http: httpx2.Client, model: str) -> int:
    return sum(len(text) for text in chat_chain(bare_model(model, url, http_client=http)).stream(INPUT))


async def astream(url: str, http: httpx2.Client, model: str) -> int:
    async with async_http_client() as client:
        bare = bare_model(model, url, http_client=http, http_async_client=client)
        return sum([len(text) async for text in chat_chain(bare).astream(INPUT)])


def microseconds(mode: ReadMode, chunks: int, rate: float) -> float:
    """Measure an answer of the demo model."""
    return spent_on(partial(mode, f"demo?first=0&jitter=0&size=5&chunks={chunks}&rate={rate}"), chunks)


def spent_on(read: Callable[[], int], chunks: int) -> float:
    """Measure the process time per chunk of one answer, in µs; `read` tells how many characters it had."""
    gc.collect()
    began = time.process_time()
    characters = read()
    spent = time.process_time() - began
    if characters < chunks * 5:
        raise RuntimeError(f"{characters} characters of {chunks * 5}")
    return spent / chunks * 1e6


def run(rounds: int = 9) -> Result:
    gc.freeze()  # as the app does
    with (
        DemoModel() as demo,
        closing(Models(Settings(), demo.base_url)) as models,
        httpx2.Client(limits=LIMITS, timeout=TIMEOUT, follow_redirects=True) as http,
    ):
        modes: dict[str, ReadMode] = {
            "ours": lambda model: uvloop.run(follow(models, model)),
            "chain.stream()": lambda model: stream(demo.base_url, http, model),
            "chain.astream()": lambda model: uvloop.run(astream(demo.base_url, http, model)),
        }
        results = {
            pace: by_turns({name: partial(microseconds, mode, *shape) for name, mode in modes.items()}, rounds)
            for pace, shape in PACES.items()
        }
    middle = {pace: middles(runs) for pace, runs in results.items()}
    print_table(
        ("µs of CPU per chunk", *PACES), [(name, *(f"{middle[pace][name]:.0f}" for pace in PACES)) for name in modes]
    )
    claims = [
        Claim(f"CPU per chunk, {pace}, beside {peer}", cost["ours"], cost[peer], TARGET, "µs")
        for pace, cost in middle.items()
        for peer in PEERS
    ]
    return Result(claims, results)
