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

import argparse
import json
import statistics
import time
import urllib.request
from collections.abc import Sequence

from benchmarks.harness import Claim, Server, asgi_server, get, post, print_claims, print_table, write_json

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


def measure_cpu(server: Server, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Measure µs per chunk, by pace and read mode; drop the first round, which pays for imports."""
    results: dict[str, dict[str, list[float]]] = {}
    for pace, (chunks, rate) in PACES.items():
        model = f"demo?first=0&jitter=0&size=5&chunks={chunks}&rate={rate}"
        runs = results[pace] = {name: [] for name in ("gateway", *READ_MODES)}
        for number in range(rounds + 1):
            for name in runs:
                if name == "gateway":
                    spent = through_gateway(server, model)
                else:
                    spent = post(f"{server.url}/read", {"mode": name, "model": model})["cpu"]
                if number:
                    runs[name].append(spent / chunks * 1e6)
    return results


def measure_first(server: Server, questions: int) -> dict[str, dict[str, list[float]]]:
    """Measure milliseconds, by when the model begins and by read mode."""
    results: dict[str, dict[str, list[float]]] = {}
    for name, first in FIRSTS.items():
        model = f"demo?first={first}&jitter=0&size=5&chunks=20&rate=100"
        times = results[name] = {"first event": [], "first text": [], "own chain": []}
        for number in range(questions + 2):
            event, text = ask(server, model)
            direct = post(f"{server.url}/read", {"mode": "own chain", "model": model})["first"]
            if number >= 2:
                times["first event"].append(event * 1e3)
                times["first text"].append(text * 1e3)
                times["own chain"].append(direct * 1e3)
    return results


def claims(cpu: dict[str, dict[str, list[float]]], first: dict[str, dict[str, list[float]]]) -> list[Claim]:
    found = []
    for pace, runs in cpu.items():
        middle = {name: statistics.median(values) for name, values in runs.items()}
        beyond = middle["gateway"] - middle["own chain"]
        found.append(Claim(f"CPU per chunk, {pace}, beside the chain", middle["gateway"], middle["chain"], CHAIN, "µs"))
        found.append(
            Claim(f"CPU per chunk beyond the chain, {pace}, beside httpx", beyond, middle["lines"], BEYOND, "µs")
        )
    for name, times in first.items():
        direct = statistics.median(times["own chain"])
        for which in ("first event", "first text"):
            ours = statistics.median(times[which])
            found.append(Claim(f"{which}, model begins {name}, beside the chain", ours, direct, FIRST, "ms"))
    return found


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--questions", type=int, default=20)
    arguments = parser.parse_args(argv)
    with asgi_server("benchmarks.apps.read_modes:application", UNLIMITED) as server:
        cpu = measure_cpu(server, arguments.rounds)
        first = measure_first(server, arguments.questions)
    rows = [
        (name, *(f"{statistics.median(cpu[pace][name]):.0f}" for pace in PACES)) for name in ("gateway", *READ_MODES)
    ]
    print_table(("µs of CPU per chunk", *PACES), rows)
    found = claims(cpu, first)
    print_claims(found)
    print("Written to", write_json("relay_cost", {"cpu": cpu, "first": first}))
    return found


if __name__ == "__main__":
    main()
