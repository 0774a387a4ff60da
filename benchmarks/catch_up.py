"""Catching up on a finished run of 10,000 events, beside the same bytes sent from a file by the same server.

Counts the time from before the connection is made until the client has the last byte. Ours is
`GET /api/runs/{id}/events`; the peer is Starlette's FileResponse with the bytes that ours sent. Who catches up gets
text_deltas and thinking merged; events *in turns*, of two steps, are never merged, so each goes over the wire. *first*:
the first client after the run's end, for whom the frames are made; *next*: those after it.
"""

import argparse
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.apps.workload import Workload
from benchmarks.harness import Claim, Server, asgi_server, post, print_claims, print_table, write_json

EVENTS = 10_000
TARGET = 2.0
RUNS = {
    "text_delta": Workload(EVENTS - 2),  # and the two that end it
    "thinking": Workload(EVENTS - 2, type="thinking"),
    "in turns": Workload(EVENTS - 2, turns=True),
}


def read(url: str) -> tuple[float, bytes]:
    """Return the milliseconds that a request took, and its body."""
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=60) as response:
        body: bytes = response.read()
    return (time.perf_counter() - began) * 1e3, body


def finished_run(server: Server, workload: Workload) -> str:
    """Return the address of a finished run."""
    run = post(f"{server.url}/prepare", asdict(workload))
    post(f"{server.url}/go", {"run": run["run"]})
    url = f"{server.url}{run['path'].removesuffix('/events')}"
    deadline = time.monotonic() + 60
    while b'"live"' in (state := read(url)[1]):
        if time.monotonic() > deadline:
            raise TimeoutError(state.decode())
        time.sleep(0.1)
    return f"{url}/events"


def measure(server: Server, file: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return milliseconds by kind of run, then by client."""
    results: dict[str, dict[str, list[float]]] = {}
    for kind, workload in RUNS.items():
        times = results[kind] = {"first": [], "next": [], "file": []}
        for _ in range(rounds):
            url = finished_run(server, workload)
            spent, body = read(url)
            if f'"seq":{EVENTS},'.encode() not in body:
                raise RuntimeError("the end is missing")
            times["first"].append(spent)
            file.write_bytes(body)
            for _ in range(5):
                times["next"].append(read(url)[0])
                times["file"].append(read(f"{server.url}/file")[0])
    return results


def claims(results: dict[str, dict[str, list[float]]]) -> list[Claim]:
    return [
        Claim(
            f"catching up on {EVENTS:,} events, {kind}, {way} client",
            statistics.median(times[way]),
            statistics.median(times["file"]),
            TARGET,
            "ms",
        )
        for kind, times in results.items()
        for way in ("first", "next")
    ]


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args(argv).rounds
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "stream")
        with asgi_server("benchmarks.apps.gateway:application", {"BENCH_FILE": str(file)}) as server:
            results = measure(server, file, rounds)
    rows = [(kind, *(f"{statistics.median(times[way]):.1f}" for way in times)) for kind, times in results.items()]
    print_table(("ms", "first client", "next", "file"), rows)
    found = claims(results)
    print_claims(found)
    print("Written to", write_json("catch_up", results))
    return found


if __name__ == "__main__":
    main()
