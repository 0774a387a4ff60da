"""The example with `useChat` in real Chromium, built as its README says: reloaded, followed, stopped and cut."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Browser, Page, expect

from benchmarks.harness import chromium, free_port, listens
from tests import stack as deployment
from tests.ai_sdk import EXAMPLE
from tests.browser import button, needs_chromium
from tests.conftest import demo_model
from tests.example_markdown import ANSWERS, ASKED, FAULTS, SHOWN, check_shown
from tests.gateway import Served, served
from tests.javascript import files, install, needs_node, run
from tests.redis_server import RedisServer
from tests.stack import BEARER, PATIENCE, Stack, needs_nginx
from tests.test_react_example import figure

image = deployment.image  # fixtures are found by their names

pytestmark = [needs_chromium, needs_node]

LONG = int(PATIENCE * 1000)  # milliseconds
WORDS = " ".join(str(number) for number in range(1, 101))
SLOW = demo_model(text=WORDS, rate=30)
SLOWER = demo_model(text=WORDS, rate=2.5)
ENDLESS = demo_model(chunks=100_000, rate=20)

LIVE, FOLLOWERS = "streamlab_runs_live", 'streamlab_followers{protocol="ai-sdk"}'


@dataclass(frozen=True)
class Site:
    """The page, served with a real gateway behind `/api`, and a browser."""

    url: str
    gateway: Served
    browser: Browser

    @contextmanager
    def opened(self, address: str = "", *, model: str = SLOW, dark: bool = False, width: int = 1000) -> Iterator[Page]:
        """Open the page in a profile of its own."""
        context = self.browser.new_context(
            locale="en-US", color_scheme="dark" if dark else "light", viewport={"width": width, "height": 800}
        )
        context.set_default_timeout(LONG)
        page = context.new_page()
        page.goto(address or f"{self.url}/?model={quote(model, safe='')}")
        yield page
        context.close()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files."""
    install(EXAMPLE)
    folder = tmp_path_factory.mktemp("ai-sdk") / "dist"
    run("npm", "run", "build", "--", "--outDir", str(folder), cwd=EXAMPLE)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(built: Path, browser: Browser) -> Iterator[Site]:
    """The page as `vite preview` serves it, which passes `/api` on as the development server does."""
    port = free_port()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(served(gateway_runs_per_minute=1_000)) as gateway,
        previewed(built, port, gateway.url.removesuffix("/api")),
    ):
        yield Site(f"http://127.0.0.1:{port}", gateway, browser)


