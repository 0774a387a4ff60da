"""A store that is damaged, or full in the middle of an answer: real files, a real server and real browsers."""

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Browser, Page, expect

from benchmarks.harness import ROOT, Server, chromium, streamlit_server
from components.page.pages import PAGES
from components.page.texts import texts
from tests.browser import PATIENCE, Site, button, needs_chromium
from tests.pages import languages
from tests.store_files import noise, written

pytestmark = [
    needs_chromium,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the files of a process that runs"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as browser:
        yield browser


@contextmanager
def serve(path: Path, model: str = "demo", *options: str) -> Iterator[Server]:
    variables = {"LAB_GRPC_PORT": "0", "LAB_STORE": f"sqlite:///{path}", "LAB_MODELS": model}
    with streamlit_server(ROOT / "app.py", options=options, environment=variables) as server:
        yield server


@contextmanager
def full_disk(server: Server, path: Path) -> Iterator[None]:
    """Let no file of the server grow beyond what the store takes now."""
    largest = max(each.stat().st_size for each in path.parent.iterdir())
    before = server.process.rlimit(resource.RLIMIT_FSIZE)
    server.process.rlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        server.process.rlimit(resource.RLIMIT_FSIZE, before)


def ask(page: Page, question: str) -> None:
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")


def own_address() -> str:
    """Return an address of this machine by which others reach it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        return str(probe.getsockname()[0])


@pytest.mark.soak
@languages
def test_who_runs_the_server_is_told_where_the_damaged_file_lies(
    browser: Browser, tmp_path: Path, language: str
) -> None:
    """And nobody who comes by another address; each is told until they have read it."""
    words, path = texts(language), tmp_path / "store.sqlite3"
    with start_blocking_portal() as portal:  # Playwright's loop is this thread's
        portal.call(written, path)
    noise(path)
    with serve(path, "demo", "--server.address=0.0.0.0") as server:
        (aside,) = tmp_path.glob("store.sqlite3.damaged-*")
        with Site(browser, server.url).opened("/chat", language) as page:
            expect(page.get_by_text(words["storage.damaged"])).to_be_visible()
            expect(page.get_by_text(str(aside))).to_be_visible()
            button(page, words["storage.read"]).click()
            expect(page.get_by_text(words["storage.damaged"])).to_have_count(0)
            page.get_by_test_id("stSidebarNavLink").nth(len(PAGES) - 1).click()
            expect(page.get_by_role("heading", name=words["about.title"])).to_be_visible()
            expect(page.get_by_text(words["storage.damaged"])).to_have_count(0)
        with Site(browser, f"http://{own_address()}:{server.port}").opened("/chat", language) as page:
            expect(page.get_by_text(words["storage.damaged"])).to_be_visible()
            expect(page.get_by_text(words["storage.operator"])).to_be_visible()
            expect(page.get_by_text(str(tmp_path))).to_have_count(0)


@pytest.mark.soak
@languages
def test_an_answer_stands_while_the_disk_is_full_and_then_goes_on(
    browser: Browser, tmp_path: Path, language: str
) -> None:
    """Why is said, a new question comes back into its box, and when there is room nobody has to touch the page."""
    words, path = texts(language), tmp_path / "store.sqlite3"
    with serve(path, "demo?first=0&rate=30&chunks=300") as server:
        site = Site(browser, server.url)
        with site.opened("/chat", language) as page, site.opened("/chat", language) as other:
            ask(page, "one?")
            expect(page.get_by_text("word9 ")).to_be_visible()
            with full_disk(server, path):
                for each in (page, other):
                    if each is other:
                        ask(other, "two?")
                        expect(other.get_by_text(words["notice.not_asked"])).to_be_visible()
                        expect(other.get_by_test_id("stChatInputTextArea")).to_have_value("two?")
                    expect(each.get_by_text(words["storage.away"])).to_be_visible()
                    expect(each.get_by_text(str(path))).to_be_visible()
                stands = page.get_by_test_id("stChatMessage").nth(1).inner_text()
                page.reload()
                expect(page.get_by_text(words["storage.away"])).to_be_visible()
                expect(page.get_by_text("word9 ")).to_be_visible()
                assert page.get_by_test_id("stChatMessage").nth(1).inner_text().split() == stands.split()
            expect(page.get_by_text(words["storage.away"])).to_have_count(0)
            expect(button(page, words["chat.regenerate"])).to_be_visible()
            other.get_by_test_id("stChatInputTextArea").press("Enter")
            expect(other.get_by_text("word9 ")).to_be_visible()
            expect(other.get_by_text(words["storage.away"])).to_have_count(0)
