"""The chat in real browsers: the app on a server of its own, and what people do on its page."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from benchmarks.harness import chromium, wait_until
from components.page.texts import texts
from tests.browser import MODELS, is_error

PATIENCE = 30.0  # seconds until a test that waits in vain gives up
EN, JA = texts("en"), texts("ja")
THINKING = {"".join(f"{words['chat.thinking']}…".split()) for words in (EN, JA)}

Visit = Callable[..., Page]

# In the second language as `make soak`.
both = pytest.mark.parametrize(("locale", "words"), [("en-US", EN), pytest.param("ja-JP", JA, marks=pytest.mark.soak)])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, shared_app: str) -> Iterator[Visit]:
    """Open an address in a browser profile of its own. Whatever the test does, nothing fails or leaves the machine."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []
    requests: list[str] = []

    def open_page(address: str = "/chat", locale: str = "en-US", theme: Any = "light") -> Page:
        context = browser.new_context(
            locale=locale, color_scheme=theme, viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.extend([message.text] if is_error(message) else []))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address if address.startswith("http") else shared_app + address)
        expect(page.get_by_test_id("stChatInputTextArea").or_(page.get_by_test_id("stMetric")).first).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((shared_app, "data:", "blob:"))] == []


def choose(page: Page, name: str) -> None:
    """Pick a model beside the box, by the part of its name that no other has."""
    box = page.locator(".st-key-settings-model").get_by_role("combobox")
    box.click()
    box.fill(MODELS[name].partition("?")[0])
    page.get_by_role("option", name=MODELS[name], exact=True).click()
    expect(box).to_have_value(MODELS[name])


def ask(page: Page, question: str) -> None:
    write(page, question)
    expect(page.get_by_test_id("stChatMessage").get_by_text(question, exact=True)).to_be_visible()


def write(page: Page, question: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.keyboard.press("Enter")


def answer(page: Page) -> Locator:
    return page.get_by_label("Chat message from assistant").last


def shown(page: Page) -> str:
    """Return the answer's text, without any blanks: paragraphs may cut its words."""
    parts = answer(page).locator("[data-testid=stMarkdown] p:not([data-testid=stCaptionContainer] p)")
    return "".join("".join(parts.all_inner_texts()).split())


def grown(page: Page, before: str) -> str:
    """Return the text once there is more of it. It goes on where it was; that the model is asked is no text yet."""
    wait_until(lambda: len(shown(page)) > len(before) and shown(page) not in THINKING, PATIENCE)
    after = shown(page)
    assert after.startswith(before)
    return after


def finished(page: Page, texts: dict[str, str] = EN) -> None:
    expect(page.get_by_role("button", name=texts["chat.regenerate"])).to_be_visible()
    expect(page.get_by_role("button", name=texts["chat.stop"])).to_have_count(0)


def back(page: Page, before: str) -> str:
    """Check that what stood there is there again with the first text that shows, and return how it goes on."""
    wait_until(lambda: bool(re.match("word", shown(page))), PATIENCE)
    assert shown(page).startswith(before)
    return grown(page, shown(page))
