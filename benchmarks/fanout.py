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

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import Protocol
from uuid import uuid4

from benchmarks import nchan
from benchmarks.apps.workload import Workload
from benchmarks.harness import ROOT, Claim, Server, asgi_server, post, print_claims, print_table, write_json
from benchmarks.sse_clients import Clients, percentile

CLIENTS = (1, 10, 100, 300)
RATE = 50
FAST_EVENTS = {"ours": 9_000, "relay": 300, "nchan": 3_000}
RELAY_CPU, RELAY_SPEED, OTHERS = 0.5, 10.0, 1.0  # targets
LAG = 60.0  # ms, the target of p99
_MANY = max(CLIENTS)

Measures = dict[str, float]  # by its name


class Backend(Protocol):
    """A server that is measured, and how a run on it is prepared and started."""

    server: Server

    def prepare(self, workload: Workload) -> str:
        """Return the path at which clients follow the run that `go` starts."""

    def go(self) -> float:
        """Start the run; return the time of the monotonic clock from which its events count theirs."""


class OwnPublisher:
    """A server that makes the events itself."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._run = ""

    def prepare(self, workload: Workload) -> str:
        answer = post(f"{self.server.url}/prepare", asdict(workload))
        self._run = answer["run"]
        return str(answer["path"])

    def go(self) -> float:
        return float(post(f"{self.server.url}/go", {"run": self._run})["began"])


class Nchan:
    """nchan, with a publisher in a process of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._channel = ""
        self._workload = Workload(0)

    def prepare(self, workload: Workload) -> str:
        self._channel, self._workload = uuid4().hex, workload
        return f"/events?id={self._channel}"

    def go(self) -> float:
        began = time.monotonic()
        workload = self._workload
        values = (self.server.port, self._channel, workload.count, workload.rate, workload.turns, began)
        command = [sys.executable, "-m", "benchmarks.apps.publisher", *map(str, values)]
        subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        return began


@contextmanager
def _ours() -> Iterator[Backend]:
    with asgi_server("benchmarks.apps.gateway:application") as server:
        yield OwnPublisher(server)


@contextmanager
def _relay() -> Iterator[Backend]:
    with asgi_server("benchmarks.apps.relay:application") as server:
        yield OwnPublisher(server)


@contextmanager
def _nchan() -> Iterator[Backend]:
    with nchan.nchan_server() as server:
        yield Nchan(server)


def backends() -> dict[str, Callable[[], AbstractContextManager[Backend]]]:
    found: dict[str, Callable[[], AbstractContextManager[Backend]]] = {"ours": _ours, "relay": _relay}
    if nchan.available():
        found["nchan"] = _nchan
    else:
        print("nchan is not installed (libnginx-mod-nchan): measured without it")
    return found


def paced(backend: Backend, number: int, seconds: float) -> Measures:
    """Measure a paced run: `cpu` in µs per delivery, `p50` and `p99` in ms of lag."""
    workload = Workload(round(RATE * seconds), RATE)
    with Clients(backend.server.port, backend.prepare(workload), number, keep=True) as clients:
        spent = backend.server.cpu_seconds()
        began = backend.go()
        clients.read(lambda: clients.ended)
        spent = backend.server.cpu_seconds() - spent
    deliveries = [delivery for client in clients.clients for delivery in client.deliveries()]
    count = sum(delivery.events for delivery in deliveries)
    if count != workload.count * number:
        raise RuntimeError(f"{count} deliveries of {workload.count * number}")
    lags = [delivery.received - began - delivery.at for delivery in deliveries]
    return {
        "cpu": spent / count * 1e6,
        "p50": percentile(lags, 0.50) * 1e3,
        "p99": percentile(lags, 0.99) * 1e3,
    }


def fast(backend: Backend, number: int, workload: Workload) -> float:
    """Measure deliveries per second, from the first event's time on."""
    with Clients(backend.server.port, backend.prepare(workload), number) as clients:
        # One client keeps what it got: it tells when the first event was, and that none was missing.
        clients.clients[0].keep = True
        began = backend.go()
        clients.read(lambda: clients.ended)
    deliveries = list(clients.clients[0].deliveries())
    if sum(delivery.events for delivery in deliveries) != workload.count:
        raise RuntimeError("events are missing")
    first = began + deliveries[0].at if deliveries[0].events == 1 else began
    last = max(client.ended or 0 for client in clients.clients)
    return workload.count * number / (last - first)


@dataclass
class Results:
    """The figures by server; `paced` also by the number of clients."""

    paced: dict[str, dict[int, list[Measures]]]
    unmerged: dict[str, list[float]]
    merged: dict[str, list[float]]

    def median(self, name: str, measure: str, number: int = _MANY) -> float:
        return statistics.median(each[measure] for each in self.paced[name][number])


def measure(rounds: int, seconds: float) -> Results:
    """Measure the servers by turns, each started anew in each round."""
    found = backends()
    results = Results(
        {name: {number: [] for number in CLIENTS} for name in found}, {name: [] for name in found}, {"ours": []}
    )
    for _ in range(rounds):
        for name, open_backend in found.items():
            with open_backend() as backend:
                paced(backend, 1, 1)  # what the first client pays for
                for number in CLIENTS:
                    results.paced[name][number].append(paced(backend, number, seconds))
                unmerged = Workload(FAST_EVENTS[name], turns=True)
                results.unmerged[name].append(fast(backend, _MANY, unmerged))
                if name == "ours":
                    results.merged[name].append(fast(backend, _MANY, Workload(FAST_EVENTS[name])))
    return results


def claims(results: Results) -> list[Claim]:
    cpu = {name: results.median(name, "cpu") for name in results.paced}
    speed = {name: statistics.median(values) / 1e3 for name, values in results.unmerged.items()}
    paced_name, fast_name = f"paced, {_MANY} clients", f"as fast as possible, {_MANY} clients"
    found = [
        Claim(f"{paced_name}: CPU per delivery beside the relay", cpu["ours"], cpu["relay"], RELAY_CPU, "µs"),
        Claim(f"{paced_name}: p99 beside {LAG:g} ms", results.median("ours", "p99"), LAG, 1.0, "ms"),
        Claim(f"{fast_name}, beside the relay", speed["ours"], speed["relay"], RELAY_SPEED, "k/s", at_least=True),
    ]
    if "nchan" in cpu:
        found.append(Claim(f"{paced_name}: CPU per delivery beside nchan", cpu["ours"], cpu["nchan"], OTHERS, "µs"))
        found.append(Claim(f"{fast_name}, beside nchan", speed["ours"], speed["nchan"], OTHERS, "k/s", at_least=True))
    return found


def print_results(results: Results) -> None:
    rows = [
        (
            f"{name}, {number} clients",
            *(f"{results.median(name, measure, number):.1f}" for measure in ("cpu", "p50", "p99")),
        )
        for name in results.paced
        for number in CLIENTS
    ]
    print_table((f"paced, {RATE} events/s", "CPU µs/delivery", "p50 ms", "p99 ms"), rows)
    speeds = [(name, values) for name, values in results.unmerged.items()]
    speeds += [("ours, merged where a client lags", results.merged["ours"])]
    head = (f"as fast as possible, {_MANY} clients", "deliveries/s")
    print_table(head, [(name, f"{statistics.median(values):,.0f}") for name, values in speeds])


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each paced run")
    arguments = parser.parse_args(argv)
    results = measure(arguments.rounds, arguments.seconds)
    print_results(results)
    found = claims(results)
    print_claims(found)
    print("Written to", write_json("fanout", asdict(results)))
    return found


if __name__ == "__main__":
    main()
