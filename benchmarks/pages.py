"""How many pages one process serves before the text comes late, beside a plain page.

Each page asks a question of its own and gets 50 chunks a second. The lag of a chunk is from the model's write to the
first WebSocket frame that shows it, on the clock that all processes share; a number of pages is served when the 99th
percentile of all chunks of all pages is at most 200 ms. *Steady*: while all pages stream. *With ends*: until the last
has ended, all of them within about a second.

Ours is the app itself with its settings. The plain page gives the chain's stream to `st.write_stream`, under
Streamlit's defaults. `scheduled` pages have no chain: their text comes from a schedule within the process.
Pages, model and readers are three processes; the share of a CPU that each took tells what was the limit.
"""

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.harness import APPS, Claim, Result, Sampler, Server, cpu_seconds, percentile, streamlit_server
from benchmarks.readers import SPACE, Seen, start_reading
from benchmarks.served import requests, serve_app, serve_plain
from streamlab.demo_model.chunks import cut, synthetic
from streamlab.demo_model.process import DemoModel

CHUNKS = 500
RATE = 50
SIZE = 5
PARAGRAPH = 400
# Not named `demo?…`, so that both pages ask one and the same server, and each by the provider's settings.
MODEL = f"demo-model?first=0.5&jitter=0&rate={RATE}&chunks={CHUNKS}&size={SIZE}&paragraph={PARAGRAPH}"
SPREAD = 1.0  # seconds within which all pages ask, and so end
LIMIT = 0.2  # seconds
TARGET = 4.0
FIRST_COUNT, LAST_COUNT = 10, 640

Written = dict[str, list[float]]  # by question: when each chunk was written
SHARES = ("pages", "model", "readers")


@dataclass(frozen=True)
class Candidate:
    """What is measured: a server to start, the page to open, and how to learn when the chunks were written."""

    name: str
    serve: Callable[[], AbstractContextManager[Server]]
    page: str
    written: Callable[[], Written]
    model: int | None = None  # the model's process


@dataclass(frozen=True)
class Probe:
    """The result for one number of pages: p99 of the lag in seconds, and each process's share of a CPU."""

    pages: int
    steady: float
    with_ends: float
    cpu: dict[str, float]


class CpuClock(Sampler[dict[str, float]]):
    """Reads processes' CPU time twice a second for as long as the block."""

    def __init__(self, processes: dict[str, psutil.Process]) -> None:
        super().__init__(lambda: {name: cpu_seconds(process) for name, process in processes.items()}, interval=0.5)

    def shares(self, since: float, until: float) -> dict[str, float]:
        """Return the CPU seconds per second between two moments."""
        within = [sample for sample in self.samples if since <= sample[0] <= until]
        if len(within) < 2:
            return {}
        (began, first), (ended, last) = within[0], within[-1]
        return {name: (last[name] - first[name]) / (ended - began) for name in first}


def probe(candidate: Candidate, pages: int) -> Probe:
    with candidate.serve() as server:
        warm = start_reading(server.url, candidate.page, 2, 0)  # imports, the first client
        warm.communicate()
        readers = start_reading(server.url, candidate.page, pages, SPREAD)
        processes = {"pages": server.process, "readers": psutil.Process(readers.pid)}
        if candidate.model:
            processes["model"] = psutil.Process(candidate.model)
        with CpuClock(processes) as clock:
            output, _ = readers.communicate()
        written = candidate.written()
    if readers.returncode:
        raise RuntimeError("the readers failed")
    seen: dict[str, Seen] = json.loads(output)
    return _evaluate(pages, seen, written, clock)


def _evaluate(pages: int, seen: dict[str, Seen], written: Written, clock: CpuClock) -> Probe:
    times = [written[question] for question in seen]
    began, ended = max(first for first, *_ in times), min(last for *_, last in times)
    if ended < began + 3:
        return Probe(pages, math.inf, math.inf, {})  # the pages did not even stream at the same time
    lags = [
        lag
        for question, arrivals in seen.items()
        for lag in _lags(written[question], arrivals)
        if lag[0] >= began + 0.5
    ]
    return Probe(
        pages,
        percentile([lag for at, lag in lags if at < ended - 0.5], 0.99),
        percentile([lag for _, lag in lags], 0.99),
        clock.shares(began, ended),
    )


def _lags(written: Sequence[float], arrivals: Seen) -> Iterator[tuple[float, float]]:
    """Yield when each chunk was written, and how many seconds later the page showed it."""
    shown = iter(arrivals)
    at, characters = next(shown)
    for number, end in enumerate(_ends()):
        while characters < end:
            at, characters = next(shown)
        yield written[number], at - written[number]


