"""Six answers side by side in a real browser, beside a plain page; and a large comparison with its page open.

*Columns*: six variants answer at the same time, 50 chunks a second each. The lag of a word is from the model's write of
the chunk that completes it to the change of the document that shows it, for every word of all six. Ours is the prompts
page of the app with its settings. The plain page gives six stock `ChatOpenAI` streams to six `st.write_stream`, each in
a parallel fragment, under Streamlit's defaults. Both ask the same model; fresh pages, the two sides by turns.

The model notes its writes by `time.monotonic`, the browser by `performance.now`. How far the two are apart is asked of
the page before each answer: its reading was taken between two of ours, so the shortest exchange of many tells within
half its duration, `clock`. It is asked again afterwards, and must be the same.

*Grid*: 200 cases x 4 variants, short answers, four at once, in a fresh server that has made one small comparison
before. *Memory* is resident, of the server alone, five times a second. *Rows* is the time from a click on another page
of the grid to the moment at which its first row is drawn on the canvas, both on the page's clock, while the comparison
runs; its peer is the same click when nothing runs.
"""

import argparse
import json
import re
import statistics
import threading
import time
import urllib.request
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import accumulate, count, takewhile
from typing import Any, Self
from urllib.parse import urlencode

import psutil
from playwright.sync_api import Browser, Page

from benchmarks.harness import (
    ROOT,
    Claim,
    Server,
    chromium,
    medians,
    print_claims,
    print_table,
    streamlit_server,
    write_json,
)
from streamlab.demo_model.chunks import cut, synthetic
from streamlab.demo_model.process import DemoModel
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.serialization import to_address

APPS = ROOT / "benchmarks" / "apps"
RUN = "Run"  # the button of both
PATIENCE = 120_000  # milliseconds
EXCHANGES = 50  # by which a page's clock is read

COLUMNS = 6
CHUNKS = 500
RATE = 50
SIZE = 5
PARAGRAPH = 400
LIMIT = 0.2  # seconds
TARGET = 1.5

CASES, VARIANTS = 200, 4
FEW_CASES = 30  # of the small comparison: two pages of the grid
PAGE = 25  # rows of the grid that are shown at a time
PAUSE = 1_000  # milliseconds between two clicks
CLICKS_AT_REST = 10
FLAT = 1.05
GROWTH = 1.1
ROWS_LIMIT = 1.0  # seconds
BESIDE_REST = 2.0

# Not named `demo?…`, so that both sides ask one and the same server, and each by the provider's settings.
STEADY = f"demo-model?first=1&jitter=0&rate={RATE}&chunks={CHUNKS}&size={SIZE}&paragraph={PARAGRAPH}"
SHORT = "demo-model?first=0.1&jitter=0&rate=200&chunks=20&size=5"

Round = dict[str, float]
Shown = dict[str, list[float]]  # by the number of the column: when each word was in the document

# A column begins with its name, whatever stands above the answer. Spaces aside, a word is whole across paragraphs.
_WATCH_COLUMNS = """() => {
    window.shown = {};
    new MutationObserver(records => {
        const now = performance.now() / 1000;
        const element = node => node instanceof Element ? node : node.parentElement;
        const columns = new Set(records.map(({target}) => element(target)?.closest('[data-testid="stColumn"]')));
        for (const column of columns) {
            const text = column?.textContent.replaceAll(/\\s/g, '');
            const [, number] = /^column([0-9])/.exec(text) ?? [];
            if (!number) continue;
            const times = window.shown[number] ??= [];
            const last = Math.max(0, ...[...text.matchAll(/word([0-9]+)/g)].map(found => Number(found[1])));
            while (times.length < last) times.push(now);
        }
    }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""

_ALL_SHOWN = f"""words => window.shown && Object.values(window.shown).filter(times => times.length >= words).length
    === {COLUMNS}"""

# The grid is painted: what it shows is what it draws.
_WATCH_GRID = """() => {
    const draw = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        if (text === window.awaited && !window.drawn) window.drawn = performance.now() / 1000;
        return draw.call(this, text, ...rest);
    };
    document.addEventListener('click', () => { window.clicked = performance.now() / 1000; }, true);
}"""


@dataclass(frozen=True)
class PageClock:
    """What to add to a page's `performance.now` for `time.monotonic`, and how far that may be wrong; seconds."""

    offset: float
    within: float

    def agrees(self, other: "PageClock") -> bool:
        return abs(self.offset - other.offset) <= self.within + other.within


