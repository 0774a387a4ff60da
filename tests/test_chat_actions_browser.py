"""What stands beside a conversation in a real browser: actions, branches, sharing, keys, and the way back."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import chat
from tests.browser import choose_variant, needs_chromium
from tests.chat import EN, JA, Visit, answer, ask, both, choose, finished, grown, write

browser, visit = chat.browser, chat.visit  # fixtures are found by their names

pytestmark = needs_chromium

BOX = "stChatInputTextArea"


def named(place: Page | Locator, name: str) -> Locator:
    return place.get_by_role("button", name=name, exact=True)


def asked(page: Page, question: str, words: dict[str, str]) -> None:
    choose(page, "quick")
    ask(page, question)
    finished(page, words)


@pytest.mark.soak
@both
def test_an_answer_is_copied_and_rated(visit: Visit, locale: str, words: dict[str, str]) -> None:
    """The clipboard has the answer's Markdown; a thumb and its note are there for another browser at once."""
    page = visit("/chat", locale)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    asked(page, "What is copied?", words)
    named(answer(page), words["chat.copy"]).click()
    expect(answer(page).get_by_role("status").filter(has_text=words["copy.done"])).to_be_attached()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.match(r"word1 word2 ", copied)
    assert "\n\n" in copied
    other = visit(page.url, locale)
    finished(other, words)
    answer(page).get_by_test_id("stFeedback").get_by_role("radio").first.click()
    named(answer(page), words["chat.note"]).click()
    page.get_by_role("textbox", name=words["chat.note_what"]).fill("Clear.")
    page.keyboard.press("Control+Enter")
    for each in (page, other):
        expect(each.get_by_test_id("stCaptionContainer").get_by_text("Clear.")).to_be_visible()


@pytest.mark.soak
@both
def test_an_edited_question_leaves_both_branches(visit: Visit, locale: str, words: dict[str, str]) -> None:
    """Here and in a browser that looks on; each looks at the branch that it chooses."""
    page = visit("/chat", locale)
    asked(page, "What is first?", words)
    other = visit(page.url, locale)
    finished(other, words)
    named(page, words["chat.edit"]).click()
    editor = page.get_by_role("textbox", name=words["chat.edit_text"])
    expect(editor).to_be_focused()  # what is typed at once goes into it
    editor.fill("What is second?")
    page.keyboard.press("Control+Enter")
    named(page, words["chat.edit_ask"]).click()
    for each in (page, other):
        expect(each.get_by_test_id("stText").get_by_text("What is second?", exact=True)).to_be_visible()
        expect(named(each, words["chat.edit_ask"])).to_have_count(0)
        expect(each.get_by_text("2/2", exact=True)).to_be_visible()
        finished(each, words)
    named(other, words["chat.version_before"]).click()
    expect(other.get_by_test_id("stChatMessage").get_by_text("What is first?", exact=True)).to_be_visible()
    expect(other.get_by_text("1/2", exact=True)).to_be_visible()
    expect(page.get_by_text("2/2", exact=True)).to_be_visible()
    ask(other, "Which branch?")
    finished(other, words)
    expect(other.get_by_text("1/2", exact=True)).to_be_visible()
    expect(page.get_by_text("Which branch?", exact=True)).to_be_visible()


@pytest.mark.soak
@both
def test_a_conversation_is_shared_for_reading(visit: Visit, locale: str, words: dict[str, str]) -> None:
    """The address shows an answer as it arrives, without a box, Stop, or the conversation's own id."""
    page = visit("/chat", locale)
    asked(page, "What is shared?", words)
    own = page.url.partition("chat=")[2].partition("&")[0]
    named(answer(page), words["chat.share"]).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img")).to_be_visible()
    address = dialog.get_by_test_id("stCode").inner_text().strip()
    assert own not in address
    page.keyboard.press("Escape")
    reader = page.context.browser.new_page(locale=locale)  # type: ignore[union-attr]
    reader.goto(address)
    expect(reader.get_by_text(words["chat.read_only"])).to_be_visible()
    expect(reader.get_by_test_id(BOX)).to_have_count(0)
    choose(page, "long")
    ask(page, "And live?")
    grown(reader, "")
    expect(named(reader, words["chat.stop"])).to_have_count(0)
    page.keyboard.press("Escape")
    expect(reader.get_by_text(words["chat.stopped"])).to_be_visible()
    assert own not in reader.content()
    reader.close()


