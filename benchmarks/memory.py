"""Memory of the gateway's process: idle followers, and followers that do not read.

- *idle*: 5,000 SSE clients of one run that writes nothing. Counts how much the resident memory of the server grows
  from before the first to after the last connects, divided by their number; the sockets' buffers in the kernel are not
  in it. The peer is the sse-starlette relay with a queue for each client.
- *stalled*: the largest resident memory while a run writes 10,000 events as fast as it can, with 300 clients
  that have connected and read nothing more, beside the same with none. Each in a fresh server.
"""

import time
from functools import partial

from benchmarks.apps.workload import Workload
from benchmarks.harness import GATEWAY, RELAY, Claim, Result, asgi_server, by_turns, middles, print_table, sampled
from benchmarks.sse_clients import Clients, PreparedRun

IDLE = 5_000
STALLED = 300
EVENTS = 9_990
WINDOW = 4 * 1024  # bytes that a stalled client's socket takes
PEER, TARGET = 1.0, 1.2
WATCHED = 5.0  # seconds; stalled clients are sent away after ten


def per_idle_follower(app: str) -> float:
    """Measure the KiB per idle follower."""
    with asgi_server(app) as server:
        run = PreparedRun(server, Workload(1))
        with Clients(server.port, run.path, 50):
            pass  # what the first clients pay for
        time.sleep(1)
        before = server.memory()
        with Clients(server.port, run.path, IDLE):
            time.sleep(2)
            return (server.memory() - before) / IDLE / 2**10


def peak(stalled: int) -> float:
    """Measure the largest resident memory while a run is written, in MiB."""
    with asgi_server(GATEWAY) as server:
        run = PreparedRun(server, Workload(EVENTS, turns=True))
        with Clients(server.port, run.path, stalled, window=WINDOW):
            run.go()
            with sampled(server.memory, interval=0.02) as sizes:
                time.sleep(WATCHED)
    return max(sizes) / 2**20


def run(rounds: int = 3) -> Result:
    measures = {
        "idle, ours": partial(per_idle_follower, GATEWAY),
        "idle, relay": partial(per_idle_follower, RELAY),
        "stalled": partial(peak, STALLED),
        "none": partial(peak, 0),
    }
    results = by_turns(measures, rounds, warm_up=0)
    middle = middles(results)
    print_table(("", "KiB each, or MiB"), [(name, f"{value:.1f}") for name, value in middle.items()])
    claims = [
        Claim(f"memory of each of {IDLE:,} idle followers", middle["idle, ours"], middle["idle, relay"], PEER, "KiB"),
        Claim(f"memory with {STALLED} stalled followers", middle["stalled"], middle["none"], TARGET, "MiB"),
    ]
    return Result(claims, results)
