"""A server that goes and comes back under open pages, and addresses that are no page's: told in the page's words."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.harness import ROOT, chromium, free_port
from components.middleware.host_config import SWITCH
from components.page.texts import texts
from tests.browser import PATIENCE, Site, button, needs_chromium
from tests.pages import LOCALE
from tests.redis_server import RedisServer
from tests.test_gateway_command import LEAVE, needs_signals, running

pytestmark = needs_chromium

SIMPLE = ("/nowhere", "/chatt", "/chat/x", "/nowhere/")
both = pytest.mark.parametrize("language", ["en", "ja"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as browser:
        yield browser


def serve(folder: Path, port: int, base: str = "", **settings: str) -> AbstractContextManager[Any]:
    """Serve the app at this port, beneath `base`."""
    options = [
        f"--server.port={port}",
        f"--server.baseUrlPath={base.strip('/')}",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
    ]
    variables = {"LAB_GRPC_PORT": "0", **settings}
    return running("streamlit", "run", str(ROOT / "app.py"), *options, port=port, cwd=folder, **variables)


def open_chat(browser: Browser, port: int, language: str, width: int = 1280, folder: str = "") -> Page:
    page = browser.new_page(locale=LOCALE[language], viewport={"width": width, "height": 860})
    page.set_default_timeout(PATIENCE)
    page.goto(f"http://localhost:{port}{folder}/chat")
    return page


def ask(page: Page, question: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.keyboard.press("Enter")
    expect(asked(page, question)).to_be_visible()


def asked(page: Page, question: str) -> Locator:
    """The question in the conversation; the sidebar lists it as well."""
    return page.get_by_test_id("stChatMessage").get_by_text(question, exact=True)


def is_away(page: Page, words: dict[str, str]) -> None:
    """Expect our sentence, and no dialog of Streamlit's."""
    expect(page.get_by_role("alert").filter(has_text=words["connection.away"])).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


@contextmanager
def in_both_languages(browser: Browser, port: int) -> Iterator[list[tuple[Page, dict[str, str]]]]:
    """Open the chat of one server in English on a desk, and in Japanese on a phone."""
    pages = [(open_chat(browser, port, "en", 1280), texts("en")), (open_chat(browser, port, "ja", 390), texts("ja"))]
    yield pages
    for page, _ in pages:
        page.close()


@needs_signals
@pytest.mark.soak
def test_the_page_goes_on_where_it_was(browser: Browser, tmp_path: Path, redis_server: RedisServer) -> None:
    """The server is killed and started again at the same address: the conversation is there and goes on, untouched."""
    port = free_port()
    settings = {"REDIS_URL": redis_server.url, "LAB_MODELS": "demo?first=0&rate=2000"}
    with ExitStack() as stack:
        with serve(tmp_path, port, **settings) as (process, _):
            pages = stack.enter_context(in_both_languages(browser, port))
            for page, words in pages:
                ask(page, "one?")
                expect(button(page, words["chat.regenerate"])).to_be_visible()
            addresses = [page.url for page, _ in pages]
            process.send_signal(signal.SIGKILL)
            for page, words in pages:
                is_away(page, words)
                expect(asked(page, "one?")).to_be_visible()
        with serve(tmp_path, port, **settings):
            for page, words in pages:
                expect(page.get_by_role("alert").filter(has_text=words["connection.away"])).to_be_hidden()
                expect(asked(page, "one?")).to_be_visible()
                ask(page, "two?")
                expect(asked(page, "one?")).to_be_visible()
                expect(button(page, words["chat.regenerate"])).to_be_visible()
            assert [page.url for page, _ in pages] == addresses
            stack.close()


@needs_signals
@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.soak
def test_pages_in_a_folder_work_as_at_the_root(browser: Browser, tmp_path: Path, language: str) -> None:
    """Unknown addresses, the history, two tabs, and a server that goes and comes back; all beneath the folder."""
    words, port, folder = texts(language), free_port(), "/lab"
    settings = {"LAB_STORE": f"sqlite:///{tmp_path / 'store'}", "LAB_MODELS": "demo?first=0&rate=2000"}
    with serve(tmp_path, port, folder, **settings) as (process, _):
        page = open_chat(browser, port, language, folder=folder)
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        ask(page, "one?")
        expect(button(page, words["chat.regenerate"])).to_be_visible()
        page.reload()
        expect(page.get_by_test_id("stSidebar").get_by_role("button", name="one?", exact=True)).to_be_visible()
        address = page.url
        other = browser.new_page(locale=LOCALE[language])
        other.goto(f"http://localhost:{port}{folder}/chat/x?{urlsplit(address).query}")
        expect(other.get_by_text(words["app.no_page"].format(address=f"{folder}/chat/x"))).to_be_visible()
        assert urlsplit(other.url).path == f"{folder}/chat"
        ask(other, "two?")
        expect(asked(page, "two?")).to_be_visible()
        process.send_signal(signal.SIGKILL)
        is_away(page, words)
    with serve(tmp_path, port, folder, **settings):
        expect(page.get_by_role("alert").filter(has_text=words["connection.away"])).to_be_hidden()
        ask(page, "three?")
        expect(asked(other, "three?")).to_be_visible()
        assert page.url == address
        assert {urlsplit(each).path for each in sockets} == {f"{folder}/changes", f"{folder}/_stcore/stream"}
        assert httpx2.get(f"http://localhost:{port}{folder}/api/healthz").status_code == 200
        other.close()
        page.close()


