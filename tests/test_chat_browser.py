"""The chat as people use it: the real app in real browsers, following a model whose requests can be read."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from benchmarks.harness import wait_until
from streamlab.demo_model.chunks import synthetic
from streamlab.demo_model.process import DemoModel
from tests import chat
from tests.browser import MODELS, needs_chromium
from tests.chat import (
    EN,
    JA,
    PATIENCE,
    Visit,
    answer,
    ask,
    back,
    both,
    choose,
    finished,
    grown,
    shown,
    write,
)

browser, visit = chat.browser, chat.visit  # fixtures are found by their names

pytestmark = needs_chromium

SHORT = "".join(synthetic(600, 150).split())


def asked(demo: DemoModel, question: str) -> list[dict[str, Any]]:
    """What the model got to hear of a question, oldest first."""
    log = httpx2.get(demo.base_url.removesuffix("/v1") + "/requests").raise_for_status().json()
    return [entry for entry in log if entry["prompt"]["user"] == question]


@pytest.mark.parametrize("locale", ["en-US", pytest.param("ja-JP", marks=pytest.mark.soak)])
def test_an_answer_is_seen_from_the_question_to_its_figures(visit: Visit, locale: str) -> None:
    """Suggestions, the question at once, that the model is thinking, growing text, and the row of figures."""
    words = JA if locale == "ja-JP" else EN
    page = visit("/chat", locale)
    for number in ("one", "two", "three", "four"):
        expect(page.get_by_role("button", name=words[f"suggestions.{number}"])).to_be_visible()
    expect(page.get_by_placeholder(words["chat.input"])).to_be_visible()
    choose(page, "short")
    ask(page, "How does it look?")
    expect(answer(page).get_by_text(words["chat.thinking"])).to_be_visible()
    expect(page.get_by_role("button", name=words["suggestions.one"])).to_have_count(0)
    expect(answer(page).get_by_text("word1 ")).to_be_visible()
    expect(page.get_by_text(words["chat.tools"])).to_have_count(1)
    expect(answer(page).get_by_text(words["chat.thinking"])).to_have_count(0)
    text = ""
    for _ in range(4):
        text = grown(page, text)
    expect(page.get_by_role("button", name=words["chat.stop"])).to_be_visible()
    finished(page, words)
    assert shown(page) == SHORT
    row = answer(page).get_by_test_id("stCaptionContainer")
    for name in ("ttft", "total", "rate", "tokens_in", "tokens_out", "model"):
        expect(row).to_contain_text(words[f"figures.{name}"])
    expect(row).to_contain_text(MODELS["short"])


@pytest.mark.soak
def test_a_second_browser_stops_the_answer_for_all(visit: Visit, demo: DemoModel) -> None:
    """The text so far stays, both say so, and the model hears of it."""
    first = visit()
    choose(first, "long")
    ask(first, "Who stops this?")
    grown(first, "")
    second = visit(first.url)
    before = grown(second, "")
    second.get_by_role("button", name=EN["chat.stop"]).click()
    for page in (first, second):
        expect(page.get_by_text(EN["chat.stopped"])).to_be_visible()
        finished(page)
    assert shown(first) == shown(second)
    assert shown(second).startswith(before)
    wait_until(lambda: asked(demo, "Who stops this?")[0]["ended"] == "disconnected", PATIENCE)
    written = len(asked(demo, "Who stops this?")[0]["written"])
    assert 0 < written < 4_000
    first.reload()
    expect(first.get_by_text(EN["chat.stopped"])).to_be_visible()
    assert shown(first) == shown(second)


@pytest.mark.soak
def test_regenerate_new_chat_and_export(visit: Visit, demo: DemoModel) -> None:
    """A new answer takes the old one's place, both files hold the conversation, a new chat is empty."""
    page = visit()
    choose(page, "short")
    ask(page, "What can be exported?")
    finished(page)
    page.get_by_role("button", name=EN["chat.regenerate"]).click()
    expect(page.get_by_role("button", name=EN["chat.stop"])).to_be_visible()
    finished(page)
    assert len(asked(demo, "What can be exported?")) == 2
    expect(page.get_by_test_id("stChatMessage")).to_have_count(2)
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name=EN["chat.export"]).click()
    markdown = download(page, EN["chat.export_markdown"])
    data = json.loads(download(page, EN["chat.export_json"]))
    assert "> What can be exported?\n" in markdown
    assert SHORT in "".join(markdown.split())
    assert [turn["question"] for turn in data["turns"]] == ["What can be exported?"]
    assert "".join(data["turns"][0]["outcome"]["text"].split()) == SHORT
    page.keyboard.press("Escape")
    page.get_by_role("button", name=EN["chat.new"]).click()
    expect(page.get_by_role("button", name=EN["suggestions.one"])).to_be_visible()
    expect(page.get_by_test_id("stChatMessage")).to_have_count(0)
    assert "chat=" not in page.url


