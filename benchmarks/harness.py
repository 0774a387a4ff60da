"""What every benchmark needs: servers to measure, a browser, samples, tables and result files."""

import json
import math
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
APPS = ROOT / "benchmarks" / "apps"
RESULTS = ROOT / "benchmarks" / "results"
CHROMIUM = "/usr/bin/chromium"
GATEWAY = "benchmarks.apps.gateway:application"
RELAY = "benchmarks.apps.relay:application"

T = TypeVar("T")

BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_SERVER_OPTIONS = [
    "--server.headless=true",
    "--server.address=127.0.0.1",
    "--server.fileWatcherType=none",
    "--logger.level=warning",
    "--browser.gatherUsageStats=false",
]


@dataclass(frozen=True)
class Server:
    url: str
    process: psutil.Process

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def cpu_seconds(self) -> float:
        """Return the user and system time that the server has used since it started."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        """Return the resident memory of the server, in bytes."""
        return int(self.process.memory_info().rss)


@contextmanager
def running(command: Sequence[str], ready: Callable[[], bool], **options: Any) -> Iterator[psutil.Popen]:
    """Run a server until the block ends, with the options of Popen. Raise RuntimeError when it does not start."""
    process = psutil.Popen(command, **options)
    try:
        wait_until(lambda: ready() or process.poll() is not None, timeout=60)
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(command)} did not start")
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def streamlit_server(
    script: Path,
    *,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    answers: str = "/_stcore/health",
) -> Iterator[Server]:
    """Run ``streamlit run script`` on a free port until the block ends, which begins when the path ``answers``.

    Streamlit reads the ``.streamlit/config.toml`` of ``folder``; one that has none runs with the defaults.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}", *_SERVER_OPTIONS]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "LAB_STORE": "memory:", **(environment or {})}
    ready = partial(_answers, url + answers)
    with running([*command, *options], ready, cwd=folder, env=variables, stdout=subprocess.DEVNULL) as process:
        yield Server(url, process)


@contextmanager
def asgi_server(app: str, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run uvicorn with uvloop and h11 on a free port until the block ends; ``module:factory`` makes the app."""
    port = free_port()
    options = ["--loop=uvloop", "--http=h11", "--ws=none", "--no-access-log", "--log-level=warning"]
    command = [sys.executable, "-m", "uvicorn", "--factory", app, f"--port={port}", *options]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "LAB_GRPC_PORT": "0", "LAB_STORE": "memory:"}
    variables |= environment or {}
    with running(command, partial(listens, port), cwd=ROOT, env=variables) as process:
        yield Server(f"http://127.0.0.1:{port}", process)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


def free_port() -> int:
    """Return a port that nobody listens at, and that the system gives to no connection that goes out meanwhile.

    What it gives these starts at 32,768 or above; a port from there is taken before a slow server gets to it.
    """
    return next(port for port in random.sample(range(15_000, 32_000), 1_000) if not listens(port))


def listens(port: int) -> bool:
    """Tell whether a server listens at this port of the local address."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def post(url: str, body: Any = None) -> Any:
    """Send JSON to a local server, and return its JSON answer."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)


def get(url: str) -> Any:
    """Return a local server's JSON answer."""
    with urllib.request.urlopen(url, timeout=300) as response:
        return json.load(response)


def wait_until(ready: Callable[[], bool], timeout: float) -> None:
    """Ask ten times a second; raise TimeoutError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready after {timeout:g} s")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@contextmanager
def sampled(read: Callable[[], T], interval: float) -> Iterator[list[T]]:
    """Call `read` every `interval` seconds on a thread, for as long as the block or until the process is gone.

    Yield the list of what it returned.
    """
    samples: list[T] = []
    stop = threading.Event()

    def sample() -> None:
        with suppress(psutil.Error):
            while not stop.wait(interval):
                samples.append(read())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def by_turns(measures: Mapping[str, Callable[[], T]], rounds: int, warm_up: int = 1) -> dict[str, list[T]]:
    """Take all measures once a round, in an order that changes; drop `warm_up` rounds, which pay for imports."""
    found: dict[str, list[T]] = {name: [] for name in measures}
    for number in range(-warm_up, rounds):
        for name in sorted(measures, reverse=number % 2 == 1):
            value = measures[name]()
            if number >= 0:
                found[name].append(value)
    return found


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile, in milliseconds."""
    *_, p95 = statistics.quantiles(seconds, n=20)
    return {"median": statistics.median(seconds) * 1000, "p95": p95 * 1000}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def middles(results: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each list."""
    return {name: statistics.median(values) for name, values in results.items()}


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each measure over several runs."""
    return middles({name: [run[name] for run in runs] for name in runs[0]})


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns as wide as their widest cell; the first is set left, the others right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *others in cells:
        right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *right]))


@dataclass(frozen=True)
class Claim:
    """A measure beside its peer's in the same run; `ratio`, ours divided by the peer's, is held to `target`."""

    measure: str
    ours: float
    peer: float
    target: float
    unit: str
    at_least: bool = False  # otherwise the ratio is to be at most the target

    @property
    def ratio(self) -> float:
        return self.ours / self.peer if self.peer else math.inf

    @property
    def met(self) -> bool:
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target


class Result(NamedTuple):
    """What a benchmark found: its claims, and all that it observed, as JSON has it."""

    claims: list[Claim]
    observations: Any


def print_claims(claims: Sequence[Claim]) -> None:
    """Print a line for each claim: measure, ours, peer, ratio, target, met."""
    rows = [
        (
            claim.measure,
            f"{claim.ours:,.3g} {claim.unit}",
            f"{claim.peer:,.3g} {claim.unit}",
            f"{claim.ratio:.2f}",
            f"{'≥' if claim.at_least else '≤'} {claim.target:g}",
            "yes" if claim.met else "no",
        )
        for claim in claims
    ]
    print_table(("measure", "ours", "peer", "ratio", "target", "met"), rows)


def write_json(name: str, value: Any) -> Path:
    """Write a benchmark's observations to ``benchmarks/results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return path
