"""Time to the first visible text in a real browser, beside a plain page.

From the press of Enter in the chat input until the first text of the answer is in the document, both on the page's
own clock. Ours is the app; the plain page gives the chain's stream to `st.write_stream`. Both ask the same model,
which sends its first chunk after 200 ms. Every question is the first one of a fresh page, the two sides by turns.
"""

import statistics
from functools import partial

from playwright.sync_api import Browser

from benchmarks.harness import Claim, Result, by_turns, chromium, middles
from benchmarks.served import serve_app, serve_plain
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


def measure(browser: Browser, address: str) -> float:
    """Measure the seconds from Enter to the first text."""
    page = browser.new_page()
    page.goto(address)
    box = page.locator(INPUT)
    box.fill("What is streaming?")
    page.wait_for_timeout(1_000)  # whatever loads late
    page.evaluate(_WATCH)
    box.press("Enter")
    page.wait_for_function("window.first")
    seconds = float(page.evaluate("window.first - window.asked")) / 1000
    page.wait_for_timeout(1_000)  # the answer's end
    page.close()
    return seconds


def run(rounds: int = 15) -> Result:
    with (
        DemoModel() as demo,
        chromium() as browser,
        serve_app(demo, MODEL) as ours,
        serve_plain("plain.py", demo, MODEL) as plain,
    ):
        addresses = {"ours": f"{ours.url}/chat", "plain": plain.url}
        measures = {name: partial(measure, browser, address) for name, address in addresses.items()}
        times = by_turns(measures, rounds, warm_up=2)
    for name, values in times.items():
        ordered = sorted(round(value * 1000) for value in values)
        print(f"{name}: median {statistics.median(ordered):.0f} ms, from {ordered[0]} to {ordered[-1]} ms")
    middle = middles(times)
    name = f"time to first visible text (model {FIRST * 1000:.0f} ms)"
    return Result([Claim(name, middle["ours"] * 1000, middle["plain"] * 1000, TARGET, "ms")], times)