def _ends() -> Iterator[int]:
    """Yield the answer's length without white space at the end of each chunk."""
    total = 0
    for piece in cut(synthetic(CHUNKS * SIZE, PARAGRAPH), SIZE):
        total += len(SPACE.sub("", piece))
        yield total


def search(candidate: Candidate, rounds: int) -> list[Probe]:
    """Double the pages until the lag is too long in both respects, then bisect each to about an eighth.

    A number that fails is tried up to `rounds` times: a pause of the machine may have caused it.
    """
    probes: dict[int, list[Probe]] = {}

    def lag(pages: int, of: str) -> float:
        tries = probes.setdefault(pages, [])
        while not tries or (_best(tries, of) > LIMIT and len(tries) < rounds):
            tries.append(probe(candidate, pages))
            print_probe(candidate.name, tries[-1])
        return _best(tries, of)

    for of in ("with_ends", "steady"):
        good, count = 0, FIRST_COUNT
        while count <= LAST_COUNT and lag(count, of) <= LIMIT:
            good, count = count, count * 2
        bad = count
        while count <= LAST_COUNT and bad - good > max(2, good // 8):
            middle = (good + bad) // 2
            good, bad = (middle, bad) if lag(middle, of) <= LIMIT else (good, middle)
    return [found for pages in sorted(probes) for found in probes[pages]]


def _best(tries: Sequence[Probe], of: str) -> float:
    return min(float(getattr(found, of)) for found in tries)


def max_served(probes: Sequence[Probe], of: str) -> int:
    """Return the most pages that were served in time."""
    return max((found.pages for found in probes if getattr(found, of) <= LIMIT), default=0)


def chain_candidates(demo: DemoModel, pid: int) -> list[Candidate]:
    """Build both candidates with the same model at the same address, by the provider's settings."""

    def written() -> Written:
        return {record["prompt"]["user"]: record["written"] for record in requests(demo)}

    return [
        Candidate("ours", lambda: serve_app(demo, MODEL), "chat", written, pid),
        Candidate("plain", lambda: serve_plain("plain.py", demo, MODEL), "", written, pid),
    ]


def scheduled_candidates(times: Path) -> list[Candidate]:
    environment = {
        "LAB_LOG_LEVEL": "warning",
        "BENCH_TIMES": str(times),
        "BENCH_CHUNKS": str(CHUNKS),
        "LAB_MODELS": "demo",
        "LAB_MAX_RUNS": "1000",
    }
    ours, plain = {**environment, "BENCH_WRITER": "ours"}, {**environment, "BENCH_WRITER": "plain"}

    def written() -> Written:
        return {path.stem: json.loads(path.read_text()) for path in times.glob("*.json")}

    return [
        Candidate("ours", lambda: streamlit_server(APPS / "scheduled_app.py", environment=ours), "", written),
        Candidate(
            "plain", lambda: streamlit_server(APPS / "scheduled.py", environment=plain, folder=APPS), "", written
        ),
    ]


@contextmanager
def open_candidates(source: str) -> Iterator[list[Candidate]]:
    if source == "chain":
        before = set(psutil.Process().children())
        with DemoModel() as demo:
            (child,) = set(psutil.Process().children()) - before
            yield chain_candidates(demo, child.pid)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield scheduled_candidates(Path(folder))


def claims(results: dict[str, dict[str, list[Probe]]]) -> list[Claim]:
    return [
        Claim(
            f"pages at p99 ≤ 200 ms, {source}, {label}",
            max_served(sides["ours"], of),
            max_served(sides["plain"], of),
            TARGET,
            "pages",
            at_least=True,
        )
        for source, sides in results.items()
        for of, label in (("steady", "steady"), ("with_ends", "with ends"))
    ]


def print_probe(name: str, found: Probe) -> None:
    shares = "  ".join(f"{process} {found.cpu.get(process, 0):.0%}" for process in SHARES)
    print(f"  {name}: {found.pages} pages, p99 {found.steady * 1000:.0f} ms steady,", end=" ")
    print(f"{found.with_ends * 1000:.0f} ms with ends; CPU: {shares}", flush=True)


def run(rounds: int = 3) -> Result:
    results: dict[str, dict[str, list[Probe]]] = {}
    for source in ("chain", "scheduled"):
        print(f"{source}:")
        with open_candidates(source) as sides:
            results[source] = {candidate.name: search(candidate, rounds) for candidate in sides}
    raw = {
        source: {name: [asdict(probe) for probe in probes] for name, probes in sides.items()}
        for source, sides in results.items()
    }
    return Result(claims(results), raw)
