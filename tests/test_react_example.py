"""The two examples for the browser in real Chromium: the React page before gateways that die, the plain page on a wire
that is cut.
"""

import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.sync_api import Page, Response, expect

from benchmarks.harness import chromium
from tests import stack as deployment
from tests.browser import button, needs_chromium
from tests.conftest import demo_model
from tests.gateway import Served, served
from tests.javascript import needs_node, run
from tests.redis_server import Proxy, RedisServer
from tests.stack import BEARER, PATIENCE, ROOT, TOKEN, GatewayProcess, Stack, needs_nginx
from tests.test_javascript_client import code_of

image = deployment.image  # fixtures are found by their names

pytestmark = needs_chromium

LONG = int(PATIENCE * 1000)  # milliseconds
AGENT, ANSWER = "article.assistant", "#answer"

# Notes what a reader saw: every status and text that the page showed, each once in its time.
NOTE = """([status, answer]) => {
    const seen = window.seen = [];
    const look = () => {
        const shown = document.querySelector(status);
        const now = [shown.dataset.status ?? shown.textContent, document.querySelector(answer)?.textContent ?? ""];
        if (String(now) !== String(seen.at(-1))) seen.push(now);
    };
    new MutationObserver(look).observe(document.body, {
        subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["data-status"],
    });
}"""


@contextmanager
def new_page(locale: str, width: int) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page(locale=locale, viewport={"width": width, "height": 800})
        page.set_default_timeout(LONG)
        yield page


@pytest.fixture
def page() -> Iterator[Page]:
    with new_page("en-US", 1280) as page:
        yield page


@pytest.fixture
def phone() -> Iterator[Page]:
    """Of a reader of Japanese."""
    with new_page("ja-JP", 360) as page:
        yield page


def until(holds: Callable[[], bool]) -> None:
    """Wait for what nothing tells of."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def figure(url: str, name: str, headers: dict[str, str]) -> float:
    """What Prometheus reads under this name and labels."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", httpx2.get(f"{url}/metrics", headers=headers).text, re.MULTILINE)
    assert found
    return float(found[1])


def final_answer(url: str, run_id: str, headers: dict[str, str]) -> str:
    """The content of the run's `final_answer`."""
    after = ""
    while True:
        asked = {"after": after, "limit": "1000"}
        events = f"{url}/runs/{run_id}/events"
        read = httpx2.get(events, params=asked, headers=headers | {"accept": "application/json"}).json()
        for event in read["events"]:
            if event["type"] == "final_answer":
                return str(event["content"])
        after = read["next"]
        assert after


def posts(page: Page, path: str) -> list[Response]:
    """The answers to what the page will POST to this address."""
    answers: list[Response] = []

    def note(response: Response) -> None:
        if response.request.method == "POST" and response.url.endswith(path):
            answers.append(response)

    page.on("response", note)
    return answers


def check_seen(page: Page, whole: str) -> None:
    """Whatever the page showed was the beginning of the answer, and it ended with all of it."""
    texts = [text.strip() for _, text in page.evaluate("seen")]
    assert len(texts) > 3
    assert [text for text in texts if not whole.startswith(text)] == []
    assert texts[-1] == whole.strip()
    numbers = [int(number) for number in re.findall(r"word(\d+) ", whole)]
    assert numbers == list(range(1, len(numbers) + 1))  # so a loss or a repetition would show


# React, through nginx


@pytest.fixture(scope="module")
def react_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page built by the commands of its README, in a copy where nothing is installed."""
    folder = tmp_path_factory.mktemp("react")
    away = shutil.ignore_patterns("node_modules", "dist")
    for part in ("clients/javascript", "examples/react"):
        shutil.copytree(ROOT / part, folder / part, ignore=away)
    example = folder / "examples/react"
    commands = code_of(example / "README.md", "sh")
    assert commands.count("npm run dev") == 1
    run("sh", "-ec", commands.replace("npm run dev", "npm run build"), cwd=example)
    return example / "dist"


class Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Not where the tests report."""


