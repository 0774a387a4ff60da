"""The access code in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, WebSocket, expect

from components.page.access import COOKIE
from components.page.texts import texts
from streamlab.demo_model.process import DemoModel
from tests.browser import Site, button, needs_chromium, site
from tests.pages import languages, new_question

FREE = "demo?first=0&rate=2000"
PAID = "demo-paid?first=0&rate=2000"  # a name of the provider's, who happens to be the demo model

IN_BROWSER = "Room-42b-in-browser"


@pytest.fixture(scope="module")
def in_browser(demo: DemoModel) -> Iterator[Site]:
    environment = {"OPENAI_BASE_URL": demo.base_url, "OPENAI_API_KEY": "test", "LAB_MODELS": f"{PAID},{FREE}"}
    with site(LAB_LANGUAGE="auto", LAB_ACCESS_CODE=IN_BROWSER, **environment) as found:
        yield found


@needs_chromium
@languages
@pytest.mark.soak
def test_a_browser_gives_the_code_once(in_browser: Site, language: str) -> None:
    """By keyboard; a reload and another tab find the models open, another browser does not. The code never comes back.

    What the browser keeps is a cookie of its session that no other site gets sent.
    """
    words, heard = texts(language), list[bytes]()

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: heard.append(frame if isinstance(frame, bytes) else frame.encode()))

    with in_browser.opened("/about", language) as page:
        page.on("websocket", listen)
        page.goto(f"{in_browser.url}/chat")
        box = page.get_by_label(words["access.code"], exact=True)
        box.fill(f"{IN_BROWSER}x")
        box.press("Enter")
        expect(page.get_by_text(words["access.refused_wrong"])).to_be_visible()
        box.fill(IN_BROWSER)
        box.press("Enter")
        expect(box).to_have_count(0)
        page.wait_for_function("name => document.cookie.includes(name)", arg=COOKIE)
        (cookie,) = [found for found in page.context.cookies() if found["name"] == COOKIE]
        assert (cookie["expires"], cookie["sameSite"]) == (-1, "Strict")
        page.reload()
        is_open(page, language)
        assert [frame for frame in heard if str(cookie["value"]).encode() in frame], "what was sent can be read here"
        assert not [frame for frame in heard if IN_BROWSER.encode() in frame]
        assert IN_BROWSER not in page.content() + page.url + cookie["value"]
        other = page.context.new_page()
        other.goto(f"{in_browser.url}/chat")
        is_open(other, language)
    with in_browser.opened("/chat", language) as page:
        expect(page.get_by_label(words["access.code"], exact=True)).to_be_visible()


def is_open(page: Page, language: str) -> None:
    """A question gets its answer, and no code is asked for."""
    asking = page.get_by_test_id("stChatInputTextArea")
    asking.fill(new_question(language))
    asking.press("Enter")
    expect(button(page, texts(language)["chat.regenerate"])).to_be_visible()
    expect(page.get_by_label(texts(language)["access.code"], exact=True)).to_have_count(0)
