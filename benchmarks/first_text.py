"""Time to the first visible text in a real browser, beside a plain page.

From the press of Enter in the chat input until the first text of the answer is in the document, both on the page's
own clock. Ours is the app; the plain page gives the chain's stream to `st.write_stream`. Both ask the same model,
which sends its first chunk after 200 ms. Every question is the first one of a fresh page, the two sides by turns.
"""

import argparse
import statistics
from collections.abc import Sequence

from playwright.sync_api import Browser

from benchmarks.harness import Claim, chromium, print_claims, write_json
from benchmarks.pages import chain_candidates
from streamlab.demo_model.process import DemoModel

FIRST = 0.2  # seconds
MODEL = f"demo-model?first={FIRST}&jitter=0&rate=50&chunks=25&size=5"
FIRST_CHUNK = "word1"
TARGET = 1.1
INPUT = '[data-testid="stChatInputTextArea"]'

_WATCH = f"""() => {{
    document.addEventListener('keydown', event => {{
        if (event.key === 'Enter') window.asked = performance.now();
    }}, true);
    new MutationObserver(() => {{
        if (!window.first && document.body.textContent.includes('{FIRST_CHUNK}')) window.first = performance.now();
    }}).observe(document.body, {{subtree: true, childList: true, characterData: true}});
}}"""


def measure(browser: Browser, address: str, question: str) -> float:
    """Measure the seconds from Enter to the first text."""
    page = browser.new_page()
    page.goto(address)
    box = page.locator(INPUT)
    box.fill(question)
    page.wait_for_timeout(1_000)  # whatever loads late
    page.evaluate(_WATCH)
    box.press("Enter")
    page.wait_for_function("window.first")
    seconds = float(page.evaluate("window.first - window.asked")) / 1000
    page.wait_for_timeout(1_000)  # the answer's end
    page.close()
    return seconds


def run(questions: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    with DemoModel() as demo, chromium() as browser:
        ours, plain = chain_candidates(demo, MODEL)
        with ours.serve() as our_server, plain.serve() as plain_server:
            addresses = {"ours": f"{our_server.url}/{ours.page}", "plain": plain_server.url}
            for number in range(-2, questions):
                for name in sorted(addresses, reverse=number % 2 == 0):
                    seconds = measure(browser, addresses[name], f"question {number}")
                    if number >= 0:  # the first ones pay for imports
                        times[name].append(seconds)
    return times


def claims(times: dict[str, list[float]]) -> list[Claim]:
    ours, plain = (statistics.median(times[name]) * 1000 for name in ("ours", "plain"))
    return [Claim(f"time to first visible text (model {FIRST * 1000:.0f} ms)", ours, plain, TARGET, "ms")]


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=15)
    times = run(parser.parse_args(argv).questions)
    for name, values in times.items():
        ordered = sorted(round(value * 1000) for value in values)
        print(f"{name}: median {statistics.median(ordered):.0f} ms, from {ordered[0]} to {ordered[-1]} ms")
    found = claims(times)
    print_claims(found)
    print("Written to", write_json("first_text", times))
    return found


if __name__ == "__main__":
    main()
