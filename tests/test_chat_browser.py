"""The chat as people use it: the real app in real browsers, following a model whose requests can be read."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from benchmarks.harness import ROOT, chromium, streamlit_server, wait_until
from components.page.texts import texts
from streamlab.demo_model.chunks import synthetic
from streamlab.demo_model.process import DemoModel
from tests.browser import is_error, needs_chromium

pytestmark = needs_chromium

ARTIFACTS = ROOT / "artifacts"
PATIENCE = 30.0  # seconds until a test that waits in vain gives up
EN, JA = texts("en"), texts("ja")

# The app takes them for models of its provider, for only `demo` itself and `demo?…` are its own.
MODELS = {
    "short": "demo-short?chunks=120&rate=40&first=1&paragraph=150",
    "quick": "demo-quick?chunks=120&rate=200&first=0.3&paragraph=150",
    "long": "demo-long?chunks=4000&rate=40&first=0&paragraph=400",
    "cut": "demo-cut?chunks=120&rate=40&first=0&fault=cut&after=60&times=1",
    "limit": "demo-limit?chunks=20&fault=rate_limit&retry_after=2&times=1",
    "broken": "demo-broken?chunks=20&fault=error",
    "key": "demo-key?fault=key",
    "odd": "demo-odd?first=0&rate=150&usage=0&empty_first=1&crlf=1&comments=1&blocks=1&reasoning=1&split=1",
    "scripted": "demo?rate=200",
}
SHORT = "".join(synthetic(600, 150).split())
Visit = Callable[..., Page]

# In the second language as `make soak`.
both = pytest.mark.parametrize(("locale", "words"), [("en-US", EN), pytest.param("ja-JP", JA, marks=pytest.mark.soak)])


@pytest.fixture(scope="module")
def server(demo: DemoModel) -> Iterator[str]:
    """The app's address. Its provider is the demo model."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENAI_BASE_URL", demo.base_url)
        environment.setenv("OPENAI_API_KEY", "test")
        environment.setenv("LAB_MODELS", ",".join(MODELS.values()))
        environment.setenv("LAB_LANGUAGE", "auto")
        with streamlit_server(ROOT / "app.py") as server:
            yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Visit]:
    """Opens an address in a browser profile of its own. Whatever the test does, nothing fails or leaves the machine."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []
    requests: list[str] = []

    def open_page(address: str = "/chat", locale: str = "en-US", theme: Any = "light") -> Page:
        context = browser.new_context(
            locale=locale, color_scheme=theme, viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.extend([message.text] if is_error(message) else []))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address if address.startswith("http") else server + address)
        expect(page.get_by_test_id("stChatInputTextArea").or_(page.get_by_test_id("stMetric")).first).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((server, "data:", "blob:"))] == []


def choose(page: Page, name: str) -> None:
    """Pick a model in the sidebar, by the part of its name that no other has."""
    box = page.get_by_test_id("stSidebar").get_by_role("combobox").first
    box.click()
    box.fill(MODELS[name].partition("?")[0])
    box.press("Enter")
    expect(box).to_have_value(MODELS[name])


def ask(page: Page, question: str) -> None:
    write(page, question)
    expect(page.get_by_test_id("stChatMessage").get_by_text(question, exact=True)).to_be_visible()


def write(page: Page, question: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.keyboard.press("Enter")


def answer(page: Page) -> Locator:
    return page.get_by_label("Chat message from assistant").last


def shown(page: Page) -> str:
    """The answer's text, without any blanks: paragraphs may cut its words."""
    parts = answer(page).locator("[data-testid=stMarkdown] p:not([data-testid=stCaptionContainer] p)")
    return "".join("".join(parts.all_inner_texts()).split())


def grown(page: Page, before: str) -> str:
    """The text once there is more of it. It goes on where it was."""
    wait_until(lambda: len(shown(page)) > len(before), PATIENCE)
    after = shown(page)
    assert after.startswith(before)
    return after


def finished(page: Page, texts: dict[str, str] = EN) -> None:
    expect(page.get_by_role("button", name=texts["chat.regenerate"])).to_be_visible()
    expect(page.get_by_role("button", name=texts["chat.stop"])).to_have_count(0)


def asked(demo: DemoModel, question: str) -> list[dict[str, Any]]:
    """What the model got to hear of a question, oldest first."""
    log = httpx2.get(demo.base_url.removesuffix("/v1") + "/requests").raise_for_status().json()
    return [entry for entry in log if entry["prompt"]["user"] == question]


