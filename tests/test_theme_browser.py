"""The choice of light or dark, in a browser whose system has the other."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from benchmarks.harness import chromium
from components.middleware.first_paint import OUTLINE
from components.page.texts import texts
from tests.browser import needs_chromium
from tests.pages import LOCALE

GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 29)"}
SCRIPT = "**/static/js/index*"

pytestmark = needs_chromium


def choose(page: Page, words: dict[str, str], name: str) -> None:
    button = page.get_by_role("button", name=words[f"sidebar.theme_{name}"], exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")


def check_ground(page: Page, theme: str) -> None:
    expect(page.locator("h1")).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", GROUNDS[theme])


@pytest.mark.parametrize(
    ("system", "chosen", "language"),
    [("light", "dark", "ja"), pytest.param("dark", "light", "en", marks=pytest.mark.soak)],
)
def test_a_choice_holds_on_every_page_and_can_be_taken_back(
    shared_app: str, system: Any, chosen: str, language: str
) -> None:
    """By keyboard; it survives a reload, and holds before Streamlit's own script has come."""
    words = texts(language)
    with chromium() as browser:
        page = browser.new_page(color_scheme=system, locale=LOCALE[language])
        page.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        page.goto(f"{shared_app}/faults")
        check_ground(page, system)
        choose(page, words, chosen)
        check_ground(page, chosen)
        page.route(SCRIPT, lambda request: None)
        page.goto(f"{shared_app}/relay", wait_until="commit")
        expect(page.locator(f".{OUTLINE}")).to_have_css("background-color", GROUNDS[chosen])
        page.unroute(SCRIPT)
        check_ground(page, chosen)
        choose(page, words, "system")
        check_ground(page, system)
