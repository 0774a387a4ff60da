"""A server whose port is open before its lab is: what is served at once, what waits, and how both end.

The app is a real process in which one import is held up, or fails, as on a slow disk.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from playwright.sync_api import expect
from websockets.sync.client import connect

from benchmarks.harness import ROOT, free_port
from components.middleware.first_paint import OUTLINE
from components.page.texts import texts
from streamlab.browsers.browsers import cookie_name
from streamlab.hub.sqlite.file import StoreFile
from tests.browser import browsing, button, needs_chromium
from tests.conftest import demo_model
from tests.events import end
from tests.gateway import log_events, parse_stream
from tests.stack import PATIENCE, Process
from tests.test_gateway_command import needs_signals

ENGINE, DRAWING = "streamlab.gateway.lab", "pandas"  # what the opening loads first, and what it loads beside the engine
each_part = pytest.mark.parametrize("held", [ENGINE, pytest.param(DRAWING, marks=pytest.mark.soak)])

# Python runs a module of this name at its start.
HOLDING = """
import sys, time
from importlib.util import find_spec
from pathlib import Path

class Holding:
    def find_spec(self, name, path=None, target=None):
        if name != {name!r}:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        load = spec.loader.exec_module

        def hold(module):  # here, for while a module is looked for no thread looks for another
            Path({folder!r}, "begun").touch()
            while not Path({folder!r}, "released").exists():
                time.sleep(0.02)
            if {fails}:
                raise ImportError("it is broken")
            load(module)

        spec.loader.exec_module = hold
        return spec

sys.meta_path.insert(0, Holding())
"""


class Opening(Process):
    """The app, in which the import of one module is held until it is released."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "app")
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, held: str, *, fails: bool = False, **settings: str) -> None:
        """Return when the import has begun and the port is open."""
        code = HOLDING.format(name=held, folder=str(self._folder), fails=fails)
        (self._folder / "sitecustomize.py").write_text(code)
        options = [f"--server.port={self.port}", "--server.headless=true", "--browser.gatherUsageStats=false"]
        path = os.pathsep.join((str(self._folder), str(ROOT)))
        variables = os.environ | {"PYTHONPATH": path, "LAB_GRPC_PORT": "0", **settings}
        self.launch([sys.executable, "-m", "streamlit", "run", ROOT / "app.py", *options], self._folder, variables)
        self.until(lambda: (self._folder / "begun").exists() and self._answers())

    def release(self) -> None:
        (self._folder / "released").touch()

    @property
    def connections(self) -> int:
        """The clients that it has."""
        found = psutil.Process(self.pid).net_connections("tcp")
        return sum(each.laddr.port == self.port and each.status == psutil.CONN_ESTABLISHED for each in found)

    def _answers(self) -> bool:
        try:
            return httpx2.get(self.url, timeout=PATIENCE).status_code == 200
        except httpx2.TransportError:
            return False

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.running, self.logged
            assert time.monotonic() < deadline, self.logged
            time.sleep(0.05)


@pytest.fixture
def opening(tmp_path: Path) -> Iterator[Opening]:
    process = Opening(tmp_path)
    yield process
    process.release()
    process.end()


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def version_told(url: str) -> str | bytes:
    """Ask over a page's own WebSocket for the version of a conversation that nobody has."""
    with connect(f"{url.replace('http', 'ws')}/changes?chat=x", open_timeout=PATIENCE) as socket:
        return socket.recv(PATIENCE)


