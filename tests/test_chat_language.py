"""The language of the app in real browsers: in the address, chosen, and kept."""

import pytest
from playwright.sync_api import Page, expect

from tests import chat
from tests.browser import choose_variant, needs_chromium
from tests.chat import EN, JA, Visit, answer, ask, back, both, choose, finished, grown

browser, visit = chat.browser, chat.visit  # fixtures are found by their names

pytestmark = needs_chromium


@pytest.mark.soak
def test_switching_the_language_keeps_the_answer(visit: Visit) -> None:
    """Only the words around it change, also while it arrives; `?lang=` stays through a reload."""
    page = visit()
    choose(page, "long")
    ask(page, "Which language?")
    text = grown(page, "")
    choose_language(page, "日本語")
    expect(page.get_by_role("heading", name=JA["chat.title"], exact=True)).to_be_visible()
    text = back(page, text)
    expect(page.get_by_role("button", name=JA["chat.stop"])).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name=JA["chat.title"], exact=True)).to_be_visible()
    back(page, text)
    page.get_by_role("button", name=JA["chat.stop"]).click()
    finished(page, JA)


@pytest.mark.parametrize(
    ("locale", "named", "expected"), [("en-US", "ja", JA), pytest.param("ja-JP", "en", EN, marks=pytest.mark.soak)]
)
def test_the_language_in_the_address_survives_a_reload(
    visit: Visit, locale: str, named: str, expected: dict[str, str]
) -> None:
    """A link shows everyone the language that it names."""
    page = visit(f"/chat?lang={named}", locale)
    for _ in range(2):
        expect(page.get_by_placeholder(expected["chat.input"])).to_be_visible()
        assert f"lang={named}" in page.url
        page.reload()


@pytest.mark.soak
def test_a_chosen_language_survives_another_page_and_a_reload(visit: Visit) -> None:
    """Also one that differs from the browser's."""
    page = visit("/chat", "ja-JP")
    choose_language(page, "English")
    expect(page.get_by_placeholder(EN["chat.input"])).to_be_visible()
    page.get_by_role("link", name=EN["about.title"]).click()
    expect(page.get_by_role("heading", name=EN["about.title"], exact=True)).to_be_visible()
    page.wait_for_url("**/about?lang=en")
    page.reload()
    expect(page.get_by_role("heading", name=EN["about.title"], exact=True)).to_be_visible()


def choose_language(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebar").get_by_role("combobox").last.click()
    page.get_by_role("option", name=name).click()


@both
def test_the_demo_model_is_called_scripted(visit: Visit, locale: str, words: dict[str, str]) -> None:
    """Wherever it shows: in the picker, beneath it, and in the figures."""
    page = visit("/chat", locale, theme="dark")
    label = words["settings.demo_variant"].format(options="rate=200")
    choose_variant(page, words, "scripted")
    page.get_by_test_id("stBottomBlockContainer").get_by_role("button", name=words["settings.label"]).click()
    expect(page.get_by_test_id("stPopoverBody").get_by_test_id("stCaptionContainer").first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name=words["suggestions.three"]).click()
    expect(answer(page).get_by_role("table")).to_be_visible()
    finished(page, words)
    expect(answer(page).get_by_test_id("stCaptionContainer")).to_contain_text(label)


@both
def test_the_other_page_shows_its_picture_and_live_figures(visit: Visit, locale: str, words: dict[str, str]) -> None:
    """The stations are drawn, in the language, and the figures are the server's own."""
    page = visit("/about", locale)
    expect(page.get_by_test_id("stMetric")).to_have_count(3)
    for name in ("log", "second_browser"):
        station = page.get_by_role("listitem").filter(has_text=words[f"about.does_{name}"])
        expect(station.get_by_text(words[f"about.{name}"], exact=True)).to_be_visible()
