"""How far measured latencies are from the truth: alone, and while four pages of the app stream in a real browser.

The demo model notes when it writes each chunk, by the clock that all processes of a host share. A measurement is the
page's own, `python -m streamlab.latency`: eight pairs of `invoke` and `stream`, 60 chunks at 50 a second. Each error is
held to what a measurement may err by; a measurement that says itself that the machine is too noisy is told apart.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.harness import ROOT, Claim, Result, chromium, streamlit_server
from streamlab.latency.disturbance import Noise, noise
from streamlab.latency.figures import Spread
from streamlab.latency.measurement import read_measurement

PAGES = 4
BESIDE = f"beside {PAGES} pages"
MEASURED = "demo?chunks=60&rate=50&first=0.2"
STREAMED = "demo?chunks=20000&rate=50&paragraph=400"  # for as long as the measurement takes
LIMITS = {"median": 0.005, "p95": 0.015}  # seconds
INPUT = '[data-testid="stChatInputTextArea"]'


@contextmanager
def streaming_pages() -> Iterator[None]:
    """Open four pages of one server in one browser, each with an answer that does not end."""
    with (
        streamlit_server(ROOT / "app.py", environment={"LAB_MODELS": STREAMED, "LAB_TOTAL_TIMEOUT": "600"}) as server,
        chromium() as browser,
    ):
        for _ in range(PAGES):
            _ask(browser.new_context().new_page(), f"{server.url}/chat")
        yield


def _ask(page: Page, address: str) -> None:
    page.goto(address)
    page.fill(INPUT, "What is streaming?")
    page.press(INPUT, "Enter")
    page.get_by_text("word30").first.wait_for(timeout=60_000)


def measure() -> Noise:
    """Make one measurement with the terminal command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measurement.json"
        command = [sys.executable, "-m", "streamlab.latency", "--model", MEASURED, "--pairs", "8", "--json", str(path)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return noise(read_measurement(path.read_bytes()).observations)


def measured(name: str, rounds: int) -> list[Noise]:
    found = []
    for _ in range(rounds):
        found.append(measure())
        print_noise(name, found[-1])
    return found


def print_noise(name: str, found: Noise) -> None:
    errors = {"TTFT": found.ttft_error, "gaps": found.gap_error}
    errors_text = (
        f"{what} {error.median * 1000:.2f} / {error.p95 * 1000:.2f} ms" for what, error in errors.items() if error
    )
    print(f"  {name}: {', '.join(errors_text)} (median / p95), called {'noisy' if found.noisy else 'quiet'}")


def claims(found: dict[str, list[Noise]]) -> list[Claim]:
    """Compare the medians over the rounds with the allowed errors."""
    results = []
    for name, measured in found.items():
        for kind in ("ttft_error", "gap_error"):
            spreads: list[Spread] = [getattr(noise, kind) for noise in measured]
            for share, limit in LIMITS.items():
                error = statistics.median(getattr(spread, share) for spread in spreads)
                results.append(Claim(f"{kind} {share}, {name}", error * 1000, limit * 1000, 1.0, "ms"))
    return results


def run(rounds: int = 3) -> Result:
    """Measure without pages first, then with them."""
    found = {"alone": measured("alone", rounds)}
    with streaming_pages():
        found[BESIDE] = measured(BESIDE, rounds)
    return Result(claims(found), {name: [asdict(noise) for noise in noises] for name, noises in found.items()})
