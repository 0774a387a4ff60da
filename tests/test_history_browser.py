"""What a browser made, as people come back to it: real browsers, each with the cookie that it was given."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from benchmarks.harness import free_port
from components.page.conversations import NAMED, WIDTH
from components.page.texts import texts
from tests.browser import Site, browsing, button, needs_chromium
from tests.pages import languages, new_question
from tests.test_connection_browser import serve
from tests.test_gateway_command import needs_signals

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def lab(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


def ask(page: Page, language: str, question: str) -> None:
    """Ask in a new conversation, and wait for the answer."""
    page.goto(re.sub(r"/chat.*|$", "/chat", page.url, count=1))
    box = asking(page)
    box.fill(question)
    box.press("Enter")
    expect(button(page, texts(language)["chat.regenerate"])).to_be_visible()


def asking(page: Page) -> Locator:
    return page.get_by_test_id("stChatInputTextArea")


def entry(page: Page, title: str) -> Locator:
    return page.get_by_test_id("stSidebar").get_by_role("button", name=title, exact=True)


def menu(page: Page, language: str, title: str) -> Locator:
    """Find the menu of a conversation by what a screen reader says of it, in which a long title is cut."""
    before, _, after = texts(language)["history.edit"].partition("{title}")
    named = re.compile(f"^{re.escape(before)}.{re.escape(title[: NAMED - 1])}.*{re.escape(after)}$")
    return page.get_by_test_id("stSidebar").get_by_role("button", name=named)


def edit(page: Page, language: str, title: str, option: str) -> None:
    """Choose in the menu of a conversation, by the keyboard."""
    expect(menu(page, language, title)).to_be_visible()
    entry(page, title).focus()
    page.keyboard.press("Tab")
    expect(menu(page, language, title)).to_be_focused()
    page.keyboard.press("Enter")
    chosen = page.get_by_role("menuitem", name=texts(language)[f"history.{option}"], exact=True)
    expect(chosen).to_be_visible()
    chosen.press("Enter")


def second_tab(page: Page, path: str) -> Page:
    context: BrowserContext = page.context
    tab = context.new_page()
    tab.goto(path)
    return tab


@pytest.mark.soak
@languages
def test_conversations_are_found_searched_named_deleted_and_restored(lab: Site, language: str) -> None:
    """After a reload and in another tab; another browser sees none, and by the address what is there."""
    words, first, second = texts(language), new_question(language), f"東京での会議 {new_question(language)}"
    with lab.opened("/chat", language) as page, lab.opened("/chat", language) as stranger:
        ask(page, language, first)
        ask(page, language, second)
        address = page.url
        page.reload()
        tab = second_tab(page, f"{lab.url}/chat")
        for each in (page, tab):
            expect(entry(each, first)).to_be_visible()
            expect(entry(each, second)).to_be_visible()
        page.get_by_placeholder(words["history.words"]).press_sequentially("会議")
        expect(entry(page, first)).to_have_count(0)
        expect(entry(page, second)).to_be_visible()
        page.get_by_placeholder(words["history.words"]).fill("")
        expect(entry(page, first)).to_be_visible()
        stranger.goto(address)
        expect(stranger.get_by_text(second, exact=True)).to_be_visible()
        expect(entry(stranger, second)).to_have_count(0)
        edit(page, language, second, "rename")
        naming = page.get_by_label(words["history.title"], exact=True)
        naming.fill("議事録")
        naming.press("Enter")
        tab.reload()
        for each in (page, tab):
            expect(entry(each, "議事録")).to_be_visible()
            expect(entry(each, second)).to_have_count(0)
        edit(page, language, "議事録", "delete")
        expect(entry(page, "議事録")).to_have_count(0)
        for each in (stranger, tab):
            each.goto(address)
            expect(each.get_by_text(words["history.gone"])).to_be_visible()
        button(page, words["history.undo"]).click()
        expect(entry(page, "議事録")).to_be_visible()
        expect(page.get_by_text(second, exact=True)).to_be_visible()
        stranger.reload()
        expect(stranger.get_by_text(second, exact=True)).to_be_visible()


@needs_signals
@pytest.mark.soak
@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_was_deleted_can_be_brought_back_after_a_kill(lab: Site, tmp_path: Path, language: str) -> None:
    """In the list, and at the address of what was deleted; each of them."""
    words, port = texts(language), free_port()
    settings = {"LAB_STORE": f"sqlite:///{tmp_path / 'store'}", "LAB_MODELS": "demo?first=0&rate=2000"}
    with lab.opened("/about", language) as page:
        with serve(tmp_path, port, **settings) as (process, _):
            page.goto(f"http://localhost:{port}/chat")
            ask(page, language, "one?")
            address = page.url
            ask(page, language, "two?")
            for title in ("one?", "two?"):
                edit(page, language, title, "delete")
                expect(entry(page, title)).to_have_count(0)
            process.send_signal(signal.SIGKILL)
            process.wait()
        with serve(tmp_path, port, **settings):
            undo = page.get_by_test_id("stSidebar").get_by_role("button", name=words["history.undo"], exact=True)
            page.reload()
            expect(undo).to_have_count(2)
            undo.first.click()
            expect(entry(page, "two?")).to_be_visible()
            page.goto(address)
            expect(page.get_by_text(words["history.gone"])).to_be_visible()
            page.locator(".st-key-history-undo button").click()
            expect(entry(page, "one?")).to_be_visible()
            expect(page.get_by_text("one?", exact=True).last).to_be_visible()
            expect(undo).to_have_count(0)


ODD = (
    "ما هو البث المتدفق للنماذج اللغوية ولماذا هو أسرع من غيره؟",
    "🎉👩‍👩‍👧‍👦 emoji",
    "*a* `b` $x$ :smile:",
    "長い題名" * 19,
)


@pytest.mark.soak
@pytest.mark.parametrize("width", [1280, 390])
def test_odd_titles_are_shown_as_they_are(lab: Site, width: int) -> None:
    """On one line from where their text begins, in its direction, and each with a menu of its name."""
    with lab.opened("/chat") as page:
        for title in ODD:
            ask(page, "en", title)
        page.set_viewport_size({"width": width, "height": 844})
        page.reload()
        if width < 700:
            page.get_by_test_id("stExpandSidebarButton").click()
        for title in ODD:
            found = entry(page, title).locator("visible=true")
            expect(found).to_be_visible()
            expect(menu(page, "en", title).locator("visible=true")).to_be_visible()
            direction = "rtl" if title is ODD[0] else "ltr"
            expect(found).to_have_css("direction", direction)
            box = found.bounding_box()
            assert box
            assert box["height"] < 45
            assert box["width"] < WIDTH + 1  # a browser counts in parts of pixels


@pytest.mark.soak
@languages
def test_a_question_that_is_half_written_stays(lab: Site, language: str) -> None:
    """After a reload, on the way back from another page, and in another tab; not when it was sent, nor elsewhere."""
    half = f"半分 {new_question(language)}"
    with lab.opened("/chat", language) as page, lab.opened("/chat", language) as stranger:
        asking(page).press_sequentially(half)
        page.reload()
        expect(asking(page)).to_have_value(half)
        page.get_by_test_id("stSidebarNavLink").nth(2).click()
        expect(page).to_have_url(re.compile("/timeline"))
        expect(asking(page)).to_have_value("")
        page.get_by_test_id("stSidebarNavLink").nth(1).click()
        expect(asking(page)).to_have_value(half)
        tab = second_tab(page, f"{lab.url}/chat")
        expect(asking(tab)).to_have_value(half)
        expect(asking(stranger)).to_have_value("")
        tab.close()
        asking(page).press("Enter")
        expect(button(page, texts(language)["chat.regenerate"])).to_be_visible()
        expect(asking(page)).to_have_value("")
        asking(page).press_sequentially(half)
        page.reload()
        expect(asking(page)).to_have_value(half)
        page.goto(f"{lab.url}/chat")
        expect(button(page, texts(language)["suggestions.one"])).to_be_visible()
        expect(asking(page)).to_have_value("")


@pytest.mark.soak
@languages
def test_a_set_of_prompts_stays_as_it_was_typed(lab: Site, language: str) -> None:
    """Each field of it: nothing need be left or clicked. Another browser finds the example."""
    words = texts(language)
    labels = {"prompts.name": "名前 A", "settings.system": "短く。 Brief.", "prompts.template": "東京 {topic}"}

    def field(page: Page, label: str) -> Locator:
        return page.get_by_test_id("stMain").get_by_role("textbox", name=words[label], exact=True).first

    with lab.opened("/prompts", language) as page, lab.opened("/prompts", language) as stranger:
        for label, text in labels.items():
            expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
            field(page, label).fill("")
            field(page, label).press_sequentially(text)
            told = words["prompts.saved_as"].partition("{name}")[2]
            expect(page.get_by_test_id("stMain").get_by_text(told)).to_be_visible()
            page.wait_for_timeout(1_000)  # longer than a pause while one types
        page.reload()
        page.goto(f"{lab.url}/about")
        page.goto(f"{lab.url}/prompts")
        for label, text in labels.items():
            expect(field(page, label)).to_have_value(text)
        expect(field(stranger, "prompts.template")).to_have_value(words["prompts.first_template"].format())
        expect(stranger.get_by_text(words["prompts.origin_example"])).to_be_visible()
