"""Memory of the gateway's process: idle followers, and followers that do not read.

- *idle*: 5,000 SSE clients of one run that writes nothing. Counts how much the resident memory of the server grows
  from before the first to after the last connects, divided by their number; the sockets' buffers in the kernel are not
  in it. The peer is the sse-starlette relay with a queue for each client.
- *stalled*: the largest resident memory while a run writes 10,000 events as fast as it can, with 300 clients
  that have connected and read nothing more, beside the same with none. Each in a fresh server.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.apps.workload import Workload
from benchmarks.harness import Claim, Server, asgi_server, post, print_claims, print_table, write_json
from benchmarks.sse_clients import Clients

IDLE = 5_000
STALLED = 300
EVENTS = 9_990
WINDOW = 4 * 1024  # bytes that a stalled client's socket takes
PEER, TARGET = 1.0, 1.2
WATCHED = 5.0  # seconds; stalled clients are sent away after ten


def resident(server: Server) -> int:
    return int(server.process.memory_info().rss)


def per_idle_follower(app: str, number: int) -> float:
    """Measure the bytes per idle follower."""
    with asgi_server(app) as server:
        path = str(post(f"{server.url}/prepare", asdict(Workload(1)))["path"])
        with Clients(server.port, path, 50):
            pass  # what the first clients pay for
        time.sleep(1)
        before = resident(server)
        with Clients(server.port, path, number):
            time.sleep(2)
            return (resident(server) - before) / number


def peak(stalled: int) -> float:
    """Measure the largest resident memory while a run is written, in MiB."""
    with asgi_server("benchmarks.apps.gateway:application") as server:
        run = post(f"{server.url}/prepare", asdict(Workload(EVENTS, turns=True)))
        with Clients(server.port, run["path"], stalled, window=WINDOW):
            post(f"{server.url}/go", {"run": run["run"]})
            deadline, most = time.monotonic() + WATCHED, 0
            while time.monotonic() < deadline:
                most = max(most, resident(server))
                time.sleep(0.02)
    return most / 2**20


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = range(parser.parse_args(argv).rounds)
    results = {
        "idle, ours": [per_idle_follower("benchmarks.apps.gateway:application", IDLE) / 1024 for _ in rounds],
        "idle, relay": [per_idle_follower("benchmarks.apps.relay:application", IDLE) / 1024 for _ in rounds],
        "stalled": [peak(STALLED) for _ in rounds],
        "none": [peak(0) for _ in rounds],
    }
    middle = {name: statistics.median(values) for name, values in results.items()}
    print_table(("", "KiB each, or MiB"), [(name, f"{value:.1f}") for name, value in middle.items()])
    found = [
        Claim(f"memory of each of {IDLE:,} idle followers", middle["idle, ours"], middle["idle, relay"], PEER, "KiB"),
        Claim(f"memory with {STALLED} stalled followers", middle["stalled"], middle["none"], TARGET, "MiB"),
    ]
    print_claims(found)
    print("Written to", write_json("memory", results))
    return found


if __name__ == "__main__":
    main()
