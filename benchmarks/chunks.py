"""CPU per chunk of an answer, from the model's socket to a follower, beside the bare chain.

Counts the process time of this process, divided by the number of chunks; the model writes them in a process of
its own. *Ours* is the whole way: chain, run, log, and a follower that reads the log on the event loop. The bare chain
is the same prompt and parser with `ChatOpenAI` as it comes, over the same limits of the HTTP client, its text thrown
away; for orientation, what lies below it. *fast*: as quickly as the model can write; *paced*: one by one, 100 a second.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx2
import openai
import uvloop
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from benchmarks.harness import Claim, print_claims, print_table, write_json
from streamlab.agent.tasks import Agents
from streamlab.chats import Chats
from streamlab.demo_model.process import DemoModel
from streamlab.events.event import StreamEvent
from streamlab.hub import MemoryHub
from streamlab.models.catalog import Models
from streamlab.models.connections import LIMITS, TIMEOUT, async_http_client
from streamlab.models.options import Options
from streamlab.models.prompt import PROMPT
from streamlab.runs.chain import chat_chain, chat_input
from streamlab.runs.run import Runs
from streamlab.settings import Settings

TARGET = 1.15
QUESTION = "What is streaming?"
INPUT = chat_input("", [], QUESTION, 1_000)
PACES = {"fast": (2_000, 1_000_000), "paced": (200, 100)}  # chunks, chunks per second

ReadMode = Callable[[str], int]  # reads one answer of the named model to its end; how many characters it had


class ReadModes:
    """The ways to read an answer of the model at `base_url`."""

    def __init__(self, base_url: str) -> None:
        self._url = base_url
        self._http = httpx2.Client(limits=LIMITS, timeout=TIMEOUT, follow_redirects=True)
        self._models = Models(Settings(), base_url)
        self._openai = openai.OpenAI(base_url=base_url, api_key="demo", max_retries=0, http_client=self._http)

    def close(self) -> None:
        self._models.close()
        self._http.close()

    def all(self) -> dict[str, ReadMode]:
        return {
            "ours": self.ours,
            "chain.stream()": self.stream,
            "chain.astream()": self.astream,
            "ChatOpenAI.stream()": self.model_stream,
            "openai": self.openai,
            "httpx2 lines": self.lines,
        }

    def ours(self, model: str) -> int:
        return uvloop.run(self._follow(model))

    async def _follow(self, model: str) -> int:
        hub = MemoryHub()
        runs = Runs(hub)
        agents = Agents(runs, self._models, hub, 1_000)
        chat = await Chats(runs, self._models, agents, hub, 1_000).ask(None, QUESTION, Options(model))
        characters = 0
        with hub.follow(chat.turns[-1].run_id) as follower:
            while batch := await follower.batch():
                for event in batch:
                    if isinstance(event, StreamEvent) and event.type == "text_delta":
                        characters += len(event.content or "")
        return characters

    def stream(self, model: str) -> int:
        return sum(len(text) for text in chat_chain(self._chat_model(model)).stream(INPUT))

    def astream(self, model: str) -> int:
        return uvloop.run(self._astream(model))

    async def _astream(self, model: str) -> int:
        async with async_http_client() as client:
            bare = self._chat_model(model, http_async_client=client)
            return sum([len(text) async for text in chat_chain(bare).astream(INPUT)])

    def model_stream(self, model: str) -> int:
        return sum(len(chunk.text) for chunk in self._chat_model(model).stream(PROMPT.invoke(INPUT)))

    def openai(self, model: str) -> int:
        answer = self._openai.chat.completions.create(
            model=model, messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        return sum(len(chunk.choices[0].delta.content or "") for chunk in answer if chunk.choices)

    def lines(self, model: str) -> int:
        """Read the HTTP lines without parsing them."""
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
        with self._http.stream("POST", f"{self._url}/chat/completions", json=body) as response:
            return sum(len(line) for line in response.iter_lines())

    def _chat_model(self, model: str, **clients: Any) -> ChatOpenAI:
        key = SecretStr("demo")
        return ChatOpenAI(
            model=model,
            base_url=self._url,
            api_key=key,
            stream_usage=True,
            max_retries=0,
            http_client=self._http,
            **clients,
        )


def microseconds(mode: ReadMode, chunks: int, rate: float) -> float:
    """Measure the process time per chunk of one answer, in µs."""
    gc.collect()
    began = time.process_time()
    characters = mode(f"demo?first=0&jitter=0&size=5&chunks={chunks}&rate={rate}")
    spent = time.process_time() - began
    if characters < chunks * 5:
        raise RuntimeError(f"{characters} characters of {chunks * 5}")
    return spent / chunks * 1e6


def measure(modes: dict[str, ReadMode], pace: str, rounds: int) -> dict[str, list[float]]:
    """Measure µs per chunk for each read mode, interleaved; drop the first round, which pays for imports."""
    chunks, rate = PACES[pace]
    runs: dict[str, list[float]] = {name: [] for name in modes}
    for number in range(rounds + 1):
        for name, mode in modes.items():
            value = microseconds(mode, chunks, rate)
            if number:
                runs[name].append(value)
    return runs


def claims(results: dict[str, dict[str, list[float]]]) -> list[Claim]:
    """Compare the medians, for each pace and peer."""
    found = []
    for pace, runs in results.items():
        for peer in ("chain.stream()", "chain.astream()"):
            name = f"CPU per chunk, {pace}, beside {peer}"
            ours, other = statistics.median(runs["ours"]), statistics.median(runs[peer])
            found.append(Claim(name, ours, other, TARGET, "µs"))
    return found


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args(argv).rounds
    with DemoModel() as demo:
        modes = ReadModes(demo.base_url)
        gc.freeze()  # as the app does
        results = {pace: measure(modes.all(), pace, rounds) for pace in PACES}
        modes.close()
    head = ("µs of CPU per chunk", *PACES)
    print_table(
        head, [(name, *(f"{statistics.median(results[pace][name]):.0f}" for pace in PACES)) for name in modes.all()]
    )
    found = claims(results)
    print_claims(found)
    print("Written to", write_json("chunks", results))
    return found


if __name__ == "__main__":
    main()