def download(page: Page, label: str) -> str:
    with page.expect_download() as expected:
        page.get_by_role("button", name=label).click()
    assert expected.value.suggested_filename.startswith("streaming-lab-")
    return Path(expected.value.path()).read_text("utf-8")


@pytest.mark.soak
def test_nothing_that_a_reader_does_loses_any_text(visit: Visit, demo: DemoModel) -> None:
    """A control, another page, a reload, a closed tab, a second browser: each shows the text so far and goes on."""
    question = "What survives?"
    page = visit()
    choose(page, "long")
    ask(page, question)
    text = grown(page, "")
    page.get_by_role("button", name=EN["settings.label"]).click()
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    text = grown(page, text)
    expect(slider).to_have_value("1.1")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=EN["settings.label_differ"].format(number=1))).to_be_visible()
    text = grown(page, text)
    page.get_by_role("link", name=EN["about.title"]).click()
    expect(page.get_by_role("heading", name=EN["about.title"], exact=True)).to_be_visible()
    expect(page.get_by_test_id("stMetric").first).to_contain_text("1")
    page.get_by_role("link", name=EN["chat.title"]).click()
    text = back(page, text)
    page.reload()
    text = back(page, text)
    address = page.url
    page.context.close()
    page = visit(address)
    text = back(page, text)
    second = visit(address)
    text = back(second, text)
    grown(page, text)
    assert len(asked(demo, question)) == 1
    page.get_by_role("button", name=EN["chat.stop"]).click()
    for each in (page, second):
        finished(each)
    assert shown(page) == shown(second)
    assert "".join(synthetic(20_000, 400).split()).startswith(shown(page))
    assert len(asked(demo, question)) == 1


@pytest.mark.soak
def test_two_browsers_end_with_the_same_text(visit: Visit, demo: DemoModel) -> None:
    """One answer, produced once, however many read it."""
    first = visit()
    choose(first, "short")
    ask(first, "Who reads this?")
    first.wait_for_url("**/chat?chat=*")
    second = visit(first.url)
    for page in (first, second):
        finished(page)
    assert shown(first) == shown(second) == SHORT
    assert len(asked(demo, "Who reads this?")) == 1


@pytest.mark.soak
def test_a_compatible_server_may_be_odd(visit: Visit) -> None:
    """No usage, a first chunk without choices, CRLF, comments, blocks, reasoning: the answer, thoughts, and ≈."""
    page = visit()
    choose(page, "odd")
    ask(page, "What is token streaming?")
    thoughts = answer(page).get_by_test_id("stExpander")
    expect(thoughts).to_contain_text("What is token streaming?")
    finished(page)
    assert len(shown(page)) > 200
    expect(answer(page).get_by_test_id("stCaptionContainer").last).to_contain_text("≈")
    expect(thoughts).to_contain_text(EN["chat.thought"])