@each_part
def test_the_document_and_the_scripts_are_served_and_the_rest_waits(
    opening: Opening, clients: ThreadPoolExecutor, held: str
) -> None:
    """And is then answered as if it had been asked later: nothing is lost."""
    opening.start(held)
    with httpx2.Client(base_url=opening.url, timeout=PATIENCE) as client:
        question = {"message": "What is streaming?", "model": demo_model()}
        waiting: dict[str, Future[httpx2.Response]] = {
            path: clients.submit(client.get, path)
            for path in ("/api", "/api/healthz", "/api/readyz", "/_stcore/health", "/_stcore/host-config")
        }
        asked = clients.submit(client.post, "/api/chat", json=question)
        told = clients.submit(version_told, opening.url)
        page = client.get("/chat", headers={"accept": "text/html"})
        assert OUTLINE in page.text
        assert "set-cookie" not in page.headers, "nothing knows browsers yet"
        for script in re.findall(r'src="\./(static/js/[^"]+)"', page.text):
            assert client.get(f"/{script}").status_code == 200
        assert client.get("/_stcore/metrics").status_code == 404, "what is refused need not wait"
        pending: list[Future[Any]] = [asked, told, *waiting.values()]
        assert not any(each.done() for each in pending)
        opening.release()
        answers = {path: each.result() for path, each in waiting.items()}
        assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(waiting, 200)
        assert cookie_name(f"x:{opening.port}") in answers["/_stcore/host-config"].headers["set-cookie"]
        assert end(log_events(parse_stream(asked.result().content))).status == "completed"
        assert told.result() == ""
    assert "Traceback" not in opening.logged


@pytest.mark.soak
@needs_chromium
def test_a_visitor_of_the_first_moment_misses_nothing(opening: Opening) -> None:
    """The page stands there and waits, and what is asked is listed for this browser."""
    opening.start(DRAWING, LAB_MODELS="demo?first=0&rate=500")
    words, question = texts("en"), "Am I the first?"
    with browsing(opening.url) as site, site.opened("/chat") as page:
        expect(page.get_by_test_id("stApp")).to_be_visible()
        opening.release()
        box = page.get_by_test_id("stChatInputTextArea")
        box.fill(question)
        box.press("Enter")
        expect(button(page, words["chat.regenerate"])).to_be_visible()
        assert [cookie["name"] for cookie in page.context.cookies()].count(cookie_name(f"x:{opening.port}")) == 1
        page.goto(f"{opening.url}/chat")
        expect(page.get_by_test_id("stSidebar").get_by_role("button", name=question, exact=True)).to_be_visible()


@needs_signals
@pytest.mark.parametrize(
    ("held", "number"), [(ENGINE, signal.SIGTERM), pytest.param(DRAWING, signal.SIGINT, marks=pytest.mark.soak)]
)
def test_a_signal_ends_it_before_it_is_open(
    opening: Opening, clients: ThreadPoolExecutor, held: str, number: signal.Signals
) -> None:
    """Who waits is told to come again, and no process stays behind."""
    opening.start(held)
    with httpx2.Client(base_url=opening.url, timeout=PATIENCE) as client:
        waiting = clients.submit(client.get, "/api/readyz")
        page = clients.submit(client.get, "/_stcore/health")
        opening.until(lambda: opening.connections >= 2)
        opening.signal(number)
        for each in (waiting, page):
            assert (each.result().status_code, each.result().headers["retry-after"]) == (503, "1")
    opening.release()
    assert opening.wait() in (0, 1, -number)  # click makes 1 of ctrl-c
    assert "Traceback" not in opening.logged


@each_part
def test_an_opening_that_fails_ends_the_process(opening: Opening, held: str) -> None:
    """With the status of a server whose application does not start, and with why."""
    opening.start(held, fails=True)
    opening.release()
    assert opening.wait() == 3
    assert "Streaming Lab cannot start" in opening.logged
    assert "it is broken" in opening.logged


@pytest.mark.soak
def test_a_store_that_is_taken_meanwhile_is_told_in_one_sentence(opening: Opening, tmp_path: Path) -> None:
    """As one that was taken before."""
    path = tmp_path / "store.sqlite3"
    opening.start(ENGINE, LAB_STORE=f"sqlite:///{path}")
    with closing(StoreFile(path)):
        opening.release()
        assert opening.wait() == 1
    assert f"Streaming Lab cannot start. {path}" in opening.logged
    assert f"pid {os.getpid()}" in opening.logged
    assert "Traceback" not in opening.logged
