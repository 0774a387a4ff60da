"""The embedded store beside memory: what it costs that what anyone has seen is in a file.

- *CPU per chunk*: the whole way of an answer, from the model's socket to a follower, as `chunks` measures ours.
- *first text*: from the question to the first text in a follower's hands, of a model that answers at once.
- *fan-out*: CPU of the gateway for each event that one of 300 clients is sent, as `fanout` measures it.
- *lag*: 20 runs of 50 events a second, from just before each append until a follower has the event, p99.
- *start*: from the making of the hub until a conversation is read, with 10,000 conversations in the file and without.
"""

import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop

from benchmarks import fanout
from benchmarks.apps.workload import Workload
from benchmarks.harness import GATEWAY, Claim, Result, asgi_server, by_turns, middles, percentile, print_table
from benchmarks.sse_clients import PreparedRun
from streamlab.agent.tasks import Agents
from streamlab.chats.chat import CHATS, Chat, Turn
from streamlab.chats.chats import Chats
from streamlab.demo_model.process import DemoModel
from streamlab.events.event import Done, TextDelta
from streamlab.events.outcome import UNKNOWN, Outcome
from streamlab.events.timings import Timings
from streamlab.hub import Hub, MemoryHub
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.run import Runs
from streamlab.settings import Settings

CPU, FIRST_TEXT, FANOUT, LAG, START = 1.10, 3.0, 1.05, 60.0, 300.0  # targets; times in ms
PACES = {"fast": (1, 2_000, 1_000_000), "paced": (1, 400, 100), "20 paced": (20, 200, 50)}
"""Answers at the same time, chunks of each, chunks per second."""
CLIENTS, RATE, SECONDS = 300, 50, 10
RUNS, LAG_SECONDS = 20, 60
CONVERSATIONS = 10_000
ANSWER = "What comes bit by bit is read while it is written. " * 20

Measure = Callable[[], Coroutine[Any, Any, float]]


async def answer(hub: Hub, models: Models, model: str) -> tuple[int, float]:
    """Follow one answer to its end: the characters, and the seconds until the first of them."""
    runs = Runs(hub)
    chats = Chats(runs, models, Agents(runs, models, hub, 1_000), hub, 1_000)
    began, first, characters = time.perf_counter(), 0.0, 0
    chat = await chats.ask(None, "What is streaming?", Options(model))
    with (await hub.open(chat.turns[-1].run_id)).follow() as follower:
        while batch := await follower.batch():
            characters += sum(len(event.content) for event in batch if isinstance(event, TextDelta))
            if characters and not first:
                first = time.perf_counter() - began
    return characters, first


async def microseconds(hub: Hub, models: Models, answers: int, chunks: int, rate: float) -> float:
    """Measure the process time per chunk of answers that are read at the same time, in µs."""
    gc.collect()
    began = time.process_time()
    model = f"demo?first=0&jitter=0&size=5&chunks={chunks}&rate={rate}"
    found = await asyncio.gather(*(answer(hub, models, model) for _ in range(answers)))
    spent = time.process_time() - began
    if sum(characters for characters, _ in found) < answers * chunks * 5:
        raise RuntimeError("an answer is not whole")
    return spent / answers / chunks * 1e6


async def first_text(hub: Hub, models: Models) -> float:
    """Measure the milliseconds until the first text."""
    _, first = await answer(hub, models, "demo?first=0&jitter=0&size=5&chunks=5&rate=1000")
    return first * 1e3


async def lags(hub: Hub, seconds: float) -> list[float]:
    """Measure how long each event of all runs took to a follower, in ms."""
    found: list[float] = []

    async def produce(number: int) -> None:
        log = hub.create(uuid4().hex)
        reading = asyncio.create_task(read(log.run_id))
        began = time.monotonic() + number / RUNS / RATE
        for event in range(round(RATE * seconds)):
            await asyncio.sleep(max(0.0, began + event / RATE - time.monotonic()))
            log.append(TextDelta("word ", at=time.monotonic() - log.began, step=1 + event % 2))
        log.append(Done("completed", at=time.monotonic() - log.began))
        await reading

    async def read(run_id: str) -> None:
        log = hub.log(run_id)
        with log.follow() as follower:
            while batch := await follower.batch():
                now = time.monotonic() - log.began
                found.extend((now - event.at) * 1e3 for event in batch if isinstance(event, TextDelta))

    await asyncio.gather(*(produce(number) for number in range(RUNS)))
    return found


def fan_out(store: str) -> float:
    """Measure the gateway's CPU per delivery to 300 clients, in µs."""
    with asgi_server(GATEWAY, {"LAB_STORE": store}) as server:
        fanout.paced(server, PreparedRun(server, Workload(RATE, RATE)), RATE, 1)  # what the first client pays for
        workload = Workload(RATE * SECONDS, RATE)
        return fanout.paced(server, PreparedRun(server, workload), workload.count, CLIENTS)["cpu"]


