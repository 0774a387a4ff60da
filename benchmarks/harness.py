"""What every benchmark needs: a server to measure, a browser to read with, a table, a file."""

import json
import math
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
CHROMIUM = "/usr/bin/chromium"

_BROWSER_OPTIONS = [
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
        """User and system time that the server has used since it started."""
        return cpu_seconds(self.process)


@contextmanager
def streamlit_server(
    script: Path, *, options: Sequence[str] = (), environment: Mapping[str, str] | None = None, folder: Path = ROOT
) -> Iterator[Server]:
    """``streamlit run script`` on a free port, ready to answer; it ends with the block.

    Streamlit reads the ``.streamlit/config.toml`` of ``folder``; one that has none runs with the defaults.
    """
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}", *_SERVER_OPTIONS]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    process = subprocess.Popen([*command, *options], cwd=folder, env=variables, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _healthy(url), timeout=60)
        yield Server(url, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def asgi_server(app: str, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """uvicorn with uvloop and httptools on a free port, with the application that ``module:factory`` makes; it ends
    with the block. Raises RuntimeError when it does not start.
    """
    port = free_port()
    options = ["--loop=uvloop", "--http=httptools", "--ws=none", "--no-access-log", "--log-level=warning"]
    command = [sys.executable, "-m", "uvicorn", "--factory", app, f"--port={port}", *options]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "LAB_GRPC_PORT": "0", **(environment or {})}
    process = subprocess.Popen(command, cwd=ROOT, env=variables)
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, timeout=60)
        if process.poll() is not None:
            raise RuntimeError(f"{app} did not start")
        yield Server(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_BROWSER_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether a server answers at this port of the machine's own address."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def post(url: str, body: Any = None) -> Any:
    """What a server of this machine answers, as JSON."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)


def get(url: str) -> Any:
    """The same of a GET."""
    with urllib.request.urlopen(url, timeout=300) as response:
        return json.load(response)


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def wait_until(ready: Callable[[], bool], timeout: float) -> None:
    """Ask ten times a second; raises TimeoutError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready after {timeout:g} s")
        time.sleep(0.1)


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each measure over several runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; the first is set left, the others right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *others in cells:
        right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *right]))


@dataclass(frozen=True)
class Claim:
    """What was measured beside a peer in the same run; `ratio`, ours divided by the peer's, is held to `target`."""

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


def print_claims(claims: Sequence[Claim]) -> None:
    """One line for each: measure, ours, peer, ratio, target, met."""
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
    """Keep a benchmark's observations as ``benchmarks/results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return path