# Watches for a text, which may stand for less than a moment.
SAID = """text => {
    const look = () => { window.said ||= document.body.innerText.includes(text); };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def test_a_cut_connection_is_said_and_the_answer_comes_whole(visit: Visit, demo: DemoModel) -> None:
    """The text of the attempt that failed is withdrawn, nothing is doubled."""
    page = visit()
    choose(page, "cut")
    page.evaluate(SAID, EN["error.connection_lost"])
    ask(page, "What is cut?")
    finished(page)
    assert page.evaluate("() => window.said")
    assert shown(page) == "".join(synthetic(600, None).split())
    expect(page.get_by_text(EN["error.connection_lost"])).to_have_count(0)
    expect(answer(page).get_by_test_id("stCaptionContainer")).to_contain_text(EN["figures.retries"])
    assert [entry["ended"] for entry in asked(demo, "What is cut?")] == ["fault:cut", "completed"]


@pytest.mark.soak
def test_a_wish_to_wait_is_said_and_followed(visit: Visit) -> None:
    """429 with Retry-After 2: how long, then the answer."""
    page = visit()
    choose(page, "limit")
    ask(page, "How long?")
    notice = EN["chat.retry_wait"].format(reason=EN["error.rate_limited"], seconds="2", number=2)
    expect(page.get_by_text(notice)).to_be_visible()
    finished(page)
    assert shown(page) == "".join(synthetic(100, None).split())
    expect(page.get_by_text(EN["error.rate_limited"])).to_have_count(0)


@pytest.mark.soak
def test_what_fails_for_good_can_be_tried_again(visit: Visit, demo: DemoModel) -> None:
    """Three times 500 is a sentence and a button, which asks anew, here another model."""
    page = visit()
    choose(page, "broken")
    ask(page, "Is it broken?")
    expect(page.get_by_test_id("stAlert").get_by_text(EN["error.provider_unavailable_next"])).to_be_visible()
    assert len(asked(demo, "Is it broken?")) == 3
    choose(page, "quick")
    page.get_by_role("button", name=EN["chat.retry"]).click()
    finished(page)
    assert shown(page) == SHORT
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


@both
def test_a_refused_key_is_said(visit: Visit, locale: str, words: dict[str, str]) -> None:
    """Not tried again, for it would not help; the advice names the setting."""
    page = visit("/chat", locale)
    choose(page, "key")
    ask(page, "Which key?")
    expect(page.get_by_text(words["error.auth"])).to_be_visible()
    expect(page.get_by_text(words["error.auth_next"])).to_be_visible()
    expect(page.get_by_role("button", name=words["chat.retry"])).to_be_visible()


@pytest.mark.soak
def test_a_question_neither_runs_nor_becomes_markup(visit: Visit) -> None:
    """HTML, formulas, Markdown and control characters stand there as they were typed."""
    page = visit()
    choose(page, "quick")
    question = "<b>bold</b> <img src=x onerror=alert(1)> costs $5 and $6, $$x$$ **no** `code` :red[x] \u0007\u202e"
    write(page, question)
    message = page.get_by_label("Chat message from user")
    expect(message).to_contain_text("<img src=x onerror=alert(1)> costs $5 and $6, $$x$$ **no** `code` :red[x]")
    expect(message.locator("b, strong, img, code, .katex")).to_have_count(0)
    finished(page)


@pytest.mark.soak
def test_a_second_question_waits_in_the_box(visit: Visit, demo: DemoModel) -> None:
    """While an answer arrives, another question is not asked and not lost."""
    page = visit()
    choose(page, "long")
    ask(page, "First?")
    text = grown(page, "")
    write(page, "Second?")
    expect(page.get_by_text(EN["notice.busy"])).to_be_visible()
    expect(page.get_by_test_id("stChatInputTextArea")).to_have_value("Second?")
    back(page, text)
    page.get_by_role("button", name=EN["chat.stop"]).click()
    finished(page)
    expect(page.get_by_test_id("stChatInputTextArea")).to_have_value("Second?")
    assert asked(demo, "Second?") == []


@pytest.mark.soak
def test_the_answer_before_stands_still_while_the_next_arrives(visit: Visit) -> None:
    """Its text and its figures stand there once, and what was offered for it is not offered any more."""
    page = visit()
    choose(page, "short")
    ask(page, "One?")
    finished(page)
    ask(page, "Two?")
    expect(page.get_by_label("Chat message from assistant")).to_have_count(2)
    grown(page, "")
    before = page.get_by_label("Chat message from assistant").first
    offered = page.get_by_role("button", name=EN["chat.regenerate"]).count()
    parts = [before.get_by_text("word1 ").count(), before.get_by_test_id("stCaptionContainer").count()]
    assert parts == [1, 1]
    assert offered == 0


@pytest.mark.soak
def test_the_keyboard_is_enough(visit: Visit) -> None:
    """Tab to a suggestion, Enter; Tab to Stop, Enter."""
    page = visit()
    choose(page, "long")
    tab_to(page, EN["suggestions.two"])
    page.keyboard.press("Enter")
    expect(page.get_by_label("Chat message from user")).to_contain_text(EN["suggestions.two"])
    grown(page, "")
    tab_to(page, EN["chat.stop"])
    page.keyboard.press("Enter")
    expect(page.get_by_text(EN["chat.stopped"])).to_be_visible()


def tab_to(page: Page, label: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if any(text.endswith(label) for text in page.locator("button:focus").all_inner_texts()):
            return
    raise AssertionError(f"no {label!r} within 60 tabs")
