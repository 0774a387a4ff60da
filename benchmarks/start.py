"""How long a server takes to start, and its first visitor to be answered, beside the least that a page with a chat is.

All from the process's start: until the page's document is served (*port*), until the first visitor, who comes at that
moment, can type (*usable*), and until the first words of the answer are in the page (*words*). *open* is when the
gateway says that it is ready, which the least has not. The modules are compiled already, as they are at a second start.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from playwright.sync_api import Browser

from benchmarks.first_text import FIRST_CHUNK, INPUT
from benchmarks.harness import (
    APPS,
    ROOT,
    Claim,
    Result,
    Server,
    by_turns,
    chromium,
    medians,
    print_table,
    streamlit_server,
)

MODEL = "demo?first=0&jitter=0&rate=50&chunks=25&size=5"
MOST = 3.0  # seconds until the port answers
ANSWERED = f"document.body.textContent.includes('{FIRST_CHUNK}')"


def _measure(browser: Browser, serve: Callable[[], AbstractContextManager[Server]], path: str) -> dict[str, float]:
    began = time.monotonic()
    with serve() as server, browser.new_context() as context:
        times = {"port": time.monotonic() - began}
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(server.url + path)
        box = page.locator(INPUT)
        box.fill("What is streaming?")
        times["usable"] = time.monotonic() - began
        box.press("Enter")
        page.wait_for_function(ANSWERED)
        times["words"] = time.monotonic() - began
    return times


def _ours(answers: str) -> AbstractContextManager[Server]:
    environment = {"LAB_MODELS": MODEL, "LAB_GRPC_PORT": "0", "LAB_LOG_LEVEL": "warning"}
    return streamlit_server(ROOT / "app.py", environment=environment, answers=answers)


def _least() -> AbstractContextManager[Server]:
    return streamlit_server(APPS / "minimal.py", folder=APPS, answers="/")


def _open() -> dict[str, float]:
    began = time.monotonic()
    with _ours("/api/readyz"):
        return {"open": time.monotonic() - began}


def run(rounds: int = 5) -> Result:
    with chromium() as browser:
        measures: dict[str, Callable[[], dict[str, float]]] = {
            "ours": partial(_measure, browser, partial(_ours, "/"), "/chat"),
            "ours, open": _open,
            "the least": partial(_measure, browser, _least, "/"),
        }
        found = by_turns(measures, rounds)
    middle = {name: medians(runs) for name, runs in found.items()}
    ours, least = middle["ours"] | middle["ours, open"], middle["the least"]
    print_table(
        ("seconds from the start", *ours),
        [
            (name, *(f"{times[part]:.2f}" if part in times else "" for part in ours))
            for name, times in (("ours", ours), ("the least", least))
        ],
    )
    claims = [Claim("start until the port answers, against 3 s", ours["port"], MOST, 1.0, "s")]
    return Result(claims, found)
