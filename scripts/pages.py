"""The app's pages in a browser, as the scripts visit them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

LOCALES = {"en": "en-US", "ja": "ja-JP"}
SIZES: list[ViewportSize] = [{"width": 1280, "height": 860}, {"width": 390, "height": 844}]
WAIT = 60_000  # milliseconds

Theme = Literal["light", "dark"]


@contextmanager
def open_page(browser: Browser, url: str, language: str, theme: Theme, size: ViewportSize) -> Iterator[Page]:
    context = browser.new_context(locale=LOCALES[language], color_scheme=theme, viewport=size)
    context.set_default_timeout(WAIT)
    page = context.new_page()
    page.goto(f"{url}/chat")
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_visible()
    yield page
    context.close()


def address(page: Page, name: str) -> str:
    """Return the address of another page of the same server."""
    return f"{page.url.partition('//')[0]}//{page.url.split('/')[2]}/{name}"


def button(place: Page | Locator, name: str) -> Locator:
    return place.get_by_role("button", name=name, exact=True)


def press(place: Page | Locator, name: str) -> None:
    button(place, name).click()


def scroll(page: Page, pixels: int) -> None:
    """Turn the wheel over the page's middle, wide or narrow."""
    page.mouse.move(600 if (page.viewport_size or SIZES[0])["width"] > 600 else 200, 500)
    page.mouse.wheel(0, pixels)


def ask(page: Page, question: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.keyboard.press("Enter")


def measure_button(page: Page, words: dict[str, str]) -> Locator:
    """Locate it by its label, which also says how long it takes."""
    return page.get_by_role("button", name=re.compile(f"^{re.escape(words['latency.start_in'].partition('{')[0])}"))


def unfold(page: Page, label: str) -> None:
    page.get_by_test_id("stExpander").locator("summary").filter(has_text=label).click()


def measure(page: Page, words: dict[str, str], pairs: int) -> None:
    unfold(page, words["latency.settings"])
    box = page.get_by_role("spinbutton", name=words["latency.pairs"])
    box.fill(str(pairs))
    box.press("Enter")
    page.get_by_role("radio", name=words["latency.length_short"]).click()
    settle(page)
    measure_button(page, words).click()


def settle(page: Page) -> None:
    """Wait until formulas, diagrams and the toolbar are at rest, and close toasts."""
    page.wait_for_timeout(1_000)
    for toast in page.get_by_test_id("stToast").all():
        toast.get_by_role("button").click()
        expect(toast).to_have_count(0)