def picture(page: Page, point: str) -> None:
    """A screenshot for people to look at."""
    language, dark = page.evaluate("[navigator.language, matchMedia('(prefers-color-scheme: dark)').matches]")
    width, height = page.evaluate("[innerWidth, innerHeight]")
    name = f"{point}-{language[:2]}-{'dark' if dark else 'light'}-{width}x{height}.png"
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / name)


@pytest.mark.parametrize("locale", ["en-US", pytest.param("ja-JP", marks=pytest.mark.soak)])
def test_an_answer_is_seen_from_the_question_to_its_figures(visit: Visit, locale: str) -> None:
    """Suggestions, the question at once, that the model is thinking, growing text, and the row of figures."""
    words = JA if locale == "ja-JP" else EN
    page = visit("/", locale)
    page.wait_for_url("**/chat")
    for number in ("one", "two", "three", "four"):
        expect(page.get_by_role("button", name=words[f"suggestions.{number}"])).to_be_visible()
    expect(page.get_by_placeholder(words["chat.input"])).to_be_visible()
    picture(page, "1-empty")
    choose(page, "short")
    ask(page, "How does it look?")
    expect(answer(page).get_by_text(words["chat.thinking"])).to_be_visible()
    picture(page, "1-thinking")
    expect(page.get_by_role("button", name=words["suggestions.one"])).to_have_count(0)
    expect(answer(page).get_by_text("word1 ")).to_be_visible()
    expect(answer(page).get_by_text(words["chat.thinking"])).to_have_count(0)
    text = ""
    for _ in range(4):
        text = grown(page, text)
    expect(page.get_by_role("button", name=words["chat.stop"])).to_be_visible()
    picture(page, "1-growing")
    finished(page, words)
    assert shown(page) == SHORT
    row = answer(page).get_by_test_id("stCaptionContainer")
    for name in ("ttft", "total", "rate", "tokens_in", "tokens_out", "model"):
        expect(row).to_contain_text(words[f"figures.{name}"])
    expect(row).to_contain_text(MODELS["short"])
    picture(page, "1-finished")


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
    picture(second, "2-stopped")
    assert shown(first) == shown(second)
    assert shown(second).startswith(before)
    wait_until(lambda: asked(demo, "Who stops this?")[0]["ended"] == "disconnected", PATIENCE)
    written = len(asked(demo, "Who stops this?")[0]["written"])
    assert 0 < written < 4_000
    first.reload()
    expect(first.get_by_text(EN["chat.stopped"])).to_be_visible()
    assert shown(first) == shown(second)


def test_regenerate_new_chat_and_export(visit: Visit, demo: DemoModel) -> None:
    """A new answer takes the old one's place, both files hold the conversation, a new chat is empty."""
    page = visit()
    choose(page, "short")
    ask(page, "What can be exported?")
    finished(page)
    page.get_by_role("button", name=EN["chat.regenerate"]).click()
    expect(answer(page).get_by_text(EN["chat.thinking"])).to_be_visible()
    finished(page)
    assert len(asked(demo, "What can be exported?")) == 2
    expect(page.get_by_test_id("stChatMessage")).to_have_count(2)
    page.get_by_role("button", name=EN["chat.export"]).click()
    markdown = download(page, EN["chat.export_markdown"])
    picture(page, "2-export")
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


def test_nothing_that_a_reader_does_loses_any_text(visit: Visit, demo: DemoModel) -> None:
    """A control, another page, a reload, a closed tab, a second browser: each shows the text so far and goes on."""
    question = "What survives?"
    page = visit()
    choose(page, "long")
    ask(page, question)
    text = grown(page, "")
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    text = grown(page, text)
    expect(slider).to_have_value("1.1")
    picture(page, "3-slider")
    text = grown(page, text)
    page.get_by_role("link", name=EN["about.title"]).click()
    expect(page.get_by_role("heading", name=EN["about.title"], exact=True)).to_be_visible()
    expect(page.get_by_test_id("stMetric").first).to_contain_text("1")
    page.get_by_role("link", name=EN["chat.title"]).click()
    text = back(page, text)
    picture(page, "3-back-from-another-page")
    page.reload()
    text = back(page, text)
    address = page.url
    page.context.close()
    page = visit(address)
    text = back(page, text)
    second = visit(address)
    text = back(second, text)
    picture(second, "3-second-browser")
    grown(page, text)
    assert len(asked(demo, question)) == 1
    page.get_by_role("button", name=EN["chat.stop"]).click()
    for each in (page, second):
        finished(each)
    assert shown(page) == shown(second)
    assert "".join(synthetic(20_000, 400).split()).startswith(shown(page))
    assert len(asked(demo, question)) == 1


