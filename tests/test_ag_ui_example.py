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


async def opened(browser: Browser, files: Path, address: str) -> Page:
    """Open the page as another browser would, beside the gateway."""

    async def file(route: Route) -> None:
        await route.fulfill(path=files / urlsplit(route.request.url).path.removeprefix("/page/"))

    page = await (await browser.new_context(locale="en-US")).new_page()
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
    shown = [await each.locator("article").inner_text() for each in (page, other)]
    assert shown[0] == shown[1]
    words = [int(number) for number in re.findall(r"word(\d+) ", shown[0])]
    assert words == list(range(1, len(words) + 1))  # a loss or a repetition would show


async def test_what_was_refused_is_said(browser: Browser, files: Path, lab: Served) -> None:
    """In the gateway's own sentence; the question stands, and another can be asked."""
    page = await opened(browser, files, f"http://127.0.0.1:{lab.port}/page/index.html?model=none")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_contain_text("The server has no model of this name.")
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