async def fill(path: Path) -> None:
    """Keep 10,000 conversations of one answer each, and the logs of these."""
    outcome = Outcome("completed", None, None, ANSWER, "", UNKNOWN, Timings(0.1, 1.0), 0)
    async with SqliteHub(path) as hub:
        documents = hub.shared.documents(CHATS)
        for portion in range(0, CONVERSATIONS, 200):
            turns = [Turn("What is streaming?", Options("demo"), uuid4().hex, 0.0, outcome) for _ in range(200)]
            chats = [Chat(f"chat {portion + number}", (turn,)) for number, turn in enumerate(turns)]
            await asyncio.gather(*(documents.put(chat.id, chat) for chat in chats))
            for turn in turns:
                log = hub.create(turn.run_id)
                for word in ANSWER.split():
                    log.append(TextDelta(f"{word} ", at=0.1))
                log.append(Done("completed", at=1.0))
            await asyncio.gather(*(hub.open(turn.run_id) for turn in turns))


async def start(path: Path) -> float:
    """Measure the milliseconds until a conversation can be read."""
    began = time.perf_counter()
    async with SqliteHub(path) as hub:
        await hub.shared.documents(CHATS).get("chat 5000")
        return (time.perf_counter() - began) * 1e3


def starts(folder: Path, rounds: int) -> dict[str, list[float]]:
    paths = {"10,000 conversations": folder / "full", "none": folder / "empty"}
    uvloop.run(fill(paths["10,000 conversations"]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return by_turns(_run_by(runner, {name: partial(start, path) for name, path in paths.items()}), rounds)


def _run_by(runner: asyncio.Runner, measures: Mapping[str, Measure]) -> dict[str, Callable[[], float]]:
    return {name: lambda measure=measure: runner.run(measure()) for name, measure in measures.items()}  # type: ignore[misc]


def in_process(folder: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Measure over both hubs, each open all the time, on one loop."""
    with (
        DemoModel() as demo,
        closing(Models(Settings(), demo.base_url)) as models,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        hubs: dict[str, Hub] = {"memory": MemoryHub(), "sqlite": SqliteHub(folder / "store")}
        for hub in hubs.values():
            runner.run(hub.__aenter__())
        found = {}
        for pace, shape in PACES.items():
            answering = {name: partial(microseconds, hub, models, *shape) for name, hub in hubs.items()}
            found[f"CPU per chunk, {pace}, µs"] = by_turns(_run_by(runner, answering), rounds)
        asking = {name: partial(first_text, hub, models) for name, hub in hubs.items()}
        found["first text, ms"] = by_turns(_run_by(runner, asking), 3 * rounds)
        found["lag, ms"] = {name: runner.run(lags(hub, LAG_SECONDS)) for name, hub in hubs.items()}
        for hub in hubs.values():
            runner.run(hub.__aexit__(None, None, None))
    return found


def run(rounds: int = 9) -> Result:
    gc.freeze()  # as the app does
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = in_process(folder, rounds)
        found["start, ms"] = starts(folder, rounds)
        stores = {"memory": "memory:", "sqlite": f"sqlite:///{folder}/gateway"}
        found["CPU per delivery, µs"] = by_turns(
            {name: partial(fan_out, store) for name, store in stores.items()}, min(3, rounds), warm_up=0
        )
    middle = {name: middles(values) for name, values in found.items()}
    print_table(
        ("median, and p99", *("",) * 2),
        [
            (f"{measure}: {name}", f"{statistics.median(values):.2f}", f"{percentile(values, 0.99):.2f}")
            for measure, each in found.items()
            for name, values in each.items()
        ],
    )
    return Result(_claims(found, middle), found)


def _claims(found: dict[str, dict[str, list[float]]], middle: dict[str, dict[str, float]]) -> list[Claim]:
    claims = [
        Claim(name, middle[name]["sqlite"], middle[name]["memory"], target, "µs")
        for name, target in (
            *((f"CPU per chunk, {pace}, µs", CPU) for pace in PACES),
            ("CPU per delivery, µs", FANOUT),
        )
    ]
    first, begun = middle["first text, ms"], middle["start, ms"]
    more = begun["10,000 conversations"] - begun["none"]
    return [
        *claims,
        Claim("first text, more than with memory", first["sqlite"] - first["memory"], FIRST_TEXT, 1.0, "ms"),
        Claim("lag of 20 runs, p99", percentile(found["lag, ms"]["sqlite"], 0.99), LAG, 1.0, "ms"),
        Claim("start with 10,000 conversations, more than with none", more, START, 1.0, "ms"),
    ]