def read_clock(page: Page) -> PageClock:
    """The page reads its clock some time between our two readings, so it is wrong by half of that at the most."""
    exchanges = []
    for _ in range(EXCHANGES):
        before = time.monotonic()
        at = float(page.evaluate("performance.now()")) / 1000
        after = time.monotonic()
        exchanges.append(PageClock((before + after) / 2 - at, (after - before) / 2))
    return min(exchanges, key=lambda exchange: exchange.within)


def completing_chunks() -> list[int]:
    """For each numbered word of the answer, the chunk that brings its last character."""
    pieces = cut(synthetic(CHUNKS * SIZE, PARAGRAPH), SIZE)
    ends = list(accumulate(len(re.sub(r"\s", "", piece)) for piece in pieces))
    words = accumulate(len(f"word{number}") for number in count(1))
    return [bisect_left(ends, end) for end in takewhile(lambda end: end <= ends[-1], words)]


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """A page of a session of its own."""
    with browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.get_by_role("button", name=RUN, exact=True).wait_for()
        page.wait_for_timeout(1_500)  # whatever loads late
        yield page


def served(demo: DemoModel, model: str) -> AbstractContextManager[Server]:
    """The app itself, with this model as the only one."""
    return streamlit_server(ROOT / "app.py", environment=environment(demo, model))


def served_plain(demo: DemoModel, model: str) -> AbstractContextManager[Server]:
    """Under Streamlit's defaults: from a folder without settings."""
    return streamlit_server(APPS / "six_columns.py", environment=environment(demo, model), folder=APPS)


def environment(demo: DemoModel, model: str) -> dict[str, str]:
    return {
        "LAB_MODELS": model,
        "OPENAI_BASE_URL": demo.base_url,
        "OPENAI_API_KEY": "demo",
        "LAB_LOG_LEVEL": "warning",
        "LAB_ATTEMPTS": "1",
    }


def asked(demo: DemoModel, question: str) -> list[dict[str, Any]]:
    """The model's records of what began with this question. Raises RuntimeError if one is not answered whole."""
    with urllib.request.urlopen(demo.base_url.replace("/v1", "/requests"), timeout=60) as response:
        records = [record for record in json.load(response) if record["prompt"]["user"].startswith(f"{question}, ")]
    if broken := [record["ended"] for record in records if record["ended"] != "completed"]:
        raise RuntimeError(f"{question}: {len(broken)} of {len(records)} answers are {broken[0]}")
    return records


# Columns


def six_variants(question: str) -> str:
    """The address of our page with a set of six."""
    names = [f"column {number}" for number in range(1, COLUMNS + 1)]
    variants = tuple(Variant(name=name, template=f"{question}, {name}", model=STEADY) for name in names)
    return f"prompts?set={to_address(PromptSet(variants=variants))}"


def stream(browser: Browser, demo: DemoModel, server: Server, address: str, question: str) -> Round:
    """The lags of all words of six answers, in ms, and the server's CPU from the click until all are there."""
    with opened(browser, f"{server.url}/{address}") as page:
        page.evaluate(_WATCH_COLUMNS)
        clock = read_clock(page)
        spent = server.cpu_seconds()
        page.get_by_role("button", name=RUN, exact=True).click()
        page.get_by_text(f"column {COLUMNS}", exact=True).scroll_into_view_if_needed()
        page.wait_for_function(_ALL_SHOWN, arg=len(completing_chunks()), polling=500)
        spent = server.cpu_seconds() - spent
        page.wait_for_timeout(1_500)  # the answers' end
        if not clock.agrees(read_clock(page)):
            raise RuntimeError("the page's clock has moved")
        shown: Shown = page.evaluate("window.shown")
    written = {
        record["prompt"]["user"].removeprefix(f"{question}, "): record["written"] for record in asked(demo, question)
    }
    seconds = [
        at + clock.offset - written[f"column {number}"][chunk]
        for number, times in shown.items()
        for at, chunk in zip(times, completing_chunks(), strict=True)
    ]
    return {**spread(seconds), "cpu": spent, "rate": rate(written.values()), "clock": clock.within * 1000}


