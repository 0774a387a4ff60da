"""Catching up on a finished run of 10,000 events, beside the same bytes sent from a file by the same server.

Counts the time from before the connection is made until the client has the last byte. Ours is
`GET /api/runs/{id}/events`; the peer is Starlette's FileResponse with the bytes that ours sent. Who catches up gets
text_deltas and thinking merged; events *in turns*, of two steps, are never merged, so each goes over the wire. *first*:
the first client after the run's end, for whom the frames are made; *next*: those after it.
"""

import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.apps.workload import Workload
from benchmarks.harness import GATEWAY, Claim, Result, Server, asgi_server, get, middles, print_table, wait_until
from benchmarks.sse_clients import PreparedRun

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
    run = PreparedRun(server, workload)
    run.go()
    url = f"{server.url}{run.path}"
    wait_until(lambda: get(url.removesuffix("/events"))["status"] != "live", timeout=60)
    return url


def measure(server: Server, file: Path, workload: Workload, rounds: int) -> dict[str, list[float]]:
    """Return milliseconds by client."""
    times: dict[str, list[float]] = {"first": [], "next": [], "file": []}
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
    return times


def run(rounds: int = 9) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "stream")
        with asgi_server(GATEWAY, {"BENCH_FILE": str(file)}) as server:
            results = {kind: measure(server, file, workload, rounds) for kind, workload in RUNS.items()}
    middle = {kind: middles(times) for kind, times in results.items()}
    rows = [(kind, *(f"{value:.1f}" for value in times.values())) for kind, times in middle.items()]
    print_table(("ms", "first client", "next", "file"), rows)
    claims = [
        Claim(f"catching up on {EVENTS:,} events, {kind}, {way} client", times[way], times["file"], TARGET, "ms")
        for kind, times in middle.items()
        for way in ("first", "next")
    ]
    return Result(claims, results)
