"""What a page shows before Streamlit's script has come, in the forms that its page may have."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from benchmarks.harness import chromium
from components.middleware.first_paint import OUTLINE, PLACE, TITLE, FirstPaint
from components.page.texts import LANGUAGES, texts
from tests.browser import needs_chromium
from tests.pages import LOCALE, heading

PAGE = f"<html><head>{TITLE}</head><body>題{PLACE}</body></html>"
HTML, JAVASCRIPT = "text/html; charset=utf-8", "text/javascript"


def answered(response: Response, path: str = "/", method: str = "GET", accept: str = "text/html") -> httpx2.Response:
    """Ask an application that answers so, through the change."""

    async def give(request: Any) -> Response:
        return response

    async def ask() -> httpx2.Response:
        app: Any = FirstPaint(Starlette(routes=[Route("/{path:path}", give, methods=["GET", "POST"])]))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://app") as client:
            return await client.request(method, path, headers={"accept": accept, "accept-encoding": "gzip"})

    return anyio.run(ask)


async def pieces() -> AsyncIterator[bytes]:
    for byte in PAGE.encode():
        yield bytes([byte])


@pytest.mark.parametrize("response", [Response(PAGE, media_type=HTML), StreamingResponse(pieces(), media_type=HTML)])
@pytest.mark.parametrize("path", ["/", "/chat", "/apis"])
def test_a_page_has_the_outline_and_the_title(response: Response, path: str) -> None:
    """However it comes, and all else of it stays."""
    if isinstance(response, StreamingResponse):
        response = StreamingResponse(pieces(), media_type=HTML)
    painted = answered(response, path)
    assert "<title>Streaming Lab</title>" in painted.text
    assert f'<div id="root"><div class="{OUTLINE}"' in painted.text
    assert "題" in painted.text
    assert int(painted.headers["content-length"]) == len(painted.content)


@pytest.mark.parametrize(
    ("response", "asked"),
    [
        (Response(PAGE, media_type=JAVASCRIPT), {}),
        (Response(PAGE, 404, media_type=HTML), {}),
        (Response(status_code=304), {}),
        (Response(PAGE, media_type=HTML), {"path": "/api/docs"}),
        (Response(PAGE, media_type=HTML), {"accept": "*/*"}),
        (Response(PAGE, media_type=HTML), {"method": "POST"}),
    ],
)
def test_all_else_is_served_as_it_is(response: Response, asked: dict[str, str]) -> None:
    """Files, failures, what the browser has still, the gateway, and what no person asked for."""
    assert answered(response, **asked).content == response.body


@pytest.mark.parametrize("page", ["", "<html></html>", PAGE.replace(TITLE, ""), PAGE.replace("root", "app")])
def test_a_page_of_another_form_stays_and_that_is_logged(caplog: pytest.LogCaptureFixture, page: str) -> None:
    with caplog.at_level(logging.WARNING):
        assert answered(Response(page, media_type=HTML)).text == page
    assert "another form" in caplog.text


@needs_chromium
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_shows_it_until_the_script_has_come(shared_app: str, theme: Any) -> None:
    """In the reader's theme; then it is gone."""
    with chromium() as browser:
        page = browser.new_page(color_scheme=theme)
        page.route("**/static/js/index*", lambda request: None)
        page.goto(shared_app, wait_until="commit")
        outline = page.locator(f".{OUTLINE}")
        expect(outline).to_be_visible()
        expect(page).to_have_title("Streaming Lab")
        ground = "rgb(255, 255, 255)" if theme == "light" else "rgb(18, 22, 29)"
        expect(outline).to_have_css("background-color", ground)
        page.unroute("**/static/js/index*")  # which lets go of those that are held
        expect(page.locator("h1")).to_be_visible(timeout=30_000)
        expect(outline).to_have_count(0)


@needs_chromium
@pytest.mark.parametrize(
    ("language", "breaks"), [pytest.param("en", "break-word", marks=pytest.mark.soak), ("ja", "auto-phrase")]
)
def test_a_page_says_its_language_and_japanese_breaks_at_phrases(shared_app: str, language: str, breaks: str) -> None:
    """Paragraphs, headings, labels and buttons; screen readers and the browser's own translation go by it as well."""
    with chromium() as browser:
        page = browser.new_page(locale=LOCALE[language])
        page.goto(f"{shared_app}/faults")
        title = page.get_by_role("heading", name=heading("faults", language), exact=True)
        expect(title).to_have_css("word-break", breaks, timeout=30_000)
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.get_by_test_id("stMarkdownContainer").locator("p").last).to_have_css("word-break", breaks)
        start = page.get_by_role("button", name=texts(language)["faults.start"], exact=True)
        expect(start).to_have_css("word-break", "auto-phrase" if language == "ja" else "normal")


@needs_chromium
@pytest.mark.soak
def test_a_page_says_the_language_that_is_chosen(shared_app: str) -> None:
    """Without a reload, and after one."""
    with chromium() as browser:
        page = browser.new_page(locale=LOCALE["en"])
        page.goto(f"{shared_app}/about")
        expect(page.get_by_role("heading", name=heading("about", "en"), exact=True)).to_be_visible(timeout=30_000)
        page.get_by_test_id("stSidebar").get_by_role("combobox").click()
        page.get_by_role("option", name=LANGUAGES["ja"]).click()
        for _ in range(2):
            expect(page.get_by_role("heading", name=heading("about", "ja"), exact=True)).to_be_visible(timeout=30_000)
            expect(page.locator("html")).to_have_attribute("lang", "ja")
            page.reload()


@pytest.mark.soak
@needs_chromium
def test_on_paper_there_is_what_one_reads_in_black(shared_app: str) -> None:
    """Whatever the theme: the question, the answer and its figures; nothing to click, no sidebar and no box."""
    with chromium() as browser:
        page = browser.new_page(locale=LOCALE["en"], color_scheme="dark")
        page.goto(f"{shared_app}/chat")
        page.get_by_test_id("stChatInputTextArea").fill("On paper?")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=texts("en")["chat.regenerate"])).to_be_visible(timeout=30_000)
        answer = page.get_by_test_id("stChatMessage").nth(1)
        clickable = page.get_by_role("button").or_(page.get_by_role("textbox")).or_(page.get_by_role("link"))
        assert clickable.count() > 10
        page.emulate_media(media="print")
        expect(clickable.filter(visible=True)).to_have_count(0)
        expect(page.get_by_test_id("stSidebar")).to_be_hidden()
        expect(page.get_by_test_id("stChatMessage").nth(0)).to_contain_text("On paper?")
        text = answer.get_by_test_id("stMarkdown").locator("p").first
        expect(text).to_be_visible()
        expect(text).to_have_css("color", "rgb(0, 0, 0)")
        expect(answer.get_by_test_id("stCaptionContainer")).to_contain_text(
            texts("en")["figures.ttft"].replace(" ", "\u00a0")
        )
