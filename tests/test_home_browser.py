"""The first page in a real browser: the recording that it replays, races, and the way to the other pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.harness import chromium
from components.page.pages import HOME, PAGES
from components.page.texts import texts
from streamlab.events.outcome import outcome_of
from streamlab.race.recorded import recorded_race
from tests.browser import MODELS, PATIENCE, button, needs_chromium
from tests.pages import LOCALE, heading, languages, new_question, path_of

pytestmark = needs_chromium

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SECONDS = {"en": " s", "ja": " 秒"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as browser:
        yield browser


@contextmanager
def opened(browser: Browser, address: str, language: str, size: Any = WIDE, **options: Any) -> Iterator[Page]:
    context = browser.new_context(locale=LOCALE[language], viewport=size, **options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("heading", name=heading(HOME, language), exact=True)).to_be_visible()
    yield page
    context.close()


def clock(page: Page, words: dict[str, str], lane: str) -> Locator:
    return page.get_by_role("timer", name=words[f"home.lane_{lane}"], exact=True)


def shown(page: Page, words: dict[str, str], lane: str) -> str:
    """What a recording shows of an answer now."""
    return page.get_by_role("region", name=words[f"home.lane_{lane}"], exact=True).inner_text().strip()


def choose(page: Page, words: dict[str, str], name: str) -> None:
    page.get_by_test_id("stMain").get_by_role("combobox", name=words["home.model"]).click()
    page.get_by_role("option", name=MODELS[name], exact=True).click()


def ask(page: Page, question: str) -> None:
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")


@languages
def test_the_recording_is_replayed_at_its_own_pace(browser: Browser, shared_app: str, language: str) -> None:
    """By the browser, in words that grow beside an empty panel; it rests when it is paused."""
    words, recorded = texts(language), recorded_race(language)
    whole, streamed = outcome_of(recorded.whole), outcome_of(recorded.streamed)
    with opened(browser, shared_app, language) as page:
        expect(button(page, words["home.pause"])).to_be_visible()
        expect(page.get_by_text(words["home.recording"], exact=True)).to_be_visible()
        first = f"{streamed.timings.ttft:.1f}{SECONDS[language]}"
        expect(clock(page, words, "streamed")).to_have_text(first)
        expect(page.get_by_text(words["home.clock_waiting"]).first).to_be_visible()
        button(page, words["home.pause"]).click()
        before = shown(page, words, "streamed")
        assert before
        assert streamed.text.startswith(before.split("\n")[0])
        assert not shown(page, words, "whole")
        page.wait_for_timeout(500)
        assert shown(page, words, "streamed") == before
        button(page, words["home.play"]).click()
        expect(clock(page, words, "whole")).to_have_text(f"{whole.timings.ttft:.1f}{SECONDS[language]}")
        expect(page.get_by_role("region", name=words["home.lane_whole"], exact=True)).not_to_have_text("")
        assert shown(page, words, "whole") == shown(page, words, "streamed")


@languages
def test_who_wants_no_motion_sees_the_end_and_may_play(browser: Browser, shared_app: str, language: str) -> None:
    words = texts(language)
    end = f"{outcome_of(recorded_race(language).whole).timings.ttft:.1f}{SECONDS[language]}"
    with opened(browser, shared_app, language, reduced_motion="reduce") as page:
        expect(button(page, words["home.play"])).to_be_visible()
        expect(clock(page, words, "whole")).to_have_text(end)
        page.wait_for_timeout(300)
        expect(clock(page, words, "whole")).to_have_text(end)
        button(page, words["home.play"]).press("Enter")
        expect(page.get_by_text(words["home.clock_waiting"]).first).to_be_visible()


@pytest.mark.soak
@languages
def test_a_race_is_run_live_to_its_sentence(browser: Browser, shared_app: str, language: str) -> None:
    """One question typed, two answers: words grow while the other clock runs in the browser, and both have their end.

    Then it can be raced again, and its address has it for others.
    """
    words, question = texts(language), new_question(language)
    with opened(browser, shared_app, language) as page:
        choose(page, words, "short")
        ask(page, question)
        whole, streamed = clock(page, words, "whole"), clock(page, words, "streamed")
        expect(page.get_by_text("word1 ").first).to_be_visible()
        assert page.get_by_text("word1 ").count() == 1
        expect(page.get_by_text(words["home.clock_waiting"]).first).to_be_visible()
        times = set()
        for _ in range(5):
            times.add(whole.inner_text())
            page.wait_for_timeout(200)
        assert len(times) > 2
        stopped = streamed.inner_text()
        expect(button(page, words["home.again"])).to_be_visible()
        assert streamed.inner_text() == stopped
        expect(page.get_by_text("word1 ")).to_have_count(2)
        first, last = (float(each.inner_text().split()[0]) for each in (streamed, whole))
        sooner = words["home.sooner"].format(seconds=f"{last - first:.1f}")
        expect(page.get_by_role("heading", name=sooner)).to_be_visible()
        expect(button(page, words["home.stop"])).to_have_count(0)
        with opened(browser, page.url, language) as other:
            expect(other.get_by_text(question)).to_be_visible()
            expect(other.get_by_role("heading", name=sooner)).to_be_visible()
        button(page, words["home.again"]).click()
        expect(button(page, words["home.stop"])).to_be_visible()
        expect(page.get_by_text(question, exact=True)).to_be_visible()


@pytest.mark.soak
@languages
def test_a_race_is_stopped_and_goes_on_through_a_reload(browser: Browser, shared_app: str, language: str) -> None:
    """What was there to read stays; of the whole answer there is nothing."""
    words = texts(language)
    with opened(browser, shared_app, language) as page:
        choose(page, words, "long")
        ask(page, new_question(language))
        expect(page.get_by_text("word1 ").first).to_be_visible()
        before = float(clock(page, words, "whole").inner_text().split()[0])
        page.reload()
        expect(page.get_by_text("word1 ").first).to_be_visible()
        assert float(clock(page, words, "whole").inner_text().split()[0]) > before
        expect(page.get_by_text(words["home.clock_waiting"]).first).to_be_visible()
        button(page, words["home.stop"]).click()
        told = words["home.stopped_reading"].partition("{")[0]
        expect(page.get_by_role("heading", name=told)).to_be_visible()
        expect(page.get_by_text(words["chat.stopped"])).to_have_count(2)
        expect(button(page, words["home.again"])).to_be_visible()


@languages
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_race_is_seen_without_scrolling(browser: Browser, shared_app: str, language: str, size: Any) -> None:
    """Both panels side by side, their clocks and the sentence; where there is room the tops of the doors, too."""
    words = texts(language)
    with opened(browser, shared_app, language, size, reduced_motion="reduce") as page:
        sentence = page.get_by_test_id("stMain").get_by_role("heading", name=words["home.complete"])
        panels = [page.get_by_role("region", name=words[f"home.lane_{lane}"]) for lane in ("whole", "streamed")]
        parts = [*panels, *(clock(page, words, lane) for lane in ("whole", "streamed")), sentence]
        if size is WIDE:
            expect(page.locator("svg[viewBox='0 0 320 112']")).to_have_count(3)
            parts += page.locator("svg[viewBox='0 0 320 112']").all()
        for part in parts:
            expect(part).to_be_visible()
        left, right = (panel.bounding_box() for panel in panels)
        assert left
        assert right
        assert left["y"] == right["y"]
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        for part in parts:
            box = part.bounding_box()
            assert box
            top_is_enough = box["height"] > 60 and part not in panels
            assert box["y"] + (40 if top_is_enough else box["height"]) <= size["height"], part


@pytest.mark.soak
@languages
def test_every_page_has_its_own_title_and_one_first_heading(browser: Browser, shared_app: str, language: str) -> None:
    """Cold at its address, in its group of the navigation, and as a link from there."""
    words = texts(language)
    with opened(browser, shared_app, language) as page:
        links = page.get_by_test_id("stSidebarNavLink")
        expect(links).to_have_text([f"{icon}{words[f'{name}.title']}" for name, icon in PAGES.items()])
        for group in ("watch", "compare", "teach", "inside"):
            expect(
                page.get_by_test_id("stSidebarNav").get_by_text(words[f"navigation.{group}"], exact=True)
            ).to_be_visible()
        for name in PAGES:
            page.goto(shared_app + path_of(name))
            first = page.locator("h1")
            expect(first).to_have_text(heading(name, language))
            named = words["app.title"] if name == HOME else f"{words[f'{name}.title']} · {words['app.title']}"
            expect(page).to_have_title(named)


@languages
def test_the_doors_lead_to_the_pages_and_back(browser: Browser, shared_app: str, language: str) -> None:
    """Also by the browser's own way back, and no address is told to be none."""
    words = texts(language)
    with opened(browser, shared_app, language) as page:
        for name in ("chat", "timeline", "latency", "prompts", "chunks", "faults", "relay"):
            page.get_by_test_id("stMain").get_by_role("link", name=words[f"{name}.title"], exact=True).click()
            expect(page.locator("h1")).to_have_text(words[f"{name}.title"])
            page.get_by_test_id("stSidebarNavLink").first.click()
            expect(page.locator("h1")).to_have_text(heading(HOME, language))
            expect(page.get_by_text(words["app.no_page"].partition("{")[2].partition("}")[2])).to_have_count(0)
        page.go_back()
        expect(page.locator("h1")).to_have_text(words["relay.title"])
