"""What the local model takes from all else on this machine, by how many threads it has.

*lag*: one run to 20 SSE clients at 50 events a second, beside a local answer that never ends: the lag of a delivery is
from the append until the client has received it, over all clients. The gateway, the clients and the model are three
processes. *tokens/s*: how fast the model writes meanwhile. On the default, `spare_cores()`, one core is everybody
else's.

*CPU per chunk* is that of this process while it follows a local answer, as in `chunks`, beside the bare chain.
"""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

import httpx2
import uvloop

from benchmarks.apps.workload import Workload
from benchmarks.chunks import INPUT, follow
from benchmarks.fanout import LAG, RATE, SECONDS, paced
from benchmarks.harness import GATEWAY, Claim, Result, asgi_server, by_turns, medians, middles, print_table
from benchmarks.sse_clients import PreparedRun
from streamlab.local_model import LOCAL
from streamlab.local_model.server import LocalServer, spare_cores
from streamlab.models.catalog import Models
from streamlab.models.connections import LIMITS, TIMEOUT, async_http_client
from streamlab.models.provider import StockOptions
from streamlab.runs.chain import chat_chain
from streamlab.settings import Settings

CLIENTS = 20
TARGET = 1.15
STORY = "Tell me a very long story about a lighthouse."
ASKED = StockOptions(timeout=60, streaming=True, chunk_timer=False)


class Teller:
    """Has a model write without end, on a thread, and counts its tokens."""

    def __init__(self, server: LocalServer) -> None:
        self._address, self._key = server.address(), server.key
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.tokens = 0

    def __enter__(self) -> "Teller":
        self._thread.start()
        while not self.tokens:  # the model is loaded, and has read the question
            time.sleep(0.05)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        body = {"model": LOCAL, "stream": True, "messages": [{"role": "user", "content": STORY}]}
        headers = {"authorization": f"Bearer {self._key}"}
        with httpx2.Client(timeout=60, trust_env=False) as client:
            while not self._stop.is_set():
                with client.stream("POST", f"{self._address}/chat/completions", json=body, headers=headers) as answer:
                    for line in answer.iter_lines():
                        self.tokens += line.startswith("data:")
                        if self._stop.is_set():
                            break


@contextmanager
def telling(threads: int) -> Iterator[Callable[[], int]]:
    """Have the local model write with so many threads, none for no model; yield what counts its tokens."""
    if not threads:
        yield lambda: 0
        return
    with closing(LocalServer(Settings(lab_local_threads=threads))) as server, Teller(server) as teller:
        yield lambda: teller.tokens


def beside(threads: int) -> dict[str, float]:
    """Measure the lag of a paced run, and how fast the model writes meanwhile."""
    workload = Workload(RATE * SECONDS, RATE)
    with asgi_server(GATEWAY) as server, telling(threads) as tokens:
        paced(server, PreparedRun(server, Workload(RATE, RATE)), RATE, 1)  # what the first client pays for
        run = PreparedRun(server, workload)
        began, before = time.monotonic(), tokens()
        found = paced(server, run, workload.count, CLIENTS)
        return found | {"tokens": (tokens() - before) / (time.monotonic() - began)}


def stream(models: Models, http: httpx2.Client) -> int:
    bare = models.stock_model(LOCAL, ASKED, http, async_http_client())
    return sum(len(text) for text in chat_chain(bare).stream(INPUT))


def spent_on(read: Callable[[], int]) -> float:
    """Measure the process time per chunk, in µs. A chunk of this model has about five characters."""
    gc.collect()
    began = time.process_time()
    characters = read()
    return (time.process_time() - began) / (characters / 5) * 1e6


def run(rounds: int = 3) -> Result:
    gc.freeze()  # as the app does
    with closing(LocalServer(Settings())) as looked_at:
        if looked_at.file is None:
            print("the local model is not installed (make local): not measured")
            return Result([], None)
    default = spare_cores()
    measures = {f"{threads} threads": partial(beside, threads) for threads in sorted({0, 1, 2, default})}
    found = by_turns(measures, rounds, warm_up=0)
    lags = {name: medians(runs) for name, runs in found.items()}
    rows = [(name, *(f"{values[key]:.1f}" for key in ("cpu", "p50", "p99", "tokens"))) for name, values in lags.items()]
    print_table((f"beside {CLIENTS} clients", "CPU µs/delivery", "p50 ms", "p99 ms", "tokens/s"), rows)
    with (
        closing(Models(Settings(), "http://127.0.0.1:9")) as models,
        httpx2.Client(limits=LIMITS, timeout=TIMEOUT) as http,
    ):
        models.local.address()
        modes: dict[str, Callable[[], int]] = {
            "ours": lambda: uvloop.run(follow(models, LOCAL)),
            "chain.stream()": partial(stream, models, http),
        }
        spent = by_turns({name: partial(spent_on, read) for name, read in modes.items()}, rounds)
    cost = middles(spent)
    print_table(("µs of CPU per chunk", "local"), [(name, f"{value:.0f}") for name, value in cost.items()])
    print("load average", *(f"{load:.1f}" for load in os.getloadavg()))
    lag = lags[f"{default} threads"]["p99"]
    return Result(
        [
            Claim(f"p99 of {CLIENTS} clients beside a local answer, beside {LAG:g} ms", lag, LAG, 1.0, "ms"),
            Claim(
                "CPU per chunk of a local answer beside the bare chain",
                cost["ours"],
                cost["chain.stream()"],
                TARGET,
                "µs",
            ),
        ],
        {"load": os.getloadavg(), "lags": found, "cpu": spent},
    )
