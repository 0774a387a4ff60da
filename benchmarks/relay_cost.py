"""What the gateway adds to one answer that one SSE client follows: CPU per chunk, and time to the first text.

All is read in the gateway's process, from the demo model in a process of its own, by turns:

- *gateway*: `POST /api/chat`, whose stream this process reads: chain, run, log, feed, SSE;
- *chain*: the same prompt and parser with `ChatOpenAI` as it comes, its text thrown away;
- *own chain*: the chain of the gateway's runs without run, log and feed; what *gateway* takes beyond it is the relay's
  own part, which is compared with *lines*: httpx reading the lines of the same answer, not even parsed.

CPU is the process time of that server from the question until the answer has ended. *fast*: as quickly as the model can
write; *paced*: 100 chunks a second. Time to the first event (`open`) and to the first text: through the gateway from
before the connection is made until the client has it; directly from the call of the own chain until its first text, in
the server's process. Both from a model that begins at once, and from one that begins after 200 ms.
"""

import json
import time
import urllib.request
from functools import partial

from benchmarks.harness import Claim, Result, Server, asgi_server, by_turns, get, middles, post, print_table

QUESTION = "What is streaming?"
PACES = {"fast": (2_000, 1_000_000), "paced": (200, 100)}  # chunks, chunks per second
READ_MODES = ("chain", "own chain", "lines")
FIRSTS = {"at once": 0.0, "after 200 ms": 0.2}  # seconds until the model begins
CHAIN, BEYOND, FIRST = 1.15, 1.5, 1.2  # targets
UNLIMITED = {"GATEWAY_RUNS_PER_MINUTE": "10000"}


def ask(server: Server, model: str) -> tuple[float, float]:
    """Ask through the gateway to the end; return the seconds until the first event and until the first text."""
    body = json.dumps({"message": QUESTION, "model": model}).encode()
    request = urllib.request.Request(f"{server.url}/api/chat", body, {"content-type": "application/json"})
    began, event, text, stream = time.perf_counter(), 0.0, 0.0, b""
    with urllib.request.urlopen(request, timeout=120) as response:
        while piece := response.read1():
            stream += piece
            event = event or time.perf_counter()
            if not text and b"event: text_delta" in stream:
                text = time.perf_counter()
    if b'"status":"completed"' not in stream:
        raise RuntimeError("the answer was not completed")
    return event - began, text - began


def through_gateway(server: Server, model: str) -> float:
    """Measure the seconds of CPU of one answer through the gateway."""
    before = get(f"{server.url}/cpu")["seconds"]
    ask(server, model)
    return float(get(f"{server.url}/cpu")["seconds"] - before)


def measure_cpu(server: Server, pace: str, rounds: int) -> dict[str, list[float]]:
    """Measure µs per chunk by read mode."""
    chunks, rate = PACES[pace]
    model = f"demo?first=0&jitter=0&size=5&chunks={chunks}&rate={rate}"

    def read(mode: str) -> float:
        spent = post(f"{server.url}/read", {"mode": mode, "model": model})["cpu"]
        return float(spent) / chunks * 1e6

    measures = {name: partial(read, name) for name in READ_MODES}
    return by_turns(measures | {"gateway": lambda: through_gateway(server, model) / chunks * 1e6}, rounds)


def measure_first(server: Server, first: float, rounds: int) -> dict[str, list[float]]:
    """Measure milliseconds by read mode."""
    model = f"demo?first={first}&jitter=0&size=5&chunks=20&rate=100"
    own = {"mode": "own chain", "model": model}
    measures = {
        "gateway": lambda: ask(server, model),
        "own chain": lambda: (0.0, float(post(f"{server.url}/read", own)["first"])),
    }
    found = by_turns(measures, rounds, warm_up=2)
    return {
        "first event": [event * 1e3 for event, _ in found["gateway"]],
        "first text": [text * 1e3 for _, text in found["gateway"]],
        "own chain": [text * 1e3 for _, text in found["own chain"]],
    }


def claims(cpu: dict[str, dict[str, float]], first: dict[str, dict[str, float]]) -> list[Claim]:
    found = []
    for pace, middle in cpu.items():
        beyond = middle["gateway"] - middle["own chain"]
        found.append(Claim(f"CPU per chunk, {pace}, beside the chain", middle["gateway"], middle["chain"], CHAIN, "µs"))
        found.append(
            Claim(f"CPU per chunk beyond the chain, {pace}, beside httpx", beyond, middle["lines"], BEYOND, "µs")
        )
    for name, times in first.items():
        for which in ("first event", "first text"):
            measure = f"{which}, model begins {name}, beside the chain"
            found.append(Claim(measure, times[which], times["own chain"], FIRST, "ms"))
    return found


def run(rounds: int = 9) -> Result:
    with asgi_server("benchmarks.apps.read_modes:application", UNLIMITED) as server:
        cpu = {pace: measure_cpu(server, pace, rounds) for pace in PACES}
        first = {name: measure_first(server, seconds, 2 * rounds) for name, seconds in FIRSTS.items()}
    middle = {pace: middles(runs) for pace, runs in cpu.items()}
    rows = [(name, *(f"{middle[pace][name]:.0f}" for pace in PACES)) for name in ("gateway", *READ_MODES)]
    print_table(("µs of CPU per chunk", *PACES), rows)
    middle_first = {name: middles(times) for name, times in first.items()}
    return Result(claims(middle, middle_first), {"cpu": cpu, "first": first})