@pytest.fixture(scope="module")
def files(react_page: Path) -> Iterator[int]:
    """The port of a server of the page's files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(react_page))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, image: Path, redis_server: RedisServer, files: int
) -> Iterator[Stack]:
    """nginx before two gateways, and the page's files where the app would be."""
    stack = Stack(tmp_path_factory.mktemp("stack"), image, redis_server.url, app=files)
    try:
        stack.up()
        yield stack
    finally:
        stack.end()


def followers(gateway: GatewayProcess) -> float:
    return figure(gateway.url, 'streamlab_followers{protocol="sse"}', BEARER)


def producer_of(stack: Stack) -> tuple[GatewayProcess, GatewayProcess]:
    """The gateway that produces the only run, and the other one."""
    first, second = stack.gateways
    live = [figure(gateway.url, "streamlab_runs_live", BEARER) for gateway in (first, second)]
    assert sorted(live) == [0, 1]
    return (first, second) if live[0] else (second, first)


def react_status(page: Page, expected: str) -> None:
    expect(page.locator(".status")).to_have_attribute("data-status", expected, timeout=LONG)


def move_to(gateway: GatewayProcess, page: Page, stack: Stack) -> None:
    """Cut and mend the page's network until nginx gives it to this gateway."""
    deadline = time.monotonic() + PATIENCE
    while not followers(gateway):
        assert time.monotonic() < deadline
        button(page, "Cut the network").click()
        react_status(page, "reconnecting")
        until(lambda: not any(map(followers, stack.gateways)))
        button(page, "Mend the network").click()
        react_status(page, "streaming")
        until(lambda: sum(map(followers, stack.gateways)) == 1)


@pytest.mark.soak  # as the next one
@needs_node
@needs_nginx
def test_the_image_holds_the_plain_page(stack: Stack) -> None:
    """A gateway that has only what the Dockerfile copies serves it, through nginx too."""
    page = httpx2.get(f"{stack.url}/examples/browser")
    assert page.headers["content-type"].startswith("text/html")
    assert page.text == (ROOT / "examples/browser.html").read_text("utf-8")


@pytest.mark.soak  # two gateways, a Redis and an nginx; a package to build; an answer that takes its time
@needs_node
@needs_nginx
def test_the_react_page_survives_the_death_of_its_gateway(page: Page, stack: Stack) -> None:
    """It follows a run through a gateway that does not produce it, and that is killed: it says that it reconnects,
    comes back through the other one, and shows the whole answer once. The question was taken once.
    """
    page.add_init_script("Math.random = () => 1 - Number.EPSILON")  # the longest of the waits, so that it is seen
    asked = posts(page, "/api/chat")
    model = demo_model(chunks=1_200, rate=30)
    page.goto(f"{stack.url.removesuffix('/api')}/?model={quote(model, safe='')}")
    page.evaluate(NOTE, [".status", AGENT])
    page.get_by_label("Ask something").fill("Count, please.")
    page.keyboard.press("Enter")
    page.get_by_label("Access token of the gateway").fill(TOKEN)
    button(page, "Use it").click()
    react_status(page, "streaming")
    producer, victim = producer_of(stack)
    move_to(victim, page, stack)
    assert followers(producer) == 0
    before = page.evaluate("seen.length")
    victim.signal(signal.SIGKILL)
    victim.wait()
    page.wait_for_function("before => seen.slice(before).some(([status]) => status === 'reconnecting')", arg=before)
    until(lambda: followers(producer) == 1)
    react_status(page, "streaming")
    react_status(page, "done")
    assert [answer.status for answer in asked if answer.status != 401] == [200]  # refused until it had a token
    run_id = asked[-1].headers["x-run-id"]
    whole = final_answer(producer.url, run_id, BEARER)
    check_seen(page, whole.strip())
    assert figure(producer.url, "streamlab_runs_started_total", BEARER) == 1
    assert TOKEN not in stack.nginx.logged


