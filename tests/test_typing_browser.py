"""What is typed into a prompt set while its server is killed: real keys, a real kill, a store in a file."""

import signal
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Browser, Locator, expect

from benchmarks.harness import chromium, free_port
from components.page.texts import texts
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.serialization import to_address
from streamlab.prompts.sets import LATEST, Known, Latest, Sets
from tests.browser import PATIENCE, needs_chromium
from tests.pages import LOCALE, languages
from tests.prompts import FAST
from tests.test_connection_browser import is_away, serve
from tests.test_gateway_command import needs_signals

pytestmark = [needs_chromium, needs_signals]

KEY_MS = 60
TEXT = " in one sentence, for a child of ten, without a word of more than three syllables"

Change = Callable[[Sets, Known], Awaitable[None]]
FIELDS = ["prompts.template", "settings.system", "prompts.name"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as browser:
        yield browser


class Lab:
    """The page of prompts at a server that is killed and started again on the same store and port."""

    def __init__(self, browser: Browser, folder: Path, language: str, prompts: PromptSet | None = None) -> None:
        self.words, self.path, self._folder, self._port = texts(language), folder / "store", folder, free_port()
        self._stack = ExitStack()
        self.start()
        context = browser.new_context(locale=LOCALE[language])
        context.set_default_timeout(PATIENCE)
        self.page = context.new_page()
        self.page.goto(f"http://localhost:{self._port}/about")  # which gives the browser its cookie
        expect(self.page.get_by_role("heading", name=self.words["about.title"])).to_be_visible()
        shared = f"?set={to_address(prompts)}" if prompts else ""
        self.page.goto(f"http://localhost:{self._port}/prompts{shared}")
        expect(self.field("prompts.template")).to_be_enabled()

    def start(self) -> None:
        settings = {"LAB_STORE": f"sqlite:///{self.path}", "LAB_MODELS": FAST}
        self._process, _ = self._stack.enter_context(serve(self._folder, self._port, **settings))

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        is_away(self.page, self.words)
        self._stack.close()

    def close(self) -> None:
        self.page.context.close()
        self._stack.close()

    def field(self, label: str, number: int = 0) -> Locator:
        main = self.page.get_by_test_id("stMain")
        return main.get_by_role("textbox", name=self.words[label], exact=True).nth(number)

    def type(self, label: str = "prompts.template", text: str = TEXT) -> None:
        """Type without a pause, as people do."""
        self.field(label).click()
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text, delay=KEY_MS)

    def is_back(self) -> None:
        away = self.page.get_by_role("alert").filter(has_text=self.words["connection.away"])
        expect(away).to_be_hidden()
        expect(self.field("prompts.template")).to_be_enabled()
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def change(self, change: Change) -> None:
        """Change what is saved of the set, while no server has the store."""

        async def work() -> None:
            async with SqliteHub(self.path) as hub:
                sets = Sets(hub.shared)
                known = await sets.find(latest.set_id or "")
                assert known
                await change(sets, known)

        with closing(sqlite3.connect(self.path)) as connection:
            (body,) = connection.execute("SELECT body FROM documents WHERE kind = ?", (LATEST.name,)).fetchone()
        latest = LATEST.decode(body)
        with start_blocking_portal() as portal:
            portal.call(work)


@pytest.fixture
def open_lab(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    with ExitStack() as stack:

        def open_one(*args: Any) -> Lab:
            lab = Lab(browser, tmp_path, *args)
            stack.callback(lab.close)
            return lab

        yield open_one


@pytest.mark.soak
@languages
@pytest.mark.parametrize("label", FIELDS)
def test_what_is_typed_outlives_a_kill(open_lab: Callable[..., Lab], language: str, label: str) -> None:
    """Down to the last key; into a set that was new as into one that is saved, and then it is saved itself."""
    lab = open_lab(language)
    for round_ in range(2):
        text = TEXT[: 60 if label != "prompts.name" else 12]
        before = lab.field(label).input_value()
        lab.type(label, text)
        lab.kill()
        assert lab.field(label).input_value() == before + text
        lab.start()
        lab.is_back()
        expect(lab.field(label)).to_have_value(before + text)
        expect(lab.page.get_by_text(lab.words["prompts.saved_as"].rpartition("}")[2]).first).to_be_visible()
        if round_:
            lab.page.goto(f"http://{urlsplit(lab.page.url).netloc}/prompts")
            expect(lab.field(label)).to_have_value(before + text)


@pytest.mark.soak
def test_what_somebody_else_saved_meanwhile_stays(open_lab: Callable[..., Lab]) -> None:
    """It is newer than what was being typed."""

    async def write(sets: Sets, known: Known) -> None:
        saved = known.document
        first, *others = saved.prompts.variants
        changed = (first.model_copy(update={"template": "Newer {topic}"}), *others)
        await sets.save(saved.browser, known, saved.prompts.model_copy(update={"variants": changed}), "")

    lab = open_lab("en")
    lab.type()
    lab.kill()
    lab.change(write)
    lab.start()
    lab.is_back()
    lab.page.wait_for_timeout(1_000)
    expect(lab.field("prompts.template")).to_have_value("Newer {topic}")


@pytest.mark.soak
def test_what_was_typed_into_one_set_never_lands_in_another(open_lab: Callable[..., Lab]) -> None:
    """Even if that has the same texts."""

    async def copy(sets: Sets, known: Known) -> None:
        me = known.document.browser
        other = await sets.save(me, None, known.document.prompts, "Another")
        await sets.note_latest(me, Latest(other.document.id))

    lab = open_lab("en")
    lab.type("settings.system", " Be brief.")
    expect(lab.page.get_by_text(lab.words["prompts.saved_as"].rpartition("}")[2]).first).to_be_visible()
    system = lab.field("settings.system").input_value()
    lab.page.wait_for_timeout(1_500)  # the tab has been told that it is saved
    lab.type("settings.system", " No")  # and is not sent any more
    lab.kill()
    lab.change(copy)
    lab.start()
    lab.is_back()
    expect(lab.page.get_by_text("“Another”")).to_be_visible()
    lab.page.wait_for_timeout(1_000)
    expect(lab.field("settings.system")).to_have_value(system)


@pytest.mark.soak
def test_text_goes_to_the_server_while_one_types_without_a_pause(open_lab: Callable[..., Lab]) -> None:
    """Without what the browser keeps, all but the last seconds is saved."""
    lab = open_lab("en")
    before = lab.field("prompts.template").input_value()
    lab.type(text=TEXT)
    lab.kill()
    lab.page.evaluate("sessionStorage.clear()")
    lab.start()
    lab.is_back()
    saved = lab.field("prompts.template").input_value()
    assert (before + TEXT).startswith(saved)
    assert len(saved) > len(before) + len(TEXT) // 3
