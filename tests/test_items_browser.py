"""Runs, trials and measurements whose server is killed in their middle: a real browser comes back to its address."""

import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.harness import chromium, free_port
from components.page.texts import texts
from scripts.pages import measure
from tests.browser import PATIENCE, button, needs_chromium
from tests.pages import LOCALE
from tests.test_connection_browser import serve
from tests.test_gateway_command import needs_signals

pytestmark = [needs_chromium, needs_signals]

Words = dict[str, str]
ENDLESS = "demo?first=0&rate=50&chunks=100000"
QUICK = "demo?first=0.05&rate=200"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as browser:
        yield browser


def pattern(text: str) -> re.Pattern[str]:
    """What a text becomes with any values in its places."""
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(text)))


def ask(page: Page, words: Words) -> None:
    page.get_by_test_id("stChatInputTextArea").fill("one?")
    page.keyboard.press("Enter")


def seen_words(page: Page, words: Words) -> Locator:
    return page.get_by_test_id("stMain").get_by_text("word1 ").first


def seen_calls(page: Page, words: Words) -> Locator:
    """A pair that was made while it goes on, or the first chart, both of which are there when calls were made."""
    return page.locator(".pairs [data-state=made]").or_(page.get_by_test_id("stVegaLiteChart")).first


@dataclass(frozen=True)
class Kind:
    """How one is begun on a page, what is seen of it, and what says that it was lost."""

    name: str
    model: str
    begin: Callable[[Page, Words], None]
    stop: str
    seen: Callable[[Page, Words], Locator]
    lost: str


KINDS = {
    "timeline": Kind("timeline", ENDLESS, ask, "chat.stop", seen_words, "error.producer_lost"),
    "faults": Kind(
        "faults",
        ENDLESS,
        lambda page, words: button(page, words["faults.start"]).click(),
        "faults.stop",
        seen_words,
        "error.producer_lost",
    ),
    "latency": Kind(
        "latency",
        QUICK,
        lambda page, words: measure(page, words, pairs=100),
        "latency.stop",
        seen_calls,
        "latency.lost",
    ),
}


@pytest.mark.soak
@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("timeline", "en"),
        pytest.param("faults", "ja", marks=pytest.mark.soak),
        pytest.param("latency", "ja", marks=pytest.mark.soak),
    ],
)
def test_what_was_seen_is_there_after_a_kill_and_can_be_asked_again(
    browser: Browser, tmp_path: Path, name: str, language: str
) -> None:
    """At its address, and in the browser's list, where it was from the beginning."""
    kind, words, port = KINDS[name], texts(language), free_port()
    settings = {"LAB_STORE": f"sqlite:///{tmp_path / 'store'}", "LAB_MODELS": kind.model}
    with serve(tmp_path, port, **settings) as (process, _):
        page = browser.new_page(locale=LOCALE[language], viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.goto(f"http://localhost:{port}/{name}")
        if name == "faults":
            page.get_by_test_id("stButtonGroup").get_by_text(words["faults.fault_none"], exact=True).click()
        kind.begin(page, words)
        expect(button(page, words[kind.stop])).to_be_visible()
        expect(kind.seen(page, words)).to_be_visible()
        page.wait_for_timeout(2_000)  # what is measured is written once a second
        address = page.url
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serve(tmp_path, port, **settings):
        page.goto(address)
        expect(kind.seen(page, words)).to_be_visible()
        expect(page.get_by_text(pattern(words[kind.lost])).first).to_be_visible()
        expect(button(page, words[kind.stop])).to_have_count(0)
        page.get_by_text(pattern(words[f"{name}.kept"])).click()
        expect(page.get_by_test_id("stPopoverBody").get_by_text(words["history.today"])).to_be_visible()
        page.keyboard.press("Escape")
        button(page, words[f"{name}.again"]).click()
        expect(button(page, words[kind.stop])).to_be_visible()
        expect(page).not_to_have_url(address)
        expect(kind.seen(page, words)).to_be_visible()
        button(page, words[kind.stop]).click()
        expect(button(page, words[kind.stop])).to_have_count(0)
        page.get_by_text(pattern(words[f"{name}.kept"])).click()
        rows = page.get_by_test_id("stPopoverBody").get_by_role("button", name=words["history.delete"])
        expect(rows).to_have_count(2)
        page.close()


@pytest.mark.soak
def test_a_run_of_the_chat_is_on_the_timeline_after_a_restart(browser: Browser, tmp_path: Path) -> None:
    """The link is there, and the run with every event; also when the conversation was deleted and brought back."""
    words, port = texts("en"), free_port()
    settings = {"LAB_STORE": f"sqlite:///{tmp_path / 'store'}", "LAB_MODELS": "demo?first=0&rate=2000"}
    with serve(tmp_path, port, **settings) as (process, _):
        page = browser.new_page(locale=LOCALE["en"], viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.goto(f"http://localhost:{port}/chat")
        page.get_by_text(words["chat.tools"], exact=True).click()
        ask(page, words)
        link = page.get_by_role("link", name=words["chat.timeline"])
        expect(link).to_be_visible()
        address = page.url
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serve(tmp_path, port, **settings):
        page.goto(address)
        link.click()
        expect(page.get_by_role("tab", name=words["timeline.tab_totals"])).to_be_visible()
        expect(page.get_by_test_id("stChatMessage").get_by_text("one?", exact=True)).to_be_visible()
        page.close()
