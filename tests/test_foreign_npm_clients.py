"""Clients for server-sent events from npm, with the loops that README's table describes: `foreign_clients/clients.mjs`.

Those for programs run in Node, those for pages in the browser; all at once, for most of what they do is to wait.
"""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from playwright.async_api import Browser, Route, async_playwright

from benchmarks.harness import BROWSER_OPTIONS, CHROMIUM
from tests.conftest import demo_model
from tests.gateway import Served, served
from tests.javascript import FOREIGN, install, needs_node
from tests.test_foreign_clients import BEATING, TEXT

pytestmark = [pytest.mark.anyio, needs_node]

IN_NODE = ("eventsourceClient", "eventsource", "eventsourceParser")
IN_A_PAGE = ("sseJs", "fetchEventSource")
HAS_BROWSER = Path(CHROMIUM).exists()
CLIENTS = (*IN_NODE, *(IN_A_PAGE if HAS_BROWSER else ()))
# After so many requests for an answer that is not cut.
ENDS_BY_ITSELF = {"eventsourceClient": 2, "eventsource": 2, "eventsourceParser": 2, "fetchEventSource": 1}
# Where an answer is cut: within its head, within an event, between an event's last line and the blank one, at the end.
HEAD, WITHIN, OPEN, DONE = rb"(?s).{60}", rb'"seq":([3-9]|\d\d)', rb"id: [^\n]*\n", rb'"type":"done"[^\n]*\n[^\n]*\n\n'

Json = dict[str, Any]


@dataclass
class Way:
    """A way to the gateway, whose first answers are cut behind what matches."""

    port: int
    cuts: list[bytes]
    asked: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.port)
        up = asyncio.create_task(self._ask(reader, to_server))
        with suppress(OSError):
            if not await self._answer(from_server, writer):
                writer.transport.abort()
        up.cancel()
        for each in (writer, to_server):
            each.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(65_536):
                self.asked += piece.startswith((b"POST ", b"GET "))
                writer.write(piece)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Hand on what the server says, and tell whether that was all of it."""
        sent, cut = b"", None
        while piece := await reader.read(256):
            cut = self.cuts.pop(0) if self.cuts and not sent else cut
            before, sent = len(sent), sent + piece
            found = re.search(cut, sent) if cut else None
            writer.write(sent[before : found.end()] if found else piece)
            await writer.drain()
            if found:
                return False
        return True


@dataclass(frozen=True)
class Case:
    """A client on a way that is cut or not, which leaves at `done` or does not."""

    client: str
    cuts: tuple[bytes, ...] = ()
    leaves: bool = True


@dataclass(frozen=True)
class Heard:
    """What its loop was given, how often it asked for that, and how often when its loop had ended."""

    events: list[Json]
    asked: int
    asked_later: int

    def named(self, name: str) -> list[Json]:
        return [json.loads(each["data"]) for each in self.events if each["event"] == name]

    @property
    def seqs(self) -> list[int]:
        data = [each for each in (json.loads(each["data"]) for each in self.events) if "at" in each]
        return [seq for each in data for seq in range(each.get("seq_from", each["seq"]), each["seq"] + 1)]


WHOLE = [Case(client, leaves=client not in ENDS_BY_ITSELF) for client in CLIENTS]
CUT = [
    Case(client, cuts)
    for client in CLIENTS
    for cuts in ((HEAD,), (WITHIN, DONE) if client == "fetchEventSource" else (WITHIN, OPEN, DONE))
]


@asynccontextmanager
async def way(lab: Served, cuts: tuple[bytes, ...]) -> AsyncIterator[tuple[Way, str]]:
    way = Way(lab.port, list(cuts))
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0)
    async with server:
        yield way, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"


async def question(lab: Served, case: Case) -> Json:
    """What a client is to send: with a key, for its first answer is cut before any id. One that cannot ask follows."""
    headers = {"content-type": "application/json", "idempotency-key": repr(case)}
    body = {"message": "q", "model": demo_model(text=TEXT, first=0.3, rate=20)}
    asked: Json = {"headers": headers, "body": json.dumps(body)}
    if case.client == "eventsource":
        asked["run"] = (await lab.client.post("/runs", json=body)).json()["id"]
    return asked


async def in_node(case: Case, asked: Json, taken: Way) -> Heard:
    """Run the client as a program, which goes on for a while when the client has ended."""
    command = [str(shutil.which("node")), "in_node.mjs", case.client, json.dumps(asked), json.dumps(case.leaves)]
    async with await anyio.open_process(command, cwd=FOREIGN, stderr=None) as process:
        assert process.stdout
        line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 1_000_000)
        in_time = taken.asked
        assert await process.wait() == 0
    return Heard(json.loads(line), in_time, taken.asked - in_time)


async def in_a_page(browser: Browser, case: Case, asked: Json, taken: Way) -> Heard:
    """Run the client in a page of the gateway's origin, and let an hour pass for the page when the client has ended."""
    page = await browser.new_page()
    await page.clock.install()
    await page.route("**/foreign/**", _file)
    await page.goto(asked["url"].replace("/api", "/foreign/page.html"))
    await page.wait_for_function("() => window.heardBy")
    events = await page.evaluate("(asked) => heardBy(...asked)", [case.client, asked, case.leaves])
    in_time = taken.asked
    await page.clock.run_for("01:00:00")
    await page.evaluate("() => fetch('/api/healthz', { method: 'HEAD' })")  # what was sent before has arrived then
    await page.close()
    return Heard(events, in_time, taken.asked - in_time)


