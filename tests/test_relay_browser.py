"""The page that shows one run at several clients, in a real browser."""

import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.harness import ROOT, free_port, streamlit_server
from components.page.texts import texts
from components.relay import cards as relay_cards
from streamlab.text.reading import Unit, amount
from tests.browser import Site, button, needs_chromium, site
from tests.pages import LIMIT, languages
from tests.redis_server import RedisServer
from tests.relay_page import told

PACED = "demo?first=1&rate=60"  # time to connect before the first event
SHORT = "What is streaming?"
SECRET = "tok-7f3a9c-secret"


@pytest.fixture(scope="module")
def app() -> Iterator[Site]:
    """It has access tokens, so that the clients of the page read its run by follow tokens alone."""
    with site(LAB_MODELS=PACED, LAB_GRPC_PORT=str(free_port()), GATEWAY_TOKENS=SECRET) as found:
        yield found


def begin(page: Page, words: dict[str, str], question: str | None = None) -> None:
    if question:
        page.get_by_role("textbox", name=words["relay.question"]).fill(question)
    button(page, words["relay.start"]).click()
    expect(page.locator("article")).to_have_count(3)


def card(page: Page, name: str, number: int = 1) -> Locator:
    return page.locator("article").filter(has=page.get_by_role("heading", name=f"{name} {number}", exact=True))


def figure(card: Locator, name: str) -> int:
    """The first number there is; 0 before there is any."""
    return int((card.locator(f"dd.{name}").text_content() or "").partition("/")[0].replace(",", "") or 0)


def reach(card: Locator, seq: int) -> None:
    """Until the client has this event."""
    deadline = time.monotonic() + LIMIT
    while figure(card, "seq") < seq:
        assert time.monotonic() < deadline, "the client did not go on"
        card.page.wait_for_timeout(50)


def whole(card: Locator, words: dict[str, str]) -> str:
    """The text of a client that has ended with all of it, each event once."""
    expect(card.locator(".state")).to_have_text(words["relay.card_state_whole"])
    expect(card.locator("dd.wrong")).to_have_text("0 / 0")
    text = card.locator(".text").text_content() or ""
    assert len(text) > 100
    return text


def sums(page: Page) -> dict[str, int]:
    """The four figures above the cards."""
    names = ("readers", "sent", "comebacks", "lost")
    return {name: int(page.locator(f".sums dd.{name}").inner_text().replace(",", "")) for name in names}


@needs_chromium
@languages
def test_who_is_cut_is_told_behind_comes_back_and_loses_nothing(app: Site, language: str) -> None:
    """In words: four figures above, one line on each card; what an expert asks for is folded."""
    words = texts(language)
    behind: Unit = "words" if language == "en" else "characters"
    with app.opened("/relay", language) as page:
        begin(page, words)
        cards = [card(page, words[f"relay.card_{kind}"]) for kind in ("sse", "websocket", "grpc")]
        sse = cards[0]
        reach(sse, 5)
        expect(sse.locator(".line")).to_have_text(words["relay.card_line_current"])
        button(sse, words["relay.card_cut"]).click()
        told_behind = words[f"relay.card_behind_{behind}"].format(number="N").replace("N", r"[1-9]\d*")
        expect(sse.locator(".line")).to_have_text(re.compile(told_behind))
        expect(sse.locator("dd.seq")).to_be_hidden()
        assert sums(page) | {"sent": 0} == {"readers": 2, "sent": 0, "comebacks": 0, "lost": 0}
        button(sse, words["relay.card_reconnect"]).click()
        expect(sse.locator(".line")).to_have_text(words["relay.card_line_current"])
        button(page, words["relay.stop"]).click()
        for each in cards:
            expect(each.locator(".state")).to_have_text(words["relay.card_state_ended"])
        now = sums(page)
        assert now["sent"] == sum(read(each, behind) for each in cards)
        assert (now["readers"], now["comebacks"], now["lost"]) == (3, 1, 0)
        sse.locator("summary").click()
        expect(sse.locator("dd.wrong")).to_have_text("0 / 0")
        expect(sse.locator("dd.wrong")).to_be_visible()


def read(card: Locator, unit: Unit) -> int:
    return amount(card.locator(".text").text_content() or "", unit)


