"""The page about chunks in a real browser."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

from components.page.texts import texts
from tests.browser import Site, browsing, button, needs_chromium
from tests.pages import languages


@pytest.fixture(scope="module")
def app(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


def views(page: Page, column: int = 0) -> Locator:
    return page.locator(".tiles").nth(column).get_by_role("button")


def start(page: Page, words: dict[str, str]) -> Locator:
    """The button that stops."""
    button(page, words["chunks.start"]).click()
    stop = button(page, words["chunks.stop"])
    expect(stop).to_be_visible()
    return stop


def pace(page: Page, words: dict[str, str], key: str, times: int) -> None:
    """So much slower (ArrowLeft) or faster (ArrowRight) than twenty chunks a second, by keyboard."""
    button(page, words["chunks.how"]).click()
    page.get_by_role("slider", name=words["chunks.rate"]).focus()
    for _ in range(times):
        page.keyboard.press(key)
    page.wait_for_timeout(700)
    page.keyboard.press("Escape")


def is_open(page: Page, words: dict[str, str], column: int, number: int) -> None:
    """The tile is the one that is pressed, and what is beside the tiles is what is in it."""
    expect(page.locator(".tiles [aria-pressed=true]")).to_have_count(1)
    expect(views(page, column).nth(number - 1)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(words["chunks.everything"].format(number=number), exact=True)).to_be_visible()


CLICK_ON = """list => { window.clicker = setInterval(() => {
    window.clicked = window.clicked % 5 + 1 || 1;
    list.children[window.clicked - 1].click();
}, 50); }"""


@pytest.mark.soak
@needs_chromium
@languages
def test_a_click_on_a_tile_opens_it_at_any_moment(app: Site, language: str) -> None:
    """In the example, while chunks arrive, when they have ended, and after the page was drawn again."""
    words = texts(language)
    with app.opened("/chunks", language) as page:
        views(page, 2).nth(1).click()
        is_open(page, words, 2, 2)
        stop = start(page, words)
        views(page, 1).nth(4).click()
        is_open(page, words, 1, 5)
        expect(stop).to_have_count(0)
        is_open(page, words, 1, 5)
        views(page, 2).nth(6).click()
        is_open(page, words, 2, 7)
        page.get_by_role("slider", name=words["chunks.join"]).press("ArrowLeft")
        is_open(page, words, 2, 6)
        page.get_by_role("radio", name=words["chunks.topic_calls"]).click()
        expect(page.get_by_text(words["chunks.nothing_yet"])).to_be_visible()
        page.get_by_role("radio", name=words["chunks.topic_parsers"]).click()
        is_open(page, words, 2, 6)
        views(page).nth(3).click()
        is_open(page, words, 0, 4)


@needs_chromium
@pytest.mark.soak
@languages
def test_a_click_as_the_chunks_end_opens_its_tile(app: Site, language: str) -> None:
    """Twenty clicks a second, up to the end and beyond it: the last one counts, of this reading and of the next."""
    words = texts(language)
    with app.opened("/chunks", language) as page:
        pace(page, words, "ArrowRight", 1)
        for column in (0, 1):
            stop = start(page, words)
            expect(views(page, column).nth(8)).to_be_visible()
            page.locator(".tiles").nth(column).evaluate(CLICK_ON)
            expect(stop).to_have_count(0)
            is_open(page, words, column, page.evaluate("clearInterval(clicker), clicked"))


@needs_chromium
@pytest.mark.soak
@languages
def test_captures_go_on_whoever_looks(app: Site, language: str) -> None:
    """Tiles arrive; a chosen one stays chosen while more come, by keyboard too. Neither a reload, nor another page,
    nor a second browser changes anything, and a stop by anyone ends it for all."""
    words = texts(language)
    with app.opened("/chunks", language) as page:
        expect(button(page, words["chunks.start"])).to_be_visible()
        pace(page, words, "ArrowLeft", 3)
        stop = start(page, words)
        expect(views(page).nth(3)).to_be_visible()
        views(page).nth(1).click()
        expect(views(page).nth(1)).to_have_attribute("aria-pressed", "true")
        count = views(page).count()
        expect(views(page).nth(count + 1)).to_be_visible()
        expect(views(page).nth(1)).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(views(page).nth(2)).to_be_focused()
        page.keyboard.press("Enter")
        expect(views(page).nth(2)).to_have_attribute("aria-pressed", "true")
        is_open(page, words, 0, 3)
        with app.opened(page.url, language) as other:
            expect(views(other, 1).nth(count)).to_be_visible()
            page.reload()
            expect(views(page).nth(count)).to_be_visible()
            page.get_by_role("link", name=words["latency.title"], exact=True).click()
            expect(page.get_by_role("heading", name=words["latency.title"])).to_be_visible()
            page.get_by_role("link", name=words["chunks.title"], exact=True).click()
            expect(views(page).nth(count)).to_be_visible()
            expect(stop).to_be_visible()
            button(other, words["chunks.stop"]).click()
            for each in (other, page):
                expect(each.get_by_text(words["chunks.stopped"]).first).to_be_visible()
                expect(button(each, words["chunks.stop"])).to_have_count(0)
            expect(views(page)).to_have_count(views(other).count())


@pytest.mark.soak
@needs_chromium
@languages
def test_the_chunk_with_the_usage_is_found_by_keyboard(app: Site, language: str) -> None:
    """One Tab stop for all tiles, arrows among them; what was proposed to be tried is then done."""
    words = texts(language)
    with app.opened("/chunks", language) as page:
        stop = start(page, words)
        expect(stop).to_have_count(0)
        last = views(page).last
        expect(page.locator(".tiles").first.locator("[aria-pressed=true]")).to_have_count(1)
        expect(page.locator(".tiles").first.locator("button[tabindex='0']")).to_have_count(1)
        last.focus()
        page.keyboard.press("Home")
        expect(views(page).first).to_be_focused()
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        expect(views(page).nth(views(page).count() - 2)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_text("output_tokens").filter(visible=True).first).to_be_visible()
        button(page, words["lesson.try"]).click()
        expect(page.get_by_test_id("stPopoverBody").get_by_text(words["lesson.done"])).to_be_visible()


@needs_chromium
@languages
@pytest.mark.soak
def test_blocked_and_beating_are_seen(app: Site, language: str) -> None:
    """Two ways are blocked bars, two are strokes of the second task; the chart says the same in words."""
    words = texts(language)
    with app.opened("/chunks", language) as page:
        page.get_by_role("radio", name=words["chunks.topic_calls"]).click()
        expect(page.get_by_text(words["chunks.nothing_yet"])).to_be_visible()
        stop = start(page, words)
        chart = page.get_by_test_id("stVegaLiteChart")
        expect(chart.locator(".mark-rect.role-mark path").first).to_be_attached()
        expect(stop).to_have_count(0)
        expect(chart.locator(".mark-text.role-mark text", has_text=words["chunks.mark_blocked"]).nth(1)).to_be_visible()
        strokes = chart.locator(".mark-rect.role-mark").last.locator("path")
        assert strokes.count() > 100
        never = re.compile(r"(?<!\d)" + re.escape(words["chunks.meanwhile_never"].split("**")[1]))
        expect(page.get_by_role("listitem").filter(has_text=never)).to_have_count(2)
        expect(views(page).filter(has_text="on_chat_model_stream").first).to_be_attached()


@needs_chromium
@pytest.mark.soak
def test_the_address_is_all_that_is_needed(app: Site) -> None:
    """A cold deep link to what is not there says so, in the language of the reader."""
    with app.opened(f"/chunks?{urlencode({'reading': 'nowhere'})}", "ja") as page:
        expect(page.get_by_text(texts("ja")["chunks.unknown"])).to_be_visible()
