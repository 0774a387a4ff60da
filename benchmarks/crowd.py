"""The lag of 299 SSE clients of one run while the 300th does not read, beside the same while it does.

The run writes 50 events a second. Both are measured by turns, on one server, in an order that changes from round to
round. The one that does not read sits behind a connection that holds little, so that within some seconds the server
cannot send to it any more, and after another ten sends it away: both are within what is measured. The lag of a delivery
is from the append until the client has received it; its percentiles are over all deliveries of the others.
"""

import re
import socket
import urllib.request
from contextlib import nullcontext
from functools import partial
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.apps import gateway
from benchmarks.apps.workload import Workload
from benchmarks.harness import (
    Claim,
    Result,
    Server,
    asgi_server,
    by_turns,
    medians,
    percentile,
    print_table,
    wait_until,
)
from benchmarks.sse_clients import Clients, PreparedRun

CLIENTS = 300
RATE = 50
SECONDS = 16.0  # of each run: until the connection is full, ten seconds of patience, and some
BUFFER = 4 * 1024  # bytes: of the socket at each end of the narrow connection, and of the server's own
NARROW = "narrow=1"  # in the address of the client that does not read
DISCONNECT_TIMEOUT = 30.0  # seconds until the server must have sent it away
TARGET = 1.1

Measures = dict[str, float]  # ms, by percentile


def application() -> ASGIApp:
    """Build the gateway with small socket buffers for the client that does not read."""
    app = gateway.application()

    async def with_small_buffers(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["query_string"] == NARROW.encode():
            transport = cast(Any, receive).__self__.transport  # of uvicorn's request
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            transport.set_write_buffer_limits(BUFFER)
        await app(scope, receive, send)

    return with_small_buffers


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
    run = PreparedRun(server, workload)
    before = slow_disconnects(server)
    last = Clients(server.port, f"{run.path}?{NARROW}", 1, window=BUFFER) if stalled else nullcontext()
    with last:  # of which the answer's head is read, and no more
        with Clients(server.port, run.path, CLIENTS - stalled, keep=True) as clients:
            began = run.go()
            clients.read(lambda: clients.ended)
        if stalled:
            wait_until(lambda: slow_disconnects(server) == before + 1, DISCONNECT_TIMEOUT)
    if slow_disconnects(server) != before + stalled:
        raise RuntimeError("a client that read was sent away")
    lags = clients.lags(began, workload.count, CLIENTS - 1)
    return {"p50": percentile(lags, 0.50) * 1e3, "p99": percentile(lags, 0.99) * 1e3}


def run(rounds: int = 5) -> Result:
    with asgi_server("benchmarks.crowd:application") as server:
        lag(server, 1, stalled=False)  # what the first clients pay for
        measures = {
            "all read": partial(lag, server, SECONDS, stalled=False),
            "one stalled": partial(lag, server, SECONDS, stalled=True),
        }
        results = by_turns(measures, rounds, warm_up=0)
    middle = {name: medians(found) for name, found in results.items()}
    rows = [(name, *(f"{value:.1f}" for value in lags.values())) for name, lags in middle.items()]
    print_table((f"{CLIENTS} clients, {RATE} events/s", "p50 ms", "p99 ms"), rows)
    name = f"p99 of {CLIENTS - 1} clients beside one that does not read"
    return Result([Claim(name, middle["one stalled"]["p99"], middle["all read"]["p99"], TARGET, "ms")], results)
