"""The AG-UI example in real Chromium: its page is reloaded, opened in a second browser, and stopped from there."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import anyio
import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from benchmarks.harness import BROWSER_OPTIONS, CHROMIUM
from tests.browser import needs_chromium
from tests.conftest import demo_model
from tests.example_markdown import ANSWERS, ASKED, FAULTS, SHOWN, check_shown
from tests.gateway import FAST, Served, served
from tests.javascript import ROOT, install, needs_node, run

pytestmark = [pytest.mark.anyio, needs_chromium, needs_node]

EXAMPLE = ROOT / "examples/ag-ui"


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(FAST) as lab:
        yield lab


@pytest.fixture(scope="module")
async def files(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, built."""
    folder = tmp_path_factory.mktemp("ag-ui")
    await anyio.to_thread.run_sync(install, EXAMPLE)
    await anyio.to_thread.run_sync(lambda: run("npm", "run", "check", cwd=EXAMPLE))
    await anyio.to_thread.run_sync(lambda: run("npx", "vite", "build", "--outDir", str(folder), cwd=EXAMPLE))
    return folder


@pytest.fixture
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        yield browser
        await browser.close()


async def opened(browser: Browser, files: Path, address: str, locale: str = "en-US", width: int = 1280) -> Page:
    """Open the page as another browser would, beside the gateway."""

    async def file(route: Route) -> None:
        await route.fulfill(path=files / urlsplit(route.request.url).path.removeprefix("/page/"))

    page = await (await browser.new_context(locale=locale, viewport={"width": width, "height": 800})).new_page()
    await page.route("**/page/**", file)
    await page.goto(address)
    return page


async def test_an_answer_outlives_its_page(browser: Browser, files: Path, lab: Served) -> None:
    """Asked by keyboard; gone on with after a reload and in another browser, where Escape stops it for both."""
    model = quote(demo_model(chunks=3_000, rate=60), safe="")
    place = f"http://127.0.0.1:{lab.port}/page/index.html?model={model}"
    page = await opened(browser, files, place)
    await expect(page.locator(".hint")).to_be_visible()
    await page.get_by_label("Ask something").fill("Count")
    await page.get_by_label("Use the server's tools").uncheck()
    await page.get_by_label("Ask something").press("Enter")
    await expect(page.locator("article")).to_contain_text("word1")
    await page.reload()
    await expect(page.get_by_role("status")).to_have_text("Answering …")
    await expect(page.locator(".user")).to_have_text("Count")
    other = await opened(browser, files, page.url)
    await expect(other.locator("article")).to_contain_text("word9")
    await other.keyboard.press("Escape")
    for each in (page, other):
        await expect(each.get_by_role("button", name="Send")).to_be_visible()
        await expect(each.locator("article + .note")).to_have_text("Stopped")
    shown = [await each.locator("article").inner_text() for each in (page, other)]
    assert shown[0] == shown[1]
    words = [int(number) for number in re.findall(r"word(\d+) ", shown[0])]
    assert words == list(range(1, len(words) + 1))  # a loss or a repetition would show
    for asked in ("Again", None):  # the thread keeps it, and a reload shows it
        if asked:
            await other.get_by_label("Ask something").fill(asked)
            await other.get_by_role("button", name="Send").click()
            await expect(other.locator("article").nth(1)).to_contain_text("word1")
            await other.keyboard.press("Escape")
        await expect(other.locator(".note")).to_have_text(["Stopped", "Stopped"])
        await other.reload()


@pytest.mark.soak
async def test_what_was_refused_is_said(browser: Browser, files: Path, lab: Served) -> None:
    """In the gateway's own sentence; the question stands, and another can be asked."""
    page = await opened(browser, files, f"http://127.0.0.1:{lab.port}/page/index.html?model=none")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_contain_text("The server has no model of this name.")
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def test_markdown(browser: Browser, files: Path, lab: Served) -> None:
    """As it was meant, half finished in every way, and what it must not do it does not."""
    messages = [{"id": f"m{number}", "role": "assistant", "content": text} for number, text in enumerate(ANSWERS)]
    messages.append({"id": "q", "role": "user", "content": "And now?"})
    sent = {
        "threadId": "markdown", "runId": "r", "state": {}, "messages": messages, "tools": [], "context": [],
        "forwardedProps": {"model": demo_model(text="Nothing.")},
    }  # fmt: skip
    assert (await lab.client.post("/ag-ui", json=sent)).status_code == 200
    page = await opened(browser, files, "about:blank")
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url) if str(lab.port) not in request.url else None)
    page.on("dialog", lambda dialog: foreign.append(dialog.message))
    await page.goto(f"http://127.0.0.1:{lab.port}/page/index.html?thread=markdown")
    await expect(page.locator(".markdown")).to_have_count(len(ANSWERS) + 1)
    check_shown(await page.evaluate(SHOWN, ASKED))
    assert await page.evaluate(FAULTS) == []
    assert [address for address in foreign if not address.startswith("data:")] == []


@pytest.mark.soak
async def test_japanese_on_a_phone(browser: Browser, files: Path, lab: Served) -> None:
    """By the browser's language or by the address; nothing is wider than the screen."""
    table = demo_model(text=f"| a | {'b' * 60} |\n| - | - |\n| 傘 | {'c' * 60} |\n\n`{'d' * 60}`")
    place = f"http://127.0.0.1:{lab.port}/page/index.html?model={quote(table, safe='')}"
    page = await opened(browser, files, place, "ja-JP", 390)
    await expect(page.locator("html")).to_have_attribute("lang", "ja")
    await page.get_by_label("質問").fill("表にしてください")
    await page.get_by_label("サーバーのツールを使う").uncheck()
    await page.get_by_role("button", name="送信").click()
    await expect(page.locator(".markdown td")).to_have_count(2)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await page.goto(f"{page.url}&lang=en")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.get_by_role("link", name="New conversation").click()
    await expect(page.locator(".hint")).to_contain_text("reload the page")  # still in English
    assert "lang=en" in page.url
    assert "model=" in page.url