@both
def test_keys_focus_stop_search_and_list(visit: Visit, locale: str, words: dict[str, str]) -> None:
    """None of them is heard where one types but Escape; and the box keeps the focus after a question."""
    page = visit("/chat", locale)
    box = page.get_by_test_id(BOX)
    choose(page, "long")
    page.get_by_role("heading", level=1).first.click()
    page.keyboard.press("/")
    expect(box).to_be_focused()
    expect(box).to_have_value("")
    page.keyboard.type("/ and ? are typed")
    expect(box).to_have_value("/ and ? are typed")
    page.keyboard.press("Enter")
    grown(page, "")
    expect(box).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_text(words["chat.stopped"])).to_be_visible()
    expect(box).to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("searchbox").or_(page.get_by_placeholder(words["history.words"])).first).to_be_focused()
    page.get_by_role("heading", level=1).first.click()
    page.keyboard.press("Shift+?")
    dialog = page.get_by_role("dialog", name=words["keys.title"])
    expect(dialog.get_by_text(words["keys.search"])).to_be_visible()
    dialog.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("Shift+?")
    page.keyboard.press("/")
    expect(dialog).to_be_hidden()
    expect(box).not_to_be_focused()


@pytest.mark.soak
def test_escape_that_closes_something_stops_nothing(visit: Visit) -> None:
    """An open popover or menu has it first."""
    page = visit()
    choose(page, "long")
    ask(page, "Who has the key?")
    text = grown(page, "")
    named(page, EN["settings.label"]).click()
    expect(page.get_by_role("slider")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("slider")).to_be_hidden()
    grown(page, text)
    named(page, EN["chat.stop"]).click()
    finished(page)


@pytest.mark.soak
def test_back_leads_to_the_conversation_before(visit: Visit) -> None:
    """And from a new one to none, and forward again."""
    page = visit()
    asked(page, "The first one?", EN)
    named(page, EN["chat.new"]).click()
    expect(named(page, EN["suggestions.one"])).to_be_visible()
    ask(page, "The second one?")
    finished(page)
    page.go_back()
    expect(named(page, EN["suggestions.one"])).to_be_visible()
    expect(page.get_by_test_id("stChatMessage")).to_have_count(0)
    page.go_back()
    expect(page.get_by_test_id("stChatMessage").get_by_text("The first one?", exact=True)).to_be_visible()
    page.go_forward()
    expect(named(page, EN["suggestions.one"])).to_be_visible()
    page.go_forward()
    expect(page.get_by_test_id("stChatMessage").get_by_text("The second one?", exact=True)).to_be_visible()
    write(page, "Where does it go?")
    expect(page.get_by_test_id("stChatMessage")).to_have_count(4)


@pytest.mark.soak
def test_a_code_block_has_a_copy_button(visit: Visit) -> None:
    """Streamlit's own, on every block of an answer."""
    page = visit()
    choose_variant(page, EN, "scripted")
    named(page, EN["suggestions.four"]).click()
    finished(page)
    answer(page).locator("pre").first.hover()
    expect(answer(page).get_by_role("button", name="Copy to clipboard").first).to_be_visible()


@pytest.mark.soak
def test_nothing_of_before_stands_there_while_an_answer_arrives(visit: Visit) -> None:
    """Stop stands alone under the live answer, and each control stands there once."""
    page = visit("/chat", "ja-JP")
    asked(page, "一つ目？", JA)
    choose(page, "long")
    ask(page, "二つ目？")
    grown(page, "")
    for name in (JA["chat.new"], JA["chat.export"], JA["chat.stop"]):
        expect(page.get_by_role("button", name=name)).to_have_count(1)
    expect(named(page, JA["chat.regenerate"])).to_have_count(0)
    assert answer(page).get_by_role("button").count() == 1
    named(page, JA["chat.stop"]).click()
    finished(page, JA)
