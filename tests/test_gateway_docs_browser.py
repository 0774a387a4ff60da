"""The page at /docs in a real browser: read and tried out without any other host, in both languages, by keyboard."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, Route, expect

from benchmarks.harness import chromium
from components.page.texts import texts
from tests.browser import PATIENCE, needs_chromium
from tests.gateway import served_at
from tests.pages import LOCALE
from tests.test_accessibility import RULES

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "streamlab/gateway/docs"
PHONE, WIDE = 390, 1280
REFUSED = "the server responded with a status of"  # what the browser itself says where that was to be

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(served_at("/lab/api", "/api")) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def opened(browser: Browser, address: str, language: str = "en", width: int = WIDE, **more: Any) -> Iterator[Page]:
    """Open it where no other host can be reached; nothing else is asked for, and the console says nothing."""
    host, wrong = re.match(r"https?://[^/]+", address), []
    assert host

    def pass_on(route: Route) -> None:
        if route.request.url.startswith(host[0]):
            route.continue_()
        else:
            wrong.append(route.request.url)
            route.abort()

    context = browser.new_context(locale=LOCALE[language], viewport={"width": width, "height": 844}, **more)
    context.set_default_timeout(PATIENCE)
    context.route(re.compile("^https?:"), pass_on)
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text) if REFUSED not in message.text else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    yield page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than its window"
    context.close()
    assert wrong == []


@pytest.mark.parametrize(("place", "language", "width"), [("/api", "en", WIDE), ("/lab/api", "ja", PHONE)])
def test_a_run_is_begun_followed_and_stopped_on_the_page(
    url: str, browser: Browser, place: str, language: str, width: int
) -> None:
    """The stream is shown while it arrives; the id of what was begun is filled in everywhere."""
    words = texts(language)
    with opened(browser, f"{url}{place}/docs", language, width) as page:
        expect(page.get_by_role("heading", name=words["api.title"])).to_be_visible()
        chat, stop = page.locator("#chat"), page.locator("#stop")
        chat.locator("textarea").fill('{"message": "q", "model": "demo?rate=20&chunks=10000&first=0"}')
        chat.get_by_role("button", name=words["api.send"]).click()
        expect(chat.locator(".answer")).to_contain_text("event: text_delta")
        expect(chat.get_by_role("status")).to_have_text(words["api.arriving"])
        run_id = stop.locator("[name=run_id]").input_value()
        assert run_id in (chat.locator(".answer").text_content() or "")
        stop.locator("summary").click()
        stop.get_by_role("button", name=words["api.send"]).click()
        expect(stop.locator(".answer")).to_contain_text("202")
        expect(chat.locator(".answer")).to_contain_text('"status":"stopped"')
        expect(chat.get_by_role("status")).to_have_text("")
        look = page.locator("#look")
        look.locator("summary").click()
        look.get_by_role("button", name=words["api.send"]).click()
        expect(look.locator(".answer")).to_contain_text('"status": "stopped"')


def test_the_keyboard_is_enough(url: str, browser: Browser) -> None:
    """Open an operation, send, leave."""
    with opened(browser, f"{url}/api/docs") as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        summary = page.locator("#healthz summary")
        summary.focus()
        page.keyboard.press("Enter")
        button = page.locator("#healthz").get_by_role("button", name="Send")
        while not button.evaluate("each => each === document.activeElement"):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#healthz .answer")).to_contain_text('"status": "ok"')
        chat = page.locator("#chat")
        chat.locator("textarea").fill('{"message": "q", "model": "demo?fault=silent"}')
        chat.get_by_role("button", name="Send").press("Enter")
        chat.get_by_role("button", name="Leave").press("Enter")
        expect(chat.get_by_role("status")).to_have_text(texts("en")["api.left"])


def test_a_wrong_question_is_answered_as_programs_have_it(url: str, browser: Browser) -> None:
    """The refusal's status and body; what is typed is nothing but text to the page."""
    with opened(browser, f"{url}/api/docs#look") as page:
        page.locator("#look [name=run_id]").fill("../<b>x</b>?y")
        page.locator("#look").get_by_role("button", name="Send").click()
        expect(page.locator("#look .answer")).to_contain_text('"code": "')
        assert page.locator("#look .answer b").count() == 0


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.soak)])
def test_nobody_is_kept_from_reading(url: str, browser: Browser, scheme: str) -> None:
    """WCAG 2.2 AA by axe, with everything opened."""
    with opened(browser, f"{url}/api/docs", color_scheme=scheme, bypass_csp=True) as page:
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        found = Axe().run(page, options=RULES).response["violations"]
        assert [f"{each['id']}: {node['html'][:150]}" for each in found for node in each["nodes"]] == []


def test_without_scripts_everything_can_be_read(url: str, browser: Browser) -> None:
    """And nothing is offered that would not work."""
    with opened(browser, f"{url}/api/docs", java_script_enabled=False) as page:
        page.locator("#chat summary").click()
        expect(page.locator("#chat")).to_contain_text("curl -N -X POST")
        expect(page.locator("#chat").get_by_text("Location", exact=True)).to_be_visible()
        assert "&lt;code&gt;" not in page.content()
        expect(page.locator("#chat form")).to_be_hidden()


def test_the_language_is_the_readers(url: str) -> None:
    """What the address says, then what the browser wants most, then English."""
    for asked, header, language in (
        ("", "ja,en;q=0.8", "ja"),
        ("", "en-GB,ja;q=0.8", "en"),
        ("", "ja;q=0.5,en;q=0.9", "en"),
        ("", "fr,ja-JP;q=0.1", "ja"),
        ("", "fr;q=x,*", "en"),
        ("", "", "en"),
        ("?lang=ja", "en", "ja"),
        ("?lang=xx", "ja", "ja"),
    ):
        page = httpx2.get(f"{url}/api/docs{asked}", headers={"accept-language": header})
        assert page.headers["content-language"] == language
        assert f'<html lang="{language}">' in page.text


def test_the_policy_allows_nothing_but_the_pages_own_files(url: str) -> None:
    """No inline script or style, no other host; the page's files are there, and no other."""
    page = httpx2.get(f"{url}/api/docs")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<style|style=|<script>|\son\w+=", page.text)
    for name in ("page.css", "page.js"):
        assert httpx2.get(f"{url}/api/docs/{name}").status_code == 200
        assert "://" not in (FOLDER / name).read_text("utf-8")
    for name in ("page.html", "..%2fpage.py", "page.py"):
        assert httpx2.get(f"{url}/api/docs/{name}").status_code == 404


def test_the_look_is_that_of_the_pages() -> None:
    """Its colours and fonts are those of the theme."""
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text("utf-8"))["theme"]
    light, dark = re.findall(r":root \{(.*?--border[^;]*;)", (FOLDER / "page.css").read_text("utf-8"), re.DOTALL)
    for name, known in (("light", light), ("dark", dark)):
        for variable, key in (
            ("primary", "primaryColor"),
            ("background", "backgroundColor"),
            ("secondary", "secondaryBackgroundColor"),
            ("text", "textColor"),
            ("link", "linkColor"),
            ("border", "borderColor"),
        ):
            assert f"--{variable}: {theme[name][key]};" in known
    styles = (FOLDER / "page.css").read_text("utf-8")
    assert f"font-family: {theme['font']};" in styles
    assert f"font-family: {theme['codeFont']};" in styles
