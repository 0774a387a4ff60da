"""The way of an answer in a real browser: asked for here, and told of to others."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from components.page.texts import texts
from tests.browser import Site, browsing, button, needs_chromium
from tests.pages import languages

WAY = ("question", "model", "run", "log", "page", "browser")

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def app(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


def station(page: Page, words: dict[str, str], name: str) -> Locator:
    named = page.get_by_text(words[f"about.{name}"], exact=True)
    return page.get_by_role("listitem").filter(has=named, has_text=words[f"about.does_{name}"])


def number(text: str) -> float:
    found = re.search(r"\d+\.\d+", text)
    assert found, text
    return float(found[0])


def time(page: Page, words: dict[str, str], name: str) -> str:
    return station(page, words, name).locator(".time").inner_text()


@pytest.mark.soak
@languages
def test_a_question_is_followed_on_its_way(app: Site, language: str) -> None:
    """By keyboard: it is asked, and each station tells when the first words were there; the last one by this browser's
    clock. Who only looks is told the same but that, and on a phone the way goes down."""
    words = texts(language)
    with app.opened("/about", language) as page:
        button(page, words["about.ask"]).press("Enter")
        expect(page.locator(".note")).to_have_text(
            re.compile(re.escape(words["about.number_arrived"]).replace(r"\{number\}", ".+"))
        )
        expect(station(page, words, "browser").locator(".time")).to_have_text(re.compile(r"\d"))
        assert number(time(page, words, "question")) == 0
        read, shown = (number(time(page, words, name)) for name in ("run", "browser"))
        assert 0 < read < shown
        assert shown == number(page.locator(".note").inner_text())
        for name in ("log", "page"):
            assert number(time(page, words, name)) >= 0
        with app.opened("/about", language) as other:
            expect(station(other, words, "page").locator(".time")).to_have_text(re.compile(r"\d"))
            assert number(time(other, words, "run")) == read
            assert time(other, words, "browser") == "–"
            expect(other.locator(".note")).to_have_text(words["about.browser_knows"])
        page.set_viewport_size({"width": 390, "height": 844})
        page.emulate_media(reduced_motion="reduce")
        button(page, words["about.play"]).click()
        expect(page.locator(".way circle")).to_be_hidden()
        assert number(time(page, words, "browser")) == shown
        tops = [box["y"] for name in WAY if (box := station(page, words, name).bounding_box())]
        assert tops == sorted(set(tops))
        assert len(tops) == len(WAY)
