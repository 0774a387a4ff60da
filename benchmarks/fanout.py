"""One run to many SSE clients, beside an sse-starlette relay with a queue for each client and beside nchan.

The clients are in this process, the server in another with one worker. All deliver the same encoded events of five
characters each. A delivery is one event of the run in the hands of one client.

- *paced*, 50 events a second: CPU per delivery is the server process's user and system time from the first event until
  every client has the last, divided by the deliveries. The lag of a delivery is from the append (nchan: from just
  before its publisher sends the request) until the client has received it; its percentiles are over all clients.
- *as fast as possible*: deliveries per second, from the first event until every client has the last. Events that take
  turns in two steps are never merged for a client that lags, so each delivery is an event of its own on the wire; of
  those of one step ours merges what has gathered, and a merged one counts as what it stands for. Each server is given
  as many events as keep it busy for some seconds.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol
from uuid import uuid4

from benchmarks import nchan
from benchmarks.apps.workload import Workload
from benchmarks.harness import (
    GATEWAY,
    RELAY,
    ROOT,
    Claim,
    Result,
    Server,
    asgi_server,
    by_turns,
    medians,
    percentile,
    print_table,
)
from benchmarks.sse_clients import Clients, PreparedRun

CLIENTS = (1, 10, 100, 300)
RATE = 50
SECONDS = 10  # of each paced run
FAST_EVENTS = {"ours": 9_000, "relay": 300, "nchan": 3_000}
RELAY_CPU, RELAY_SPEED, OTHERS = 0.5, 10.0, 1.0  # targets
LAG = 60.0  # ms, the target of p99
_MANY = max(CLIENTS)


class Run(Protocol):
    """A run that clients follow at `path`."""

    path: str

    def go(self) -> float:
        """Start it; return the time of the monotonic clock from which its events count theirs."""


class NchanRun:
    """A channel of nchan, with a publisher in a process of its own."""

    def __init__(self, server: Server, workload: Workload) -> None:
        channel = uuid4().hex
        self.path = f"/events?id={channel}"
        self._values = (server.port, channel, workload.count, workload.rate, workload.turns)

    def go(self) -> float:
        began = time.monotonic()
        command = [sys.executable, "-m", "benchmarks.apps.publisher", *map(str, (*self._values, began))]
        subprocess.Popen(command, cwd=ROOT)
        return began


Backend = tuple[Callable[[], AbstractContextManager[Server]], Callable[[Server, Workload], Run]]


def backends() -> dict[str, Backend]:
    """Return how each server is started, and how a run on it is prepared."""
    found: dict[str, Backend] = {
        "ours": (partial(asgi_server, GATEWAY), PreparedRun),
        "relay": (partial(asgi_server, RELAY), PreparedRun),
    }
    if nchan.available():
        found["nchan"] = nchan.nchan_server, NchanRun
    else:
        print("nchan is not installed (libnginx-mod-nchan): measured without it")
    return found


def paced(server: Server, run: Run, events: int, number: int) -> dict[str, float]:
    """Measure a paced run: `cpu` in µs per delivery, `p50` and `p99` in ms of lag."""
    with Clients(server.port, run.path, number, keep=True) as clients:
        spent = server.cpu_seconds()
        began = run.go()
        clients.read(lambda: clients.ended)
        spent = server.cpu_seconds() - spent
    lags = clients.lags(began, events, number)
    return {
        "cpu": spent / (events * number) * 1e6,
        "p50": percentile(lags, 0.50) * 1e3,
        "p99": percentile(lags, 0.99) * 1e3,
    }


def fast(server: Server, run: Run, events: int) -> float:
    """Measure deliveries per second, from the first event's time on."""
    with Clients(server.port, run.path, _MANY) as clients:
        # One client keeps what it got: it tells when the first event was, and that none was missing.
        clients.clients[0].keep = True
        began = run.go()
        clients.read(lambda: clients.ended)
    clients.lags(began, events, 1)
    first = next(clients.clients[0].deliveries())
    last = max(client.ended or 0 for client in clients.clients)
    return events * _MANY / (last - began - (first.at if first.events == 1 else 0))


def measure(name: str, backend: Backend) -> dict[str, float]:
    """Measure a server that is started for it: `paced` by the number of clients, and as fast as possible."""
    open_server, prepare = backend
    with open_server() as server:
        paced(server, prepare(server, Workload(RATE, RATE)), RATE, 1)  # what the first client pays for
        found = {}
        for number in CLIENTS:
            workload = Workload(RATE * SECONDS, RATE)
            for key, value in paced(server, prepare(server, workload), workload.count, number).items():
                found[f"{key}, {number} clients"] = value
        events = FAST_EVENTS[name]
        found["speed"] = fast(server, prepare(server, Workload(events, turns=True)), events)
        if name == "ours":
            found["merged"] = fast(server, prepare(server, Workload(events)), events)
    return found


def claims(found: dict[str, dict[str, float]]) -> list[Claim]:
    cpu = {name: values[f"cpu, {_MANY} clients"] for name, values in found.items()}
    speed = {name: values["speed"] / 1e3 for name, values in found.items()}
    p99 = found["ours"][f"p99, {_MANY} clients"]
    paced_name, fast_name = f"paced, {_MANY} clients", f"as fast as possible, {_MANY} clients"
    results = [
        Claim(f"{paced_name}: CPU per delivery beside the relay", cpu["ours"], cpu["relay"], RELAY_CPU, "µs"),
        Claim(f"{paced_name}: p99 beside {LAG:g} ms", p99, LAG, 1.0, "ms"),
        Claim(f"{fast_name}, beside the relay", speed["ours"], speed["relay"], RELAY_SPEED, "k/s", at_least=True),
    ]
    if "nchan" in cpu:
        results.append(Claim(f"{paced_name}: CPU per delivery beside nchan", cpu["ours"], cpu["nchan"], OTHERS, "µs"))
        results.append(Claim(f"{fast_name}, beside nchan", speed["ours"], speed["nchan"], OTHERS, "k/s", at_least=True))
    return results


def print_results(found: dict[str, dict[str, float]]) -> None:
    rows = [
        (f"{name}, {number} clients", *(f"{values[f'{key}, {number} clients']:.1f}" for key in ("cpu", "p50", "p99")))
        for name, values in found.items()
        for number in CLIENTS
    ]
    print_table((f"paced, {RATE} events/s", "CPU µs/delivery", "p50 ms", "p99 ms"), rows)
    speeds = {name: values["speed"] for name, values in found.items()}
    speeds["ours, merged where a client lags"] = found["ours"]["merged"]
    head = (f"as fast as possible, {_MANY} clients", "deliveries/s")
    print_table(head, [(name, f"{value:,.0f}") for name, value in speeds.items()])


def run(rounds: int = 3) -> Result:
    measures = {name: partial(measure, name, backend) for name, backend in backends().items()}
    results = by_turns(measures, rounds, warm_up=0)
    found = {name: medians(runs) for name, runs in results.items()}
    print_results(found)
    return Result(claims(found), results)