@contextmanager
def previewed(built: Path, port: int, gateway: str) -> Iterator[None]:
    command = [str(shutil.which("node")), "node_modules/vite/bin/vite.js", "preview", "--outDir", str(built)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--strictPort"]
    environment = {"GATEWAY": gateway, "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, cwd=EXAMPLE, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE
        while not listens(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        try:
            yield
        finally:
            process.terminate()


def ask(page: Page, question: str = "Count, please.") -> None:
    """By the keyboard alone: the box has the focus."""
    expect(page.get_by_label("Ask something")).to_be_focused()
    page.keyboard.type(question)
    page.keyboard.press("Enter")


def has(page: Page, characters: int) -> None:
    """Wait until the answer has more than so many."""
    page.wait_for_function("n => document.querySelector('.assistant')?.textContent.length > n", arg=characters)


def is_ready(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_text("Ready", timeout=LONG)


def answers(page: Page) -> list[str]:
    return page.locator(".assistant").all_text_contents()


def test_a_reload_in_the_middle(site: Site) -> None:
    """The answer goes on, whole and once; and it is there when the page is loaded once more."""
    with site.opened() as page:
        ask(page)
        has(page, 40)
        page.reload()
        has(page, 60)
        is_ready(page)
        assert answers(page) == [WORDS]
        assert page.locator(".user").all_text_contents() == ["Count, please."]
        page.reload()
        is_ready(page)
        assert answers(page) == [WORDS]


@pytest.mark.soak  # as the next ones; of all of them one is enough for each change
def test_an_answer_that_ended_while_the_page_was_away(site: Site) -> None:
    """Is there when it comes back."""
    with site.opened(model=demo_model(text=WORDS, rate=100)) as page:
        with page.expect_response("**/chat?*") as asked:
            ask(page)
        has(page, 20)
        address = page.url
        page.goto("about:blank")
        run = f"{site.gateway.url}/runs/{asked.value.headers['x-run-id']}"
        while httpx2.get(run).json()["status"] == "live":
            time.sleep(0.05)
        page.goto(address)
        has(page, len(WORDS) - 1)
        is_ready(page)
        assert answers(page) == [WORDS]


@pytest.mark.soak
def test_a_second_browser_follows_and_stops(site: Site) -> None:
    """For both: they show the same question and answer, also after a reload, that it was stopped, and the run has its
    end.
    """
    with site.opened(model=ENDLESS) as first, site.opened(model=ENDLESS) as second:
        ask(first)
        has(first, 40)
        second.goto(first.url)
        has(second, 60)
        expect(button(second, "Stop")).to_be_visible()
        second.reload()
        expect(button(second, "Stop")).to_be_visible()  # of what is kept there is more before
        second.get_by_label("The chat").focus()
        second.keyboard.press("Escape")
        for page in (first, second):
            is_ready(page)
            expect(page.locator(".message.assistant .stopped")).to_have_text("Stopped")
        assert answers(first) == answers(second)
        assert len(answers(first)) == 1
        second.reload()
        is_ready(second)
        expect(second.locator(".message.assistant .stopped")).to_have_text("Stopped")
        for page in (first, second):
            assert page.locator(".user").all_text_contents() == ["Count, please."]
        ask(second, "Once more.")  # and the chat goes on
        expect(second.locator(".assistant")).to_have_count(2)
        second.keyboard.press("Escape")
        is_ready(second)


@pytest.mark.soak
def test_an_answer_written_anew_in_one_browser_replaces_the_former_in_another(site: Site) -> None:
    """Where the question is known by its message's id, and stands once."""
    with site.opened(model=demo_model(fault="key")) as first, site.opened() as second:
        ask(first)
        expect(button(first, "Ask again")).to_be_visible()
        address = first.url
        second.goto(address)  # the failed answer's question is there, too
        expect(second.locator(".user")).to_have_text("Count, please.")
        first.goto(address.replace(quote("fault=key", safe=""), quote("text=Anew.", safe="")))
        button(first, "Ask again").click()
        expect(first.locator(".assistant")).to_have_text("Anew.")
        second.reload()
        expect(second.locator(".assistant")).to_have_text("Anew.")
        for page in (first, second):
            is_ready(page)
            expect(page.locator(".user")).to_have_text("Count, please.")


@pytest.mark.soak
def test_a_refused_question_stays_the_last(site: Site) -> None:
    """A reload takes up the answer before it, where it is."""
    with site.opened(model=demo_model(text="First.")) as page:
        ask(page, "One")
        expect(page.locator(".assistant")).to_have_text("First.")
        is_ready(page)
        page.goto(re.sub("model=[^&]*", "model=none", page.url))
        ask(page, "Two")
        expect(page.get_by_role("alert")).to_contain_text("The server has no model of this name.")
        page.reload()
        is_ready(page)
        expect(page.locator(".message")).to_have_text(["One", "First.", "Two"])
        expect(button(page, "Ask again")).to_be_visible()


@pytest.mark.soak
def test_japanese_on_a_phone(site: Site) -> None:
    """By the browser's language or by the address; nothing is wider than the screen, and no word is left in English."""
    context = site.browser.new_context(locale="ja-JP", viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(LONG)
    page = context.new_page()
    table = demo_model(text=f"| a | {'b' * 60} |\n| - | - |\n| 傘 | {'c' * 60} |\n\n`{'d' * 60}`")
    page.goto(f"{site.url}/?model={quote(table, safe='')}")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page).to_have_title("Streaming Lab で useChat")
    page.get_by_label("質問を入力してください").fill("表にしてください")
    page.keyboard.press("Enter")
    expect(page.locator(".markdown td")).to_have_count(2)
    expect(page.get_by_role("status")).to_have_text("入力待ち")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("getComputedStyle(document.querySelector('.markdown .table')).overflowX") == "auto"
    shown = page.locator("header, footer").all_inner_texts()
    assert not any(word in " ".join(shown) for word in ("Follow", "New", "Ask", "Ready", "tools"))
    page.goto(f"{page.url}&lang=en")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(button(page, "New chat")).to_be_visible()
    context.close()


def test_markdown(site: Site) -> None:
    """As it was meant, half finished in every way, and what it must not do it does not."""
    with site.opened() as page:
        foreign: list[str] = []
        page.on("request", lambda request: foreign.append(request.url) if site.url not in request.url else None)
        page.on("dialog", lambda dialog: foreign.append(dialog.message))
        parts = [{"type": "text", "text": text} for text in ANSWERS]
        messages = [{"id": str(number), "role": "assistant", "parts": [part]} for number, part in enumerate(parts)]
        kept = {"messages": messages, "open": False}
        page.evaluate("kept => localStorage.setItem('chat markdown', JSON.stringify(kept))", kept)
        page.goto(f"{site.url}/?chat=markdown")
        expect(page.locator(".markdown")).to_have_count(len(ANSWERS))
        is_ready(page)
        check_shown(page.evaluate(SHOWN, ASKED))
        assert page.evaluate(FAULTS) == []
        assert foreign == []


@pytest.mark.soak
def test_reasoning_tools_and_failures_are_shown(site: Site) -> None:
    """Plainly, and each can be opened by the keyboard."""
    with site.opened(model=demo_model(reasoning="true"), dark=True, width=390) as page:
        ask(page, "What is 17 * 23, and which products sold best?")
        is_ready(page)
        expect(page.locator("details.tool")).to_have_count(2)
        expect(page.locator("details.reasoning").first).to_be_visible()
        tool = page.locator("details.tool summary").first
        tool.focus()
        page.keyboard.press("Enter")
        expect(page.locator("details.tool pre").first).to_be_visible()
    with site.opened(model=demo_model(fault="key")) as page:
        ask(page)
        expect(page.get_by_role("alert")).to_contain_text("The provider refused the key.")
        expect(button(page, "Ask again")).to_be_visible()


@pytest.fixture
def stack(
    tmp_path_factory: pytest.TempPathFactory, image: Path, redis_server: RedisServer, built: Path
) -> Iterator[Stack]:
    """nginx before two gateways, and the page's files where the app would be."""
    with files(built) as address:
        stack = Stack(tmp_path_factory.mktemp("stack"), image, redis_server.url, app=int(address.rpartition(":")[2]))
        try:
            stack.up()
            yield stack
        finally:
            stack.end()


@pytest.mark.soak
@needs_nginx
def test_a_gateway_that_dies(stack: Stack, browser: Browser) -> None:
    """One that does not write the answer, but through which the page reads it: it comes back through the other one by
    itself, and shows the whole answer once. When the one that writes it dies, the page says so, and can ask again.
    """
    page = browser.new_page(extra_http_headers=BEARER)
    page.set_default_timeout(LONG)
    for model in (SLOWER, SLOW):
        page.goto(f"{stack.url.removesuffix('/api')}/?model={quote(model, safe='')}")
        ask(page)
        has(page, 10)
        writer, reader = sorted(stack.gateways, key=lambda each: figure(each.url, LIVE, BEARER), reverse=True)
        victim = reader if model == SLOWER else writer
        while not figure(victim.url, FOLLOWERS, BEARER):
            assert figure(writer.url, LIVE, BEARER)
            page.reload()
            has(page, 10)
        victim.signal(signal.SIGKILL)
        victim.wait()
        if victim is writer:
            expect(page.get_by_role("alert")).to_contain_text("This answer was cut off", timeout=LONG)
            button(page, "Ask again").click()
        has(page, len(WORDS) - 1)
        is_ready(page)
        assert answers(page) == [WORDS]
        stack.up()
