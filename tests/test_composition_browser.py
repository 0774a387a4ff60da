"""Enter that ends a composition sends nothing, in any text field of any page; the next Enter does."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from components.page.pages import PAGES
from components.page.texts import texts
from tests.browser import Site, browsing, button, needs_chromium
from tests.pages import heading, path_of

pytestmark = needs_chromium

Events = list[tuple[str, dict[str, Any]]]

# What browsers send at the Enter that chooses a word: Safari ends the composition first, Chromium and Firefox after it.
SAFARI: Events = [
    ("compositionstart", {}),
    ("compositionend", {"data": "天気"}),
    ("keydown", {"key": "Enter", "code": "Enter", "keyCode": 229}),
]
CHROMIUM: Events = [
    ("compositionstart", {}),
    ("keydown", {"key": "Enter", "code": "Enter", "keyCode": 229, "isComposing": True}),
    ("compositionend", {"data": "天気"}),
]
FIREFOX: Events = [
    ("compositionstart", {}),
    ("keydown", {"key": "Process", "code": "Enter", "keyCode": 229, "isComposing": True}),
    ("compositionend", {"data": "天気"}),
]
BROWSERS = {"Safari": SAFARI, "Chromium": CHROMIUM, "Firefox": FIREFOX}

DISPATCH = """(field, events) => events.map(([kind, values]) => {
    const type = kind.startsWith('composition') ? CompositionEvent : KeyboardEvent;
    return field.dispatchEvent(new type(kind, { bubbles: true, cancelable: true, composed: true, ...values }));
})"""


@pytest.fixture(scope="module")
def lab(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


def compose(field: Locator, events: Events) -> None:
    field.evaluate(DISPATCH, [list(event) for event in events])


def sent(page: Page) -> Locator:
    return page.get_by_test_id("stChatMessage")


def test_the_enter_of_a_composition_sends_no_question(lab: Site) -> None:
    """In whichever browser, the text stays in the box, and is sent by the Enter that comes then."""
    with lab.opened("/chat", "ja") as page:
        box = page.get_by_test_id("stChatInputTextArea")
        for number, (browser, events) in enumerate(BROWSERS.items()):
            box.fill(f"天気 {browser}")
            compose(box, events)
            page.wait_for_timeout(500)  # a question that was sent would be there, and its box empty
            expect(box).to_have_value(f"天気 {browser}")
            expect(sent(page)).to_have_count(2 * number)
            box.press("Enter")
            expect(sent(page).nth(2 * number)).to_contain_text(f"天気 {browser}")
            expect(box).to_have_value("")
            expect(button(page, texts("ja")["chat.regenerate"])).to_be_visible()
            expect(sent(page)).to_have_count(2 * number + 2)


@pytest.mark.parametrize("page_name", PAGES)
@pytest.mark.soak
def test_every_page_keeps_compositions(lab: Site, page_name: str) -> None:
    """Whatever has the focus, the window hears of the key first, and nothing of the page does."""
    with lab.opened(path_of(page_name), "ja") as page:
        expect(page.get_by_role("heading", name=heading(page_name, "ja"), exact=True)).to_be_visible()
        heard = """() => new Promise(done => {
            document.addEventListener('keydown', () => done('heard'), { once: true });
            const key = { key: 'Enter', code: 'Enter', keyCode: 229, bubbles: true };
            document.body.dispatchEvent(new KeyboardEvent('keydown', key));
            setTimeout(() => done('kept'), 200);
        })"""
        page.wait_for_function(f"async () => await ({heard})() === 'kept'")  # from when its script has come