def back(page: Page, before: str) -> str:
    """What stood there is there again with the first text that shows, and it goes on."""
    wait_until(lambda: bool(re.match("word", shown(page))), PATIENCE)
    assert shown(page).startswith(before)
    return grown(page, shown(page))


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
    picture(page, "4-switched")
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
    label = words["sidebar.demo_variant"].format(options="rate=200")
    page.get_by_test_id("stSidebar").get_by_role("combobox").first.click()
    page.get_by_role("option", name=label, exact=True).click()
    expect(page.get_by_test_id("stSidebar").get_by_test_id("stCaptionContainer")).to_be_visible()
    page.get_by_role("button", name=words["suggestions.three"]).click()
    expect(answer(page).get_by_role("table")).to_be_visible()
    picture(page, "4-scripted")
    finished(page, words)
    expect(answer(page).get_by_test_id("stCaptionContainer")).to_contain_text(label)


@pytest.mark.soak
def test_a_compatible_server_may_be_odd(visit: Visit) -> None:
    """No usage, a first chunk without choices, CRLF, comments, blocks, reasoning: the answer, thoughts, and ≈."""
    page = visit()
    choose(page, "odd")
    ask(page, "What is token streaming?")
    thoughts = answer(page).get_by_test_id("stExpander")
    expect(thoughts).to_contain_text("What is token streaming?")
    picture(page, "5-thoughts")
    finished(page)
    assert len(shown(page)) > 200
    expect(answer(page).get_by_test_id("stCaptionContainer").last).to_contain_text("≈")
    expect(thoughts).to_contain_text(EN["chat.thought"])
    picture(page, "5-finished")


def test_a_cut_connection_is_said_and_the_answer_comes_whole(visit: Visit, demo: DemoModel) -> None:
    """The text of the attempt that failed is withdrawn, nothing is doubled."""
    page = visit()
    choose(page, "cut")
    ask(page, "What is cut?")
    expect(page.get_by_text(EN["error.connection_lost"])).to_be_visible()
    picture(page, "6-cut")
    finished(page)
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
    picture(page, "6-waiting")
    finished(page)
    assert shown(page) == "".join(synthetic(100, None).split())
    expect(page.get_by_text(EN["error.rate_limited"])).to_have_count(0)


def test_what_fails_for_good_can_be_tried_again(visit: Visit, demo: DemoModel) -> None:
    """Three times 500 is a sentence and a button, which asks anew, here another model."""
    page = visit()
    choose(page, "broken")
    ask(page, "Is it broken?")
    expect(page.get_by_test_id("stAlert").get_by_text(EN["error.provider_unavailable_next"])).to_be_visible()
    picture(page, "6-failed")
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
    picture(page, "6-key")


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
    picture(page, "6-as-typed")
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
    picture(page, "6-busy")
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
    picture(page, "6-second-answer")
    assert parts == [1, 1]
    assert offered == 0


def test_the_keyboard_is_enough(visit: Visit) -> None:
    """Tab to a suggestion, Enter; Tab to Stop, Enter."""
    page = visit()
    choose(page, "long")
    tab_to(page, EN["suggestions.two"])
    page.keyboard.press("Enter")
    expect(page.get_by_label("Chat message from user")).to_contain_text(EN["suggestions.two"])
    grown(page, "")
    tab_to(page, EN["chat.stop"])
    picture(page, "7-keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_text(EN["chat.stopped"])).to_be_visible()


def tab_to(page: Page, label: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if any(text.endswith(label) for text in page.locator("button:focus").all_inner_texts()):
            return
    raise AssertionError(f"no {label!r} within 60 tabs")


@both
def test_the_other_page_shows_its_picture_and_live_figures(visit: Visit, locale: str, words: dict[str, str]) -> None:
    """The diagram is drawn, in the language, and the figures are the server's own."""
    page = visit("/about", locale)
    expect(page.get_by_test_id("stMetric")).to_have_count(3)
    diagram = page.get_by_role("img", name="Mermaid flowchart")
    expect(diagram).to_be_visible()
    drawn = re.sub(r"<[^>]*>|\s", "", diagram.evaluate("async image => (await fetch(image.src)).text()"))
    for name in ("log", "second_browser", "arrow_follows"):
        assert "".join(words[f"about.{name}"].split()) in drawn
    picture(page, "8-about")
