"""A large comparison with its page open: the server's memory, and the time from a click to the grid's rows."""

import math
import statistics
from collections.abc import Iterator
from functools import partial

from playwright.sync_api import Browser, Page

from benchmarks.harness import Server, sampled
from benchmarks.served import RUN, Round, answered_requests, open_page, print_round, serve_app
from streamlab.demo_model.process import DemoModel
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.serialization import to_address

CASES, VARIANTS = 200, 4
FEW_CASES = 30  # of the small comparison: two pages of the grid
PAGE = 25  # rows of the grid that are shown at a time
CLICK_PAUSE_MS = 1_000
CLICKS_AT_REST = 10
SHORT = "demo-model?first=0.1&jitter=0&rate=200&chunks=20&size=5"

# The grid is painted: what it shows is what it draws.
_WATCH_GRID = """() => {
    const draw = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        if (text === window.awaited && !window.drawn) window.drawn = performance.now() / 1000;
        return draw.call(this, text, ...rest);
    };
    document.addEventListener('click', () => { window.clicked = performance.now() / 1000; }, true);
}"""


def megabytes(server: Server) -> float:
    return server.memory() / 1e6


class Grid:
    """The grid's pager on a page, and the first row that each of its pages shows."""

    def __init__(self, page: Page, question: str) -> None:
        self._page = page
        self._question = question
        self._last = math.ceil(CASES / PAGE)
        self._shown = 1
        self._forward = True
        page.evaluate(_WATCH_GRID)

    @property
    def running(self) -> bool:
        return self._page.get_by_test_id("stProgress").count() > 0

    def turn(self) -> float:
        """Turn the page, and return the seconds from the click to its first row."""
        self._forward = self._shown == 1 or (self._forward and self._shown < self._last)
        self._shown += 1 if self._forward else -1
        row = case_name(self._question, (self._shown - 1) * PAGE)
        self._page.evaluate("row => { window.awaited = row; window.drawn = 0; }", row)
        self._page.get_by_role("button", name="Next page" if self._forward else "Previous page").click()
        self._page.wait_for_function("window.drawn")
        return float(self._page.evaluate("window.drawn - window.clicked"))


def case_name(question: str, number: int) -> str:
    """Return a case's text in the table; `number` is from 0."""
    return f"{question}, case {number + 1}"


def many_cases(question: str, cases: int) -> str:
    """Return the address of our page with a set of so many cases."""
    variants = tuple(Variant(name=f"variant {n}", template="{case}", model=SHORT) for n in range(1, VARIANTS + 1))
    rows = tuple({"case": case_name(question, number)} for number in range(cases))
    return f"prompts?set={to_address(PromptSet(variants=variants, columns=('case',), cases=rows))}"


def compare(browser: Browser, server: Server, question: str) -> Round:
    """Run a comparison while somebody turns the grid's pages; measure megabytes, and seconds to the rows."""
    with open_page(browser, f"{server.url}/{many_cases(question, CASES)}") as page:
        grid = Grid(page, question)
        before = megabytes(server)
        with sampled(partial(megabytes, server), interval=0.2) as sizes:
            page.get_by_role("button", name=RUN, exact=True).click()
            page.get_by_test_id("stProgress").wait_for()
            running = list(clicks_while_running(page, grid))
        page.wait_for_timeout(2_000)  # all that the end draws
        at_rest = [click_to_rows(page, grid) for _ in range(CLICKS_AT_REST)]
        after = megabytes(server)
    quarter = len(sizes) // 4
    return {
        "before": before,
        "quarter": max(sizes[:quarter]),
        "later": max(sizes[quarter:]),
        "after": after,
        "rows": statistics.median(running),
        "rest": statistics.median(at_rest),
    }


def click_to_rows(page: Page, grid: Grid) -> float:
    page.wait_for_timeout(CLICK_PAUSE_MS)
    return grid.turn()


def clicks_while_running(page: Page, grid: Grid) -> Iterator[float]:
    """Yield the times of clicks during the comparison; drop one that meets its end."""
    while grid.running:
        seconds = click_to_rows(page, grid)
        if grid.running:
            yield seconds


def warm_up(browser: Browser, server: Server) -> None:
    """Run a small comparison, to pay for imports and for what every server allocates once."""
    with open_page(browser, f"{server.url}/{many_cases('warm-up', FEW_CASES)}") as page:
        page.get_by_role("button", name=RUN, exact=True).click()
        progress = page.get_by_test_id("stProgress")
        progress.wait_for()
        progress.wait_for(state="detached")


def measure_grid(browser: Browser, demo: DemoModel, rounds: int) -> list[Round]:
    """Measure each round in a server of its own."""
    results = []
    for number in range(1, rounds + 1):
        question = f"grid {number}"
        with serve_app(demo, SHORT) as server:
            warm_up(browser, server)
            found = compare(browser, server, question)
        if (answered := len(answered_requests(demo, question))) != CASES * VARIANTS:
            raise RuntimeError(f"{question}: {answered} answers of {CASES * VARIANTS}")
        results.append(found)
        print_round(f"grid, {CASES} cases", found)
    return results
