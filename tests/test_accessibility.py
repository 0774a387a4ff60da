"""What a page keeps from some of its readers: axe-core's findings, text alternatives, the keyboard."""

import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from benchmarks.harness import chromium
from components.page.pages import PAGES
from components.page.texts import texts
from tests.browser import needs_chromium
from tests.pages import heading, path_of

ROOT = Path(__file__).parent.parent
LIST = (ROOT / "docs" / "accessibility.md").read_text("utf-8")
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
WORDS = texts("en")
WAIT = 60_000  # milliseconds
EACH_TIME = ("home", "chat", "prompts")

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(params=["light", pytest.param("dark", marks=pytest.mark.soak)])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-US", color_scheme=request.param, viewport={"width": 1280, "height": 860})
    context.set_default_timeout(WAIT)
    yield context.new_page()
    context.close()


def known() -> list[tuple[str, str]]:
    """Rule and selector of what is listed as Streamlit's own."""
    return re.findall(r"^\| `([\w-]+)` \| `(.+?)` \|", LIST, re.M)


def findings(page: Page) -> list[str]:
    """What axe finds that is not listed, each with its rule and its element."""
    page.wait_for_timeout(1_000)  # a popover that fades in has no contrast yet
    response: dict[str, Any] = Axe().run(page, options=RULES).response
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in response["violations"]
        for node in violation["nodes"]
        if not _listed(page, violation["id"], node["target"][-1])
    ]


def _listed(page: Page, rule: str, target: str) -> bool:
    selectors = [selector for name, selector in known() if name == rule]
    return any(page.evaluate("([at, of]) => document.querySelector(at)?.matches(of)", [target, of]) for of in selectors)


def visit(page: Page, address: str, name: str) -> None:
    page.goto(address + path_of(name))
    expect(page.get_by_role("heading", name=heading(name, "en"), exact=True)).to_be_visible(timeout=WAIT)
    page.wait_for_timeout(1_500)  # what comes after the title


def test_the_list_is_of_these_versions() -> None:
    """Another Streamlit, or another axe, may have other findings."""
    axe = re.search(r"axe v([\d.]+)", AXE_SCRIPT)
    assert axe
    assert f"Streamlit {version('streamlit')} and axe-core {axe[1]};" in LIST


@pytest.mark.parametrize(
    "name", [name if name in EACH_TIME else pytest.param(name, marks=pytest.mark.soak) for name in PAGES]
)
def test_a_page_that_was_just_opened_has_no_finding_of_ours(page: Page, shared_app: str, name: str) -> None:
    """WCAG 2.2 AA; three pages in light, and as `make soak` all of them in light and dark."""
    visit(page, shared_app, name)
    assert findings(page) == []


@pytest.mark.soak
def test_a_lesson_that_is_opened_has_no_finding_of_ours(page: Page, shared_app: str) -> None:
    """What this shows, the code that ran, try this: one component for all pages."""
    visit(page, shared_app, "about")
    for part in ("what", "code", "try"):
        page.get_by_role("button", name=WORDS[f"lesson.{part}"]).click()
        assert findings(page) == []
        page.keyboard.press("Escape")


def race(page: Page) -> None:
    page.get_by_role("button", name=WORDS["home.race"]).click()
    expect(page.get_by_role("button", name=WORDS["home.again"])).to_be_visible(timeout=WAIT)


def answer(page: Page) -> None:
    page.get_by_test_id("stChatInputTextArea").fill("How is latency measured? Show details")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=WORDS["chat.regenerate"])).to_be_visible(timeout=WAIT)


def record(page: Page) -> None:
    page.get_by_role("button", name=WORDS["timeline.suggestion_parallel"]).click()
    expect(page.get_by_role("tab", name=WORDS["timeline.tab_totals"])).to_be_visible(timeout=WAIT)


def compare(page: Page) -> None:
    page.get_by_role("button", name=WORDS["prompts.run_answers"].partition("{")[0]).click()
    expect(page.get_by_text(WORDS["prompts.difference"])).to_be_visible(timeout=WAIT)


def read(page: Page) -> None:
    page.get_by_role("button", name=WORDS["chunks.start"], exact=True).click()
    stop = page.get_by_role("button", name=WORDS["chunks.stop"], exact=True)
    expect(stop).to_be_visible(timeout=WAIT)
    expect(stop).to_be_hidden(timeout=WAIT)


def fail(page: Page) -> None:
    page.get_by_role("button", name=WORDS["faults.start"], exact=True).click()
    expect(page.get_by_text(WORDS["faults.lines"])).to_be_visible(timeout=WAIT)


def relay(page: Page) -> None:
    page.get_by_role("button", name=WORDS["relay.start"], exact=True).click()
    expect(page.get_by_text(WORDS["relay.card_state_whole"]).nth(1)).to_be_visible(timeout=WAIT)


FILLED = [
    ("home", race),
    ("chat", answer),
    ("timeline", record),
    ("prompts", compare),
    ("chunks", read),
    ("faults", fail),
    ("relay", relay),
]


@pytest.mark.parametrize(("name", "fill"), FILLED)
@pytest.mark.soak
def test_a_page_with_results_has_no_finding_of_ours(
    page: Page, shared_app: str, name: str, fill: Callable[[Page], None]
) -> None:
    """Answers, tool calls, tables, charts and figures."""
    visit(page, shared_app, name)
    fill(page)
    assert findings(page) == []