@needs_signals
@pytest.mark.parametrize(("language", "width"), [("en", 1280), pytest.param("ja", 390, marks=pytest.mark.soak)])
def test_a_killed_server_s_answer_is_there_when_it_is_back(
    browser: Browser, tmp_path: Path, language: str, width: int
) -> None:
    """With its text and *Try again*, at the same address and untouched; then nothing of its end stands any more."""
    words, port = texts(language), free_port()
    settings = {"LAB_STORE": f"sqlite:///{tmp_path / 'store'}", "LAB_MODELS": "demo?first=0&rate=30&chunks=100000"}
    with serve(tmp_path, port, **settings) as (process, _):
        page = open_chat(browser, port, language, width)
        ask(page, "one?")
        expect(page.get_by_text("word20 ")).to_be_visible()
        address = page.url
        process.send_signal(signal.SIGKILL)
        is_away(page, words)
        answer = page.get_by_test_id("stChatMessage").nth(1)
        text = answer.get_by_test_id("stMarkdown").first
        seen = text.inner_text().split()[:-1]
    with serve(tmp_path, port, **settings):
        again = button(page, words["chat.retry"])
        expect(again).to_be_visible()
        expect(page.get_by_role("alert").filter(has_text=words["connection.away"])).to_be_hidden()
        assert page.url == address
        assert text.inner_text().split()[: len(seen)] == seen
        expect(answer.get_by_text(words["error.producer_lost"])).to_be_visible()
        for ended, clicked in ((words["error.producer_lost"], again), (words["chat.stopped"], None)):
            (clicked or button(page, words["chat.regenerate"])).click()
            expect(button(page, words["chat.stop"])).to_be_visible()
            expect(answer.get_by_text("word9 ")).to_be_visible()
            expect(answer.get_by_text(ended)).to_have_count(0)
            expect(answer.get_by_text(words["figures.total"])).to_have_count(0)
            expect(answer.get_by_role("button")).to_have_count(1)  # Stop
            button(page, words["chat.stop"]).click()
            expect(answer.get_by_text(words["chat.stopped"])).to_be_visible()
        page.close()


@pytest.mark.soak
@needs_signals
def test_a_page_has_the_end_of_its_answer_before_the_server_goes(browser: Browser, tmp_path: Path) -> None:
    """SIGTERM while an answer arrives: it says why it ended, and the text so far stays."""
    port = free_port()
    with (
        serve(tmp_path, port, LAB_MODELS="demo?first=0&rate=50&chunks=100000") as (process, _),
        in_both_languages(browser, port) as pages,
    ):
        for page, _ in pages:
            ask(page, "one?")
            expect(page.get_by_text("word1 ").first).to_be_visible()
        process.send_signal(signal.SIGTERM)
        for page, words in pages:
            expect(page.get_by_text(words["chat.shutdown"])).to_be_visible()
        assert process.wait(LEAVE) in (0, -signal.SIGTERM)
        for page, words in pages:
            is_away(page, words)
            expect(page.get_by_text(words["chat.shutdown"])).to_be_visible()
            expect(page.get_by_text("word1 ").first).to_be_visible()


@pytest.fixture(scope="module")
def app(browser: Browser, shared_app: str) -> Site:
    return Site(browser, shared_app)


@pytest.fixture(scope="module")
def tabs(app: Site) -> Iterator[dict[str, Page]]:
    """Open a page for each language, which goes from address to address: its browser need not load everything anew."""
    with app.opened("/about", "en") as english, app.opened("/about", "ja") as japanese:
        yield {"en": english, "ja": japanese}


@both
@pytest.mark.parametrize(
    "address", ["/どこ", "/a*b*", "/a/b/c", *(pytest.param(each, marks=pytest.mark.soak) for each in SIMPLE)]
)
def test_an_address_that_is_no_page_s_is_told(app: Site, tabs: dict[str, Page], language: str, address: str) -> None:
    """By its name, on the first page, without Streamlit's dialog; and what else the address says is kept."""
    page = tabs[language]
    page.goto(f"{app.url}{address}?lang={language}")
    expect(page.get_by_text(texts(language)["app.no_page"].format(address=address.rstrip("/")))).to_be_visible()
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.url == f"{app.url}/?lang={language}"


@pytest.mark.parametrize("address", ["/", "", "/home", "/chat", "/chat?chat=unknown", "/timeline", "/?lang=en"])
def test_nothing_is_said_of_an_address_that_is_one(app: Site, tabs: dict[str, Page], address: str) -> None:
    page = tabs["en"]
    page.goto(app.url + address)
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_visible()
    expect(page.get_by_text(texts("en")["app.no_page"].partition("{")[0])).to_have_count(0)


def test_streamlit_s_dialogs_are_off_and_its_folders_served(app: Site) -> None:
    """The seam is where it was: one value of the host's configuration, compressed or not. Files are no addresses."""
    people = {"accept": "text/html"}
    for encoding in ("identity", "gzip"):
        answer = httpx2.get(f"{app.url}/_stcore/host-config", headers={"accept-encoding": encoding})
        assert answer.json()[SWITCH] is True
        assert len(answer.json()) > 1
    for path, status in (("/_stcore/health", 200), ("/chat/_stcore/health", 307), ("/api/healthz", 200), ("/a/b", 307)):
        assert httpx2.get(app.url + path, headers=people).status_code == status
    assert httpx2.get(f"{app.url}/chat/_stcore/health").status_code == 404, "where the page looks for its server"