@pytest.mark.soak
@needs_chromium
@languages
def test_a_cut_a_slow_and_a_late_client_lose_nothing(app: Site, language: str) -> None:
    """One is cut and resumes, one comes late and reads slowly, one does neither: all end with the same text. Only the
    slow one falls behind and is sent merged deltas; and what the page proposes to try is done then."""
    words = texts(language)
    with app.opened("/relay", language, height=1400) as page:
        begin(page, words)
        sse, websocket = card(page, words["relay.card_sse"]), card(page, words["relay.card_websocket"])
        reach(sse, 5)
        button(page, f"+ {words['relay.card_late']}").click()
        late = card(page, words["relay.card_late"])
        button(late, words["relay.card_slow"]).click()
        expect(button(late, words["relay.card_slow"])).to_have_attribute("aria-pressed", "true")
        button(sse, words["relay.card_cut"]).click()
        expect(sse.locator(".state")).to_have_text(words["relay.card_state_cut"])
        expect(late.locator(".note")).to_have_text(words["relay.card_note_slow"])
        grpc = card(page, words["relay.card_grpc"])
        button(grpc, words["relay.card_cut"]).click()
        expect(grpc.locator(".state")).to_have_text(words["relay.card_state_cut"])
        at = figure(sse, "seq")
        reach(websocket, at + 40)
        assert figure(sse, "seq") == at
        assert figure(late, "seq") < figure(websocket, "seq")
        for each in (sse, grpc):
            button(each, words["relay.card_reconnect"]).click()
        text = whole(websocket, words)
        for each in (sse, grpc):
            assert whole(each, words) == text
            assert figure(each, "reconnects") >= 1
        assert figure(websocket, "reconnects") == 0
        assert figure(late, "merged") > figure(websocket, "merged")
        assert figure(late, "bytes") < figure(websocket, "bytes") / 2
        button(late, words["relay.card_slow"]).click()
        assert whole(late, words) == text
        button(page, words["lesson.try"]).click()
        expect(page.get_by_test_id("stPopoverBody").get_by_text(words["lesson.done"])).to_be_visible()


OVERTAKEN = """
async ([html, js, data]) => {
    const signals = [], parent = document.createElement('div');
    window.fetch = (_, { signal }) => { signals.push(signal); return new Promise(() => {}); };
    const module = await import(URL.createObjectURL(new Blob([js], { type: 'text/javascript' })));
    const update = () => module.default({ data, parentElement: parent, setStateValue() {}, setTriggerValue() {} });
    parent.innerHTML = html;
    document.body.append(parent);
    const overtaken = update(), card = parent.querySelector('article'), last = update();
    for (let turn = 0; signals.length < 2 && turn < 1000; turn++) {  // of both, until they ask
        await new Promise(resolve => setTimeout(resolve, 10));
    }
    overtaken();
    update();
    const stayed = card.isConnected && !signals.some(signal => signal.aborted);
    parent.remove();
    last();
    return [stayed, signals.length, signals.every(signal => signal.aborted)];
}
"""


@pytest.mark.soak
@needs_chromium
def test_the_clients_stay_until_the_page_is_left(app: Site) -> None:
    """On a busy machine Streamlit ends what an update began as soon as the next one overtakes it."""
    data: dict[str, Any] = {
        "run": "a",
        "token": "t",
        "head": [0, 0],
        "remote": None,
        "served": False,
        "language": "en",
        "unit": "words",
        "written": 0,
        "words": {"behind_words": ""},
        "api": "/api",
    }
    with app.opened("/_stcore/health") as page:  # under the policy of the pages
        assert page.evaluate(OVERTAKEN, [relay_cards.HTML, relay_cards.JS, data]) == [True, 2, True]


