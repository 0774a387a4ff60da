"""How many pages one process serves before the text comes late, beside a plain page.

Each page asks a question of its own and gets 50 chunks a second. The lag of a chunk is from the model's write to the
first WebSocket frame that shows it, on the clock that all processes share; a number of pages is served when the 99th
percentile of all chunks of all pages is at most 200 ms. *Steady*: while all pages stream. *With ends*: until the last
has ended, all of them within about a second.

Ours is the app itself with its settings. The plain page gives the chain's stream to `st.write_stream`, under
Streamlit's defaults. `scheduled` pages have no chain: their text comes from a schedule within the process.
Pages, model and readers are three processes; the share of a CPU that each took at most tells what was the limit.
"""

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.harness import APPS, Claim, Result, Server, percentile, sampled, streamlit_server
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
PROCESSES = ("readers", "pages", "model")  # the last that was started first


class Candidate(NamedTuple):
    """What is measured: a server to start, the page to open, and how to learn when the chunks were written."""

    name: str
    serve: Callable[[], AbstractContextManager[Server]]
    page: str
    written: Callable[[], Written]


class Probe(NamedTuple):
    """The result for one number of pages: p99 of the lag in seconds, and the most of a CPU that each process took."""

    pages: int
    steady: float
    with_ends: float
    cpu: dict[str, float]


def probe(candidate: Candidate, pages: int) -> Probe:
    with candidate.serve() as server:
        warm = start_reading(server.url, candidate.page, 2, 0)  # imports, the first client
        warm.communicate()
        readers = start_reading(server.url, candidate.page, pages, SPREAD)
        children = sorted(psutil.Process().children(), key=lambda child: child.create_time(), reverse=True)
        with sampled(lambda: [child.cpu_percent() for child in children], interval=0.5) as cpu_shares:
            output, _ = readers.communicate()
        written = candidate.written()
    if readers.returncode:
        raise RuntimeError("the readers failed")
    cpu = dict(zip(PROCESSES, map(max, zip(*cpu_shares, strict=True)), strict=False))
    seen: dict[str, Seen] = json.loads(output)
    return Probe(pages, *_lag(seen, written), cpu)


def _lag(seen: dict[str, Seen], written: Written) -> tuple[float, float]:
    """Return the p99 while all stream, and until the last has ended."""
    times = [written[question] for question in seen]
    began, ended = max(first for first, *_ in times), min(last for *_, last in times)
    if ended < began + 3:
        return math.inf, math.inf  # the pages did not even stream at the same time
    lags = [
        lag
        for question, arrivals in seen.items()
        for lag in _lags(written[question], arrivals)
        if lag[0] >= began + 0.5
    ]
    steady = [lag for at, lag in lags if at < ended - 0.5]
    return percentile(steady, 0.99), percentile([lag for _, lag in lags], 0.99)


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


@contextmanager
def chain_candidates() -> Iterator[list[Candidate]]:
    """Build both candidates with the same model at the same address, by the provider's settings."""
    with DemoModel() as demo:

        def written() -> Written:
            return {record["prompt"]["user"]: record["written"] for record in requests(demo)}

        yield [
            Candidate("ours", lambda: serve_app(demo, MODEL), "chat", written),
            Candidate("plain", lambda: serve_plain("plain.py", demo, MODEL), "", written),
        ]


@contextmanager
def scheduled_candidates() -> Iterator[list[Candidate]]:
    with tempfile.TemporaryDirectory() as folder:
        settings = {"LAB_MODELS": "demo", "LAB_MAX_RUNS": "1000", "LAB_LOG_LEVEL": "warning"}
        settings |= {"BENCH_TIMES": folder, "BENCH_CHUNKS": str(CHUNKS)}
        ours, plain = {**settings, "BENCH_WRITER": "ours"}, {**settings, "BENCH_WRITER": "plain"}

        def written() -> Written:
            return {path.stem: json.loads(path.read_text()) for path in Path(folder).glob("*.json")}

        yield [
            Candidate("ours", lambda: streamlit_server(APPS / "scheduled_app.py", environment=ours), "", written),
            Candidate(
                "plain", lambda: streamlit_server(APPS / "scheduled.py", environment=plain, folder=APPS), "", written
            ),
        ]


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
    shares = "  ".join(f"{process} {share:.0f}%" for process, share in found.cpu.items())
    print(f"  {name}: {found.pages} pages, p99 {found.steady * 1000:.0f} ms steady,", end=" ")
    print(f"{found.with_ends * 1000:.0f} ms with ends; CPU: {shares}", flush=True)


def run(rounds: int = 3) -> Result:
    results: dict[str, dict[str, list[Probe]]] = {}
    for source, candidates in (("chain", chain_candidates), ("scheduled", scheduled_candidates)):
        print(f"{source}:")
        with candidates() as sides:
            results[source] = {candidate.name: search(candidate, rounds) for candidate in sides}
    raw = {
        source: {name: [found._asdict() for found in probes] for name, probes in sides.items()}
        for source, sides in results.items()
    }
    return Result(claims(results), raw)