async def _file(route: Route) -> None:
    """Answer with a file of the folder. A package's modules may name each other without `.js`, as for bundlers."""
    path = FOREIGN / urlsplit(route.request.url).path.removeprefix("/foreign/")
    await route.fulfill(path=path if path.is_file() else path.with_suffix(".js"))


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(BEATING) as lab:
        yield lab


@pytest.fixture(scope="module")
async def outcomes(lab: Served) -> dict[Case, Heard]:
    """What came of every case."""
    await anyio.to_thread.run_sync(install, FOREIGN)
    outcomes: dict[Case, Heard] = {}

    async def go_through(case: Case, browser: Browser | None) -> None:
        async with way(lab, case.cuts) as (taken, url):
            asked = {"url": url} | await question(lab, case)
            if browser and case.client in IN_A_PAGE:
                outcomes[case] = await in_a_page(browser, case, asked, taken)
            else:
                outcomes[case] = await in_node(case, asked, taken)

    with anyio.fail_after(120):
        async with in_browser() as browser, anyio.create_task_group() as tasks:
            for case in (*WHOLE, *CUT):
                tasks.start_soon(go_through, case, browser)
    return outcomes


@asynccontextmanager
async def in_browser() -> AsyncIterator[Browser | None]:
    """A browser, where there is one."""
    if not HAS_BROWSER:
        yield None
        return
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        yield browser
        await browser.close()


def check_whole(heard: Heard) -> None:
    """Each event of one run came once and in order, and the text is all there."""
    assert "".join(each["content"] for each in heard.named("text_delta")) == TEXT
    assert heard.seqs == list(range(1, len(heard.seqs) + 1))
    assert len({each["run_id"] for each in heard.named("open")}) == 1
    assert [each["status"] for each in heard.named("done")] == ["completed"]
    assert not heard.asked_later


def by_name(case: Case) -> str:
    return f"{case.client} {len(case.cuts)}"


@pytest.mark.parametrize("case", WHOLE, ids=by_name)
def test_the_loop_hears_an_answer_to_its_end(outcomes: dict[Case, Heard], case: Case) -> None:
    """Over signs of life, which are no events. Who asks once more, for it did not leave, is told that it has all."""
    check_whole(outcomes[case])
    assert outcomes[case].asked == ENDS_BY_ITSELF.get(case.client, 1)


@pytest.mark.parametrize("case", CUT, ids=by_name)
def test_an_answer_that_is_cut_arrives_once_and_whole(outcomes: dict[Case, Heard], case: Case) -> None:
    """Cut before its first event, in the middle, and behind `done`, where who has heard it leaves.

    A page may be told of the cut before what came last. fetch-event-source takes an event for heard at its last line,
    before the blank one that ends it: cut there, it loses the event, which no server can mend.
    """
    check_whole(outcomes[case])
    assert outcomes[case].asked - len(case.cuts) in ((0, 1) if DONE in case.cuts else (1,))


def test_each_asked_for_one_run(outcomes: dict[Case, Heard], lab: Served) -> None:
    """However often it sent its question."""
    assert lab.engine.runs.started == len(outcomes)
