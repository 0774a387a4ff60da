"""The lag of 299 SSE clients of one run while the 300th does not read, beside the same while it does.

The run writes 50 events a second. Both are measured by turns, on one server, in an order that changes from round to
round. The one that does not read sits behind a connection that holds little, so that within some seconds the server
cannot send to it any more, and after another ten sends it away: both are within what is measured. The lag of a delivery
is from the append until the client has received it; its percentiles are over all deliveries of the others.
"""

import argparse
import re
import socket
import statistics
import urllib.request
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.apps import gateway
from benchmarks.apps.workload import Workload
from benchmarks.harness import Claim, Server, asgi_server, post, print_claims, print_table, wait_until, write_json
from benchmarks.sse_clients import Clients, percentile

CLIENTS = 300
RATE = 50
SECONDS = 16.0  # of each run: until the connection is full, ten seconds of patience, and some
BUFFER = 4 * 1024  # bytes: of the socket at each end of the narrow connection, and of the server's own
NARROW = "narrow=1"  # in the address of the client that does not read
DISCONNECT_TIMEOUT = 30.0  # seconds until the server must have sent it away
TARGET = 1.1

Measures = dict[str, float]  # ms, by percentile


class SmallBuffers:
    """An application with small socket buffers for the client that does not read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["query_string"] == NARROW.encode():
            transport = cast(Any, receive).__self__.transport  # of uvicorn's request
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            transport.set_write_buffer_limits(BUFFER)
        await self._app(scope, receive, send)


def application() -> ASGIApp:
    return SmallBuffers(gateway.application())


def slow_disconnects(server: Server) -> float:
    """Return how many clients the server has disconnected as slow."""
    with urllib.request.urlopen(f"{server.url}/api/metrics", timeout=30) as response:
        text = response.read().decode()
    found = re.search(r'^streamlab_disconnects_total\{protocol="sse",reason="slow"\} (\S+)$', text, re.MULTILINE)
    if not found:
        raise RuntimeError("the server does not count slow clients")
    return float(found[1])


def lag(server: Server, seconds: float, *, stalled: bool) -> Measures:
    """Measure the lag of all but the last client."""
    workload = Workload(round(RATE * seconds), RATE)
    run = post(f"{server.url}/prepare", asdict(workload))
    before = slow_disconnects(server)
    last = Clients(server.port, f"{run['path']}?{NARROW}", 1, window=BUFFER) if stalled else nullcontext()
    with last:  # of which the answer's head is read, and no more
        with Clients(server.port, run["path"], CLIENTS - stalled, keep=True) as clients:
            began = float(post(f"{server.url}/go", {"run": run["run"]})["began"])
            clients.read(lambda: clients.ended)
        if stalled:
            wait_until(lambda: slow_disconnects(server) == before + 1, DISCONNECT_TIMEOUT)
    if slow_disconnects(server) != before + stalled:
        raise RuntimeError("a client that read was sent away")
    deliveries = [delivery for client in clients.clients[: CLIENTS - 1] for delivery in client.deliveries()]
    if sum(delivery.events for delivery in deliveries) != workload.count * (CLIENTS - 1):
        raise RuntimeError("events are missing")
    lags = [(delivery.received - began - delivery.at) * 1e3 for delivery in deliveries]
    return {"p50": percentile(lags, 0.50), "p99": percentile(lags, 0.99)}


def measure(rounds: int, seconds: float) -> dict[str, list[Measures]]:
    results: dict[str, list[Measures]] = {"all read": [], "one stalled": []}
    with asgi_server("benchmarks.crowd:application") as server:
        lag(server, 1, stalled=False)  # what the first clients pay for
        for number in range(rounds):
            for name in sorted(results, reverse=number % 2 == 1):
                results[name].append(lag(server, seconds, stalled=name == "one stalled"))
    return results


def middle(results: dict[str, list[Measures]], name: str, measure: str) -> float:
    return statistics.median(each[measure] for each in results[name])


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each run")
    arguments = parser.parse_args(argv)
    results = measure(arguments.rounds, arguments.seconds)
    rows = [(name, *(f"{middle(results, name, measure):.1f}" for measure in ("p50", "p99"))) for name in results]
    print_table((f"{CLIENTS} clients, {RATE} events/s", "p50 ms", "p99 ms"), rows)
    with_, without = (middle(results, name, "p99") for name in ("one stalled", "all read"))
    found = [Claim(f"p99 of {CLIENTS - 1} clients beside one that does not read", with_, without, TARGET, "ms")]
    print_claims(found)
    print("Written to", write_json("crowd", results))
    return found


if __name__ == "__main__":
    main()