def spread(seconds: Sequence[float]) -> Round:
    """In milliseconds."""
    *_, p95 = statistics.quantiles(seconds, n=20)
    return {"median": statistics.median(seconds) * 1000, "p95": p95 * 1000, "longest": max(seconds) * 1000}


def rate(written: Iterable[Sequence[float]]) -> float:
    """Chunks a second that the model wrote, of the column to which it wrote the fewest."""
    return min((len(times) - 1) / (times[-1] - times[0]) for times in written)


def measure_columns(browser: Browser, demo: DemoModel, rounds: int) -> dict[str, list[Round]]:
    """Both sides by turns; the first round, which pays for imports, does not count."""
    results: dict[str, list[Round]] = {"ours": [], "plain": []}
    with served(demo, STEADY) as ours, served_plain(demo, STEADY) as plain:
        servers = {"ours": ours, "plain": plain}
        for number in range(rounds + 1):
            for name in sorted(servers, reverse=number % 2 == 0):
                question = f"round {number} {name}"
                address = six_variants(question) if name == "ours" else f"?{urlencode({'question': question})}"
                found = stream(browser, demo, servers[name], address, question)
                if number:
                    results[name].append(found)
                    print_round(name, found)
    return results


# Grid


class Memory:
    """Reads the resident memory of a process for as long as the block."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.megabytes: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._stop.wait(0.2):
            self.megabytes.append(megabytes(self._process))


def megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


class Grid:
    """The grid's pager on a page, and the first row that each of its pages shows."""

    def __init__(self, page: Page, question: str, cases: int) -> None:
        self._page = page
        self._question = question
        self._last = -(-cases // PAGE)
        self._shown = 1
        self._forward = True
        page.evaluate(_WATCH_GRID)

    @property
    def running(self) -> bool:
        return self._page.get_by_test_id("stProgress").count() > 0

    def turn(self) -> float:
        """Seconds from a click on the next page, or back from the last one, to its first row."""
        self._forward = self._shown == 1 or (self._forward and self._shown < self._last)
        self._shown += 1 if self._forward else -1
        row = case_name(self._question, (self._shown - 1) * PAGE)
        self._page.evaluate("row => { window.awaited = row; window.drawn = 0; }", row)
        self._page.get_by_role("button", name="Next page" if self._forward else "Previous page").click()
        self._page.wait_for_function("window.drawn")
        return float(self._page.evaluate("window.drawn - window.clicked"))


def case_name(question: str, number: int) -> str:
    """What stands in the table for a case, counted from 0."""
    return f"{question}, case {number + 1}"


def many_cases(question: str, cases: int) -> str:
    """The address of our page with a set of so many cases."""
    variants = tuple(Variant(name=f"variant {n}", template="{case}", model=SHORT) for n in range(1, VARIANTS + 1))
    rows = tuple({"case": case_name(question, number)} for number in range(cases))
    return f"prompts?set={to_address(PromptSet(variants=variants, columns=('case',), cases=rows))}"


def compare(browser: Browser, server: Server, question: str, cases: int) -> Round:
    """A comparison with its page open and somebody turning the grid's pages: megabytes, and seconds to the rows."""
    with opened(browser, f"{server.url}/{many_cases(question, cases)}") as page:
        grid = Grid(page, question, cases)
        before, began = megabytes(server.process), time.monotonic()
        with Memory(server.process) as memory:
            page.get_by_role("button", name=RUN, exact=True).click()
            page.get_by_test_id("stProgress").wait_for()
            running = list(turned_while_running(page, grid))
        seconds = time.monotonic() - began
        page.wait_for_timeout(2_000)  # all that the end draws
        at_rest = [turned(page, grid) for _ in range(CLICKS_AT_REST)]
        after = megabytes(server.process)
    quarter = len(memory.megabytes) // 4
    return {
        "before": before,
        "quarter": max(memory.megabytes[:quarter]),
        "later": max(memory.megabytes[quarter:]),
        "after": after,
        "rows": statistics.median(running),
        "slowest": max(running),
        "rest": statistics.median(at_rest),
        "clicks": len(running),
        "seconds": seconds,
    }


def turned(page: Page, grid: Grid) -> float:
    page.wait_for_timeout(PAUSE)
    return grid.turn()


def turned_while_running(page: Page, grid: Grid) -> Iterator[float]:
    """A click that meets the end does not count."""
    while grid.running:
        seconds = turned(page, grid)
        if grid.running:
            yield seconds


def warm_up(browser: Browser, server: Server) -> None:
    """A small comparison, which pays for imports and for what every server allocates once."""
    with opened(browser, f"{server.url}/{many_cases('warm-up', FEW_CASES)}") as page:
        page.get_by_role("button", name=RUN, exact=True).click()
        progress = page.get_by_test_id("stProgress")
        progress.wait_for()
        progress.wait_for(state="detached")


def measure_grid(browser: Browser, demo: DemoModel, runs: int, cases: int) -> list[Round]:
    """Each run in a server of its own."""
    results = []
    for number in range(1, runs + 1):
        question = f"grid {number}"
        with served(demo, SHORT) as server:
            warm_up(browser, server)
            found = compare(browser, server, question, cases)
        if (answered := len(asked(demo, question))) != cases * VARIANTS:
            raise RuntimeError(f"{question}: {answered} answers of {cases * VARIANTS}")
        results.append(found)
        print_round(f"grid, {cases} cases", found)
    return results


# Both


def print_round(name: str, found: Round) -> None:
    print(f"  {name}: " + ", ".join(f"{key} {value:,.3g}" for key, value in found.items()), flush=True)


def claims(columns: dict[str, Round], grid: Round) -> list[Claim]:
    ours, plain = columns["ours"], columns["plain"]
    return [
        Claim("lag of a word, six columns, p95, beside plain", ours["p95"], plain["p95"], TARGET, "ms"),
        Claim("lag of a word, six columns, p95, beside a limit", ours["p95"], LIMIT * 1000, 1.0, "ms"),
        Claim("server CPU, six columns, beside plain", ours["cpu"], plain["cpu"], 1.0, "s"),
        Claim("memory after the first quarter, beside until then", grid["later"], grid["quarter"], FLAT, "MB"),
        Claim("memory after all, beside before", grid["after"], grid["before"], GROWTH, "MB"),
        Claim("click to rows while it runs, median, beside a limit", grid["rows"], ROWS_LIMIT, 1.0, "s"),
        Claim("click to rows while it runs, median, beside at rest", grid["rows"], grid["rest"], BESIDE_REST, "s"),
    ]


def report(columns: dict[str, Round], grid: Round) -> None:
    rows = [(name, *(f"{value:,.3g}" for value in found.values())) for name, found in columns.items()]
    print_table(("six columns", *columns["ours"]), rows)
    print()
    print_table(("grid", *grid), [("median of all runs", *(f"{value:,.3g}" for value in grid.values()))])
    print()


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of six columns on either side")
    parser.add_argument("--runs", type=int, default=3, help="of the grid")
    parser.add_argument("--cases", type=int, default=CASES, help="of the grid")
    options = parser.parse_args(argv)
    load = psutil.getloadavg()  # before we add to it
    print("Load average: " + ", ".join(f"{value:.1f}" for value in load))
    with DemoModel() as demo, chromium() as browser:
        columns = measure_columns(browser, demo, options.rounds)
        grid = measure_grid(browser, demo, options.runs, options.cases)
    summed = {name: medians(rounds) for name, rounds in columns.items()}
    report(summed, medians(grid))
    found = claims(summed, medians(grid))
    print_claims(found)
    print("Written to", write_json("columns", {"load": load, "columns": columns, "grid": grid}))
    return found


if __name__ == "__main__":
    main()