@pytest.mark.soak
@needs_node
@needs_nginx
def test_the_react_page_shows_markdown_and_loads_nothing(page: Page, stack: Stack) -> None:
    """A picture is a link to it, HTML is text, and links lead to the web."""
    there = "https://evil.example/p.png"
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url) if request.url.startswith(there) else None)
    text = f"**b** ![p]({there}) [![q]({there})](https://a.example/) [x](javascript:alert(1)) <img src='{there}'>"
    page.goto(f"{stack.url.removesuffix('/api')}/?model={quote(demo_model(text=text), safe='')}")
    page.get_by_label("Ask something").fill("Show it.")
    page.keyboard.press("Enter")
    page.get_by_label("Access token of the gateway").fill(TOKEN)
    button(page, "Use it").click()
    react_status(page, "done")
    answer = page.locator(AGENT)
    expect(answer).to_have_text(f"b p q x <img src='{there}'>")
    links = answer.locator("a").evaluate_all("links => links.map(link => [link.href, link.target, link.rel])")
    safe = ["_blank", "noopener noreferrer"]
    assert links == [[there, *safe], ["https://a.example/", *safe]]
    assert foreign == []


# The plain page


@dataclass(frozen=True)
class Wire:
    """A real gateway, and the wire to it, which can be cut."""

    gateway: Served
    portal: BlockingPortal
    proxy: Proxy

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}/api"

    def cut(self) -> None:
        self.portal.call(self.proxy.cut)

    def mend(self) -> None:
        self.portal.call(self.proxy.listen)


@contextmanager
def wired(**settings: Any) -> Iterator[Wire]:
    """A gateway whose answers are numbered words, and take four seconds."""
    models = (demo_model(chunks=200, rate=50),)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(served(lab_models=models, **settings)) as gateway,
    ):
        wire = Wire(gateway, portal, Proxy(gateway.port))
        wire.mend()
        try:
            yield wire
        finally:
            wire.cut()


def plain_status(page: Page, expected: str) -> None:
    expect(page.get_by_role("status")).to_have_text(expected, timeout=LONG)


def cut_in_the_midst(page: Page, wire: Wire, reconnecting: str) -> None:
    """Cut once there is some text, and mend once the page tells of it."""
    page.wait_for_function("() => document.querySelector('#answer').textContent.length > 50")
    wire.cut()
    plain_status(page, reconnecting)
    shown = page.locator(ANSWER).inner_text()
    wire.mend()
    page.wait_for_function("shown => document.querySelector('#answer').textContent.length > shown", arg=len(shown))


def test_the_plain_page_goes_on_after_a_cut(page: Page) -> None:
    """It is served by the gateway itself, and what it shows in the end is the answer, whole and once."""
    with wired() as wire:
        page.goto(f"{wire.url}/examples/browser")
        asked = posts(page, "/api/runs")
        page.evaluate(NOTE, ["#status", ANSWER])
        button(page, "Ask").click()
        cut_in_the_midst(page, wire, "reconnecting")
        plain_status(page, "completed")
        assert [answer.status for answer in asked] == [201]
        check_seen(page, final_answer(wire.gateway.url, asked[0].headers["x-run-id"], {}))
        assert figure(wire.gateway.url, 'streamlab_reconnects_total{protocol="sse"}', {}) >= 1
        wire.cut()
        button(page, "Ask").click()
        plain_status(page, "cannot be reached")


@pytest.mark.soak
def test_the_plain_page_keeps_its_access_token_out_of_addresses(phone: Page) -> None:
    """Without one it says what is missing; with one it asks, and the stream's address holds another that only reads.
    All in Japanese, and no wider than a phone.
    """
    addresses: list[str] = []
    phone.on("request", lambda request: addresses.append(request.url))
    with wired(gateway_tokens=f"tests:{TOKEN}") as wire:
        phone.goto(f"{wire.url}/examples/browser")
        asked = posts(phone, "/api/runs")
        button(phone, "質問する").click()
        plain_status(phone, "アクセストークンが必要です。")
        phone.get_by_label("アクセストークン").fill(TOKEN)
        phone.evaluate(NOTE, ["#status", ANSWER])
        button(phone, "質問する").click()
        cut_in_the_midst(phone, wire, "再接続しています")
        plain_status(phone, "完了")
        assert [answer.status for answer in asked] == [401, 201]
        check_seen(phone, final_answer(wire.gateway.url, asked[1].headers["x-run-id"], BEARER))
    expect(phone.locator("html")).to_have_attribute("lang", "ja")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    assert any("/events?token=" in address for address in addresses)
    assert not any(TOKEN in address for address in addresses)
