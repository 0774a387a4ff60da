"""Six answers side by side in a real browser, beside a plain page; and a large comparison with its page open.

*Columns*: six variants answer at the same time, 50 chunks a second each. The lag of a word is from the model's write of
the chunk that completes it to the change of the document that shows it, for every word of all six. Ours is the prompts
page of the app with its settings. The plain page gives six stock `ChatOpenAI` streams to six `st.write_stream`, each in
a parallel fragment, under Streamlit's defaults. Both ask the same model; fresh pages, the two sides by turns.

The model notes its writes by `time.monotonic`, the page its changes by the wall clock of the same machine, and our
process knows both.

*Grid*: 200 cases x 4 variants, short answers, four at once, in a fresh server that has made one small comparison
before. *Memory* is resident, of the server alone, five times a second. *Rows* is the time from a click on another page
of the grid to the moment at which its first row is drawn on the canvas, both on the page's clock, while the comparison
runs; its peer is the same click when nothing runs.
"""

import re
import time
from bisect import bisect_left
from functools import partial
from itertools import accumulate, count, takewhile
from urllib.parse import urlencode

from playwright.sync_api import Browser

from benchmarks.grid import measure_grid
from benchmarks.harness import Claim, Result, Server, by_turns, chromium, medians, print_table, spread
from benchmarks.served import RUN, Round, answered_requests, open_page, print_round, serve_app, serve_plain
from streamlab.demo_model.chunks import cut, synthetic
from streamlab.demo_model.process import DemoModel
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.serialization import to_address

COLUMNS = 6
CHUNKS = 500
RATE = 50
SIZE = 5
PARAGRAPH = 400
LIMIT = 0.2  # seconds
TARGET = 1.5

GRID_ROUNDS = 3  # at most
FLAT = 1.05
GROWTH = 1.1
ROWS_LIMIT = 1.0  # seconds
BESIDE_REST = 2.0

# Not named `demo?…`, so that both sides ask one and the same server, and each by the provider's settings.
STEADY = f"demo-model?first=1&jitter=0&rate={RATE}&chunks={CHUNKS}&size={SIZE}&paragraph={PARAGRAPH}"

Shown = dict[str, list[float]]  # by the number of the column: when each word was in the document

# A column begins with its name, whatever stands above the answer. Spaces aside, a word is whole across paragraphs.
_WATCH_COLUMNS = """() => {
    window.shown = {};
    new MutationObserver(records => {
        const now = (performance.timeOrigin + performance.now()) / 1000;
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


def completing_chunks() -> list[int]:
    """Return for each numbered word of the answer the chunk that brings its last character."""
    pieces = cut(synthetic(CHUNKS * SIZE, PARAGRAPH), SIZE)
    ends = list(accumulate(len(re.sub(r"\s", "", piece)) for piece in pieces))
    words = accumulate(len(f"word{number}") for number in count(1))
    return [bisect_left(ends, end) for end in takewhile(lambda end: end <= ends[-1], words)]


def six_variants(question: str) -> str:
    """Return the address of our page with a set of six."""
    names = [f"column {number}" for number in range(1, COLUMNS + 1)]
    variants = tuple(Variant(name=name, template=f"{question}, {name}", model=STEADY) for name in names)
    return f"prompts?set={to_address(PromptSet(variants=variants))}"


def stream(browser: Browser, demo: DemoModel, server: Server, address: str, question: str) -> Round:
    """Measure the lags of all words of six answers, in ms, and the server's CPU until all are shown."""
    with open_page(browser, f"{server.url}/{address}") as page:
        page.evaluate(_WATCH_COLUMNS)
        spent = server.cpu_seconds()
        page.get_by_role("button", name=RUN, exact=True).click()
        page.get_by_text(f"column {COLUMNS}", exact=True).scroll_into_view_if_needed()
        page.wait_for_function(_ALL_SHOWN, arg=len(completing_chunks()), polling=500)
        spent = server.cpu_seconds() - spent
        page.wait_for_timeout(1_500)  # the answers' end
        shown: Shown = page.evaluate("window.shown")
    wall = time.time() - time.monotonic()
    written = {
        record["prompt"]["user"].removeprefix(f"{question}, "): record["written"]
        for record in answered_requests(demo, question)
    }
    seconds = [
        at - wall - written[f"column {number}"][chunk]
        for number, times in shown.items()
        for at, chunk in zip(times, completing_chunks(), strict=True)
    ]
    return {**spread(seconds), "cpu": spent}


def measure_columns(browser: Browser, demo: DemoModel, rounds: int) -> dict[str, list[Round]]:
    """Measure both sides by turns."""
    numbers = count(1)
    with serve_app(demo, STEADY) as ours, serve_plain("six_columns.py", demo, STEADY) as plain:

        def measure(name: str, server: Server) -> Round:
            question = f"{name} {next(numbers)}"
            address = six_variants(question) if name == "ours" else f"?{urlencode({'question': question})}"
            found = stream(browser, demo, server, address, question)
            print_round(name, found)
            return found

        return by_turns({"ours": partial(measure, "ours", ours), "plain": partial(measure, "plain", plain)}, rounds)


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


def run(rounds: int = 5) -> Result:
    with DemoModel() as demo, chromium() as browser:
        columns = measure_columns(browser, demo, rounds)
        grid = measure_grid(browser, demo, min(rounds, GRID_ROUNDS))
    middle, middle_grid = {name: medians(found) for name, found in columns.items()}, medians(grid)
    rows = [(name, *(f"{value:,.3g}" for value in found.values())) for name, found in middle.items()]
    print_table(("six columns", *middle["ours"]), rows)
    print()
    print_table(("grid", *middle_grid), [("median", *(f"{value:,.3g}" for value in middle_grid.values()))])
    print()
    return Result(claims(middle, middle_grid), {"columns": columns, "grid": grid})