@needs_chromium
@pytest.mark.soak
def test_a_second_browser_follows_the_same_run(app: Site) -> None:
    """By the address that the page gives, with clients of its own. A stop there ends it here, with the same text."""
    words = texts("ja")
    with app.opened("/relay", "ja", height=1400) as page:
        begin(page, words)
        button(page, words["relay.share"]).click()
        link = page.get_by_test_id("stPopoverBody").get_by_test_id("stCode").inner_text().strip()
        assert urlsplit(link).path == "/relay"
        assert parse_qs(urlsplit(link).query) == {"run": parse_qs(urlsplit(page.url).query)["run"]}
        expect(page.get_by_alt_text(words["link.qr_alt"].format(link=link))).to_be_visible()
        expect(page.get_by_text(words["link.local"])).to_be_visible()
        page.keyboard.press("Escape")
        with app.opened(link, "ja", height=1400) as other:
            for each in (page, other):
                reach(card(each, words["relay.card_websocket"]), 5)
            button(card(other, words["relay.card_websocket"]), words["relay.card_leave"]).click()
            expect(other.locator("article")).to_have_count(2)
            expect(button(card(other, words["relay.card_grpc"]), words["relay.card_cut"])).to_be_focused()
            button(card(other, words["relay.card_grpc"]), words["relay.card_leave"]).click()
            expect(other.locator("article")).to_have_count(1)
            expect(page.locator("article")).to_have_count(3)
            button(other, f"+ {words['relay.card_grpc']}").click()
            reach(card(other, words["relay.card_grpc"], 2), 5)
            button(other, words["relay.stop"]).click()
            texts_read = set()
            for each in (page, other):
                ended = card(each, words["relay.card_sse"])
                expect(ended.locator(".state")).to_have_text(words["relay.card_state_ended"])
                texts_read.add(ended.locator(".text").text_content())
                expect(button(each, words["relay.stop"])).to_have_count(0)
            assert len(texts_read) == 1


@needs_chromium
@pytest.mark.soak
def test_a_client_that_is_sent_away_comes_back_by_itself(app: Site) -> None:
    """Its token is revoked while it reads: it resumes with a new one, and misses nothing."""
    words = texts("en")
    with app.opened("/relay", height=1400) as page:
        begin(page, words, SHORT)
        cards = [card(page, words[f"relay.card_{kind}"]) for kind in ("sse", "websocket", "grpc")]
        for each in cards:
            reach(each, 5)
        run_id = parse_qs(urlsplit(page.url).query)["run"][0]
        headers = {"authorization": f"Bearer {SECRET}"}
        assert page.request.delete(f"{app.url}/api/runs/{run_id}/token", headers=headers).status == 204
        assert len({whole(each, words) for each in cards}) == 1
        assert all(figure(each, "reconnects") >= 1 for each in cards)


@needs_chromium
@pytest.mark.soak
def test_the_cards_lose_nothing_when_redis_is_cut_off(app: Site, redis_server: RedisServer) -> None:
    """Again and again while they follow; the page counts what came since."""
    words = texts("en")
    settings = {"LAB_MODELS": PACED, "LAB_GRPC_PORT": str(free_port()), "REDIS_URL": redis_server.url}
    with (
        streamlit_server(ROOT / "app.py", environment=settings) as server,
        Site(app.browser, server.url).opened("/relay", height=1400) as page,
    ):
        begin(page, words)
        websocket = card(page, words["relay.card_websocket"])
        page.get_by_text(words["relay.gateway"]).click()
        for seq in (5, 60, 120):
            reach(websocket, seq)
            button(page, words["relay.kill"]).click()
            said = page.get_by_test_id("stAlertContainer")
            expect(said).to_contain_text(re.compile(r"\d connections"))
        cards = page.locator("article").all()
        assert len({whole(each, words) for each in cards}) == 1
        assert [figure(each, "reconnects") for each in cards] == [0, 0, 0]
        since = told(words["relay.killed"], said.inner_text().strip().rpartition("\n")[2])
        assert int(since["seq"]) + int(since["since"]) == figure(websocket, "seq")


@needs_chromium
@pytest.mark.soak
def test_no_more_streams_than_a_browser_has_connections_for(app: Site) -> None:
    """It opens six to a server, and the page needs some itself; WebSockets do not count among them."""
    words = texts("en")
    with app.opened("/relay", height=1400) as page:
        begin(page, words, SHORT)
        for _ in range(3):
            button(page, f"+ {words['relay.card_sse']}").click()
        expect(page.get_by_text(words["relay.card_full"])).to_be_visible()
        expect(button(page, f"+ {words['relay.card_sse']}")).to_be_disabled()
        expect(button(page, f"+ {words['relay.card_late']}")).to_be_disabled()
        button(page, f"+ {words['relay.card_websocket']}").click()
        assert len({whole(each, words) for each in page.locator("article").all()}) == 1
        expect(page.locator("article")).to_have_count(7)
