"""The page that shows one run at several clients, as people use it: over AppTest, and in a real browser."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from playwright.sync_api import Locator, Page, expect
from prometheus_client.samples import Sample
from redis.asyncio import Redis
from streamlab_client.events import parse_event
from streamlab_client.generated.streamlab.v1 import streamlab_pb2 as pb
from streamlab_client.grpc_messages import parse_event_message
from streamlit.testing.v1 import AppTest

from benchmarks.harness import ROOT, free_port, streamlit_server
from components.page.texts import texts
from components.relay import cards as relay_cards
from components.relay import figures as relay_figures
from components.relay import relay
from components.relay.remote import Standing
from streamlab.engine import Engine
from streamlab.events.event import Done, Event, StreamEvent, TextDelta, Usage, numbered
from streamlab.gateway.access import Grant
from streamlab.gateway.gateway import Gateway, open_gateway
from streamlab.gateway.protocols.grpc_events import message_of
from streamlab.gateway.protocols.grpc_server import grpc_port
from streamlab.hub import Gap, HubUnreachable, Item, Log, MemoryHub, Outage, Snapshot
from streamlab.hub.redis.hub import RedisHub
from streamlab.models.options import QUESTION_CHARACTERS, Options
from streamlab.relay import follower as relay_follower
from streamlab.relay.follower import GrpcFollower, Look, State, local_address
from tests.browser import Site, button, needs_chromium, site
from tests.conftest import check_laws
from tests.events import answer, content
from tests.pages import LIMIT, checked, languages, serving, visit
from tests.redis_server import RedisServer
from tests.test_python_client import EVERYTHING

FAST = "demo?first=0&rate=5000"
STEADY = "demo?first=0&rate=60&chunks=600"
PACED = "demo?first=1&rate=60"  # time to connect before the first event
SHORT = "What is streaming?"
SECRET = "tok-7f3a9c-secret"
SAID = "relay.question_default"


# Without a browser


@contextmanager
def lab(**settings: Any) -> Iterator[tuple[Engine, Gateway]]:
    """The engine and the gateway that the page finds, as it does in the server."""
    before = Gateway.running
    with (
        serving(lab_models=(FAST, STEADY, "demo"), **settings) as engine,
        engine.portal.wrap_async_context_manager(open_gateway(engine)) as gateway,
    ):
        Gateway.running = gateway
        try:
            yield engine, gateway
        finally:
            Gateway.running = before


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Engine, Gateway]]:
    with lab() as found:
        yield found


def run_of(app: AppTest) -> str:
    """The id that the address names."""
    value = app.query_params["run"]
    return value if isinstance(value, str) else value[0]


def metric(app: AppTest, label: str) -> str:
    return next(str(each.value) for each in app.metric if each.label == label)


def start(app: AppTest, model: str) -> str:
    checked(app.selectbox(key="settings.model").set_value(model).run())
    checked(app.button(key="relay.start").click().run())
    return run_of(app)


def ended(log: Log) -> str | None:
    """How the run ended, once it has."""
    deadline = time.monotonic() + LIMIT
    while not log.done:
        assert time.monotonic() < deadline, "the run does not end"
        time.sleep(0.02)
    return log.done.status


@languages
def test_the_page_begins_with_what_to_do_first(served: tuple[Engine, Gateway], language: str) -> None:
    """A question is there to be asked, and the gateway's figures are shown without any run."""
    words = texts(language)
    app = visit("relay", language)
    assert words["relay.nothing_yet"] in [info.value for info in app.info]
    assert app.text_area(key=relay.QUESTION).value == words[SAID]
    assert {words[f"relay.{name}"] for name in ("followers", "rate", "first_token", "resumed", "disconnects")} == {
        each.label for each in app.metric
    }


@languages
def test_a_run_is_started_and_stopped(served: tuple[Engine, Gateway], language: str) -> None:
    """The address names it, and whoever comes by the address may stop it."""
    engine, _ = served
    app = visit("relay", language)
    run_id = start(app, "demo")
    other = visit("relay", language, run=run_id)
    checked(other.button(key="relay.stop").click().run())
    assert ended(engine.hub.log(run_id)) == "stopped"
    assert "relay.stop" not in [button.key for button in checked(app.run()).button]


@languages
def test_the_figures_are_the_gateways_own(served: tuple[Engine, Gateway], language: str) -> None:
    """A client that follows counts at once; when it has gone its end does."""
    engine, gateway = served
    words = texts(language)
    app = visit("relay", language)
    log = engine.hub.log(start(app, FAST))
    ended = int(metric(app, words["relay.disconnects"]))
    delivery = gateway.deliver(log, Grant("a test"), "websocket")
    engine.portal.call(delivery.__enter__)
    try:
        assert metric(checked(app.run()), words["relay.followers"]) == "1"
    finally:
        engine.portal.call(delivery.__exit__, None, None, None)
    assert metric(checked(app.run()), words["relay.followers"]) == "0"
    assert metric(app, words["relay.disconnects"]) == str(ended + 1)


def test_figures_are_summed_over_protocols() -> None:
    """But followers, whose chart tells them apart; and waits stay apart by how long they were."""
    name = "streamlab_run_first_token_seconds_bucket"
    found = relay_figures.moment(
        7.0,
        [
            Sample("streamlab_followers", {"protocol": "sse"}, 2),
            Sample("streamlab_followers", {"protocol": "grpc"}, 1),
            Sample("streamlab_events_sent_total", {"protocol": "sse"}, 30),
            Sample("streamlab_events_sent_total", {"protocol": "websocket"}, 12),
            Sample("streamlab_reconnects_total", {"protocol": "sse"}, 4),
            Sample("streamlab_disconnects_total", {"protocol": "sse", "reason": "ended"}, 5),
            Sample("streamlab_disconnects_total", {"protocol": "grpc", "reason": "ended"}, 1),
            Sample("streamlab_disconnects_total", {"protocol": "sse", "reason": "slow"}, 1),
            Sample(name, {"le": "0.5"}, 2),
            Sample(name, {"le": "+Inf"}, 3),
            Sample("process_open_fds", {}, 100),
        ],
    )
    assert found == relay_figures.Moment(7.0, {"sse": 2, "grpc": 1}, 42, 4, {0.5: 2, inf: 3}, {"ended": 6, "slow": 1})


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({}, "–"),
        ({0.5: 0, inf: 0}, "–"),
        ({0.25: 1, 0.5: 2, inf: 4}, "≤ 0.5 s"),
        ({0.25: 1, 0.5: 2, inf: 5}, "> 0.5 s"),
        ({30.0: 2, inf: 2}, "≤ 30 s"),
    ],
)
def test_half_of_the_runs_had_their_first_token_within_what_is_told(bounds: dict[float, int], said: str) -> None:
    """By the least bound that holds half of them; what was longer than all bounds is told so."""
    assert relay_figures.within(bounds) == said


def test_a_client_that_has_all_is_as_late_as_its_last_event() -> None:
    """And one that is behind at least as far as the log is ahead of it."""
    look = Look("open", seq=10, at=2.0, late=0.25)
    assert (Standing(10, 2.0, look).behind, Standing(10, 2.0, look).lag) == (0, 0.25)
    assert (Standing(14, 5.5, look).behind, Standing(14, 5.5, look).lag) == (4, 3.5)
    assert Standing(14, 5.5, replace(look, late=9.0)).lag == 9.0
    assert (Standing(14, 5.5, None).behind, Standing(14, 5.5, None).lag) == (0, 0.0)


@languages
@pytest.mark.parametrize(("question", "notice"), [("  \n", "empty"), ("x" * (QUESTION_CHARACTERS + 1), "too_long")])
def test_a_bad_question_is_refused_and_kept(
    served: tuple[Engine, Gateway], language: str, question: str, notice: str
) -> None:
    """With a sentence; no run is begun, and what was typed is there to be mended."""
    app = visit("relay", language)
    app.text_area(key=relay.QUESTION).set_value(question)
    checked(app.button(key="relay.start").click().run())
    limits = {"length": f"{len(question):,}", "limit": f"{QUESTION_CHARACTERS:,}"}
    assert [warning.value for warning in app.warning] == [texts(language)[f"notice.{notice}"].format(**limits)]
    assert app.text_area(key=relay.QUESTION).value == question
    assert "run" not in app.query_params


@languages
def test_an_old_address_says_so(served: tuple[Engine, Gateway], language: str) -> None:
    """And a new run can be begun there."""
    app = visit("relay", language, run="nowhere")
    assert [warning.value for warning in app.warning] == [texts(language)["relay.unknown"]]
    assert not app.button(key="relay.start").disabled


@pytest.fixture
def address(served: tuple[Engine, Gateway]) -> Iterator[str]:
    """Where the gateway serves gRPC."""
    engine, gateway = served
    with engine.portal.wrap_async_context_manager(grpc_port(gateway, "127.0.0.1", 0)) as port:
        yield f"127.0.0.1:{port}"


def follow(served: tuple[Engine, Gateway], address: str, run_id: str) -> tuple[GrpcFollower, Callable[..., Look]]:
    """A client over gRPC that follows the run, and what waits until it has come to a state."""
    engine, gateway = served
    follower = GrpcFollower(address, run_id, lambda: gateway.access.issue(run_id))
    engine.portal.call(follower.connect)

    def until(state: State, seq: int = 0) -> Look:
        deadline = time.monotonic() + LIMIT
        while (look := engine.portal.call(follower.look)).state != state or look.seq < seq:
            assert time.monotonic() < deadline, look.state
            time.sleep(0.02)
        return look

    return follower, until


def test_the_client_over_grpc_resumes_where_it_was_cut(served: tuple[Engine, Gateway], address: str) -> None:
    """It has the whole text then, and each event once."""
    engine, _ = served
    chat = engine.portal.call(engine.chats.ask, None, "What is streaming?", Options("demo"))
    log = engine.hub.log(chat.turns[-1].run_id)
    follower, until = follow(served, address, log.run_id)
    seq = until("open", 5).seq
    engine.portal.call(follower.cut)
    assert until("cut").seq >= seq
    assert log.done is None
    engine.portal.call(follower.connect)
    look = until("whole")
    assert (look.resumes, look.missing, look.twice) == (1, 0, 0)
    assert 0 <= look.late < LIMIT
    assert look.text == answer(engine.portal.call(log.since, 0))


def test_the_client_over_grpc_tells_that_it_was_refused(served: tuple[Engine, Gateway], address: str) -> None:
    """There is no such run, and asking again would not bring it."""
    _, until = follow(served, address, "nowhere")
    assert until("refused").seq == 0


def test_the_client_over_grpc_leaves_when_nobody_looks(
    served: tuple[Engine, Gateway], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stream ends; whoever comes back finds it cut, and may connect it again."""
    engine, gateway = served
    monkeypatch.setattr(relay_follower, "UNSEEN", 0.5)
    chat = engine.portal.call(engine.chats.ask, None, "What is streaming?", Options(STEADY))
    follower, until = follow(served, address, chat.turns[-1].run_id)
    until("open", 5)
    time.sleep(0.6)
    assert not len(gateway.deliveries)
    seq = until("cut").seq
    engine.portal.call(follower.connect)
    assert until("open", seq + 5).resumes == 1
    engine.portal.call(follower.cut)
    engine.portal.call(engine.runs.stop, follower.run_id)


@pytest.mark.parametrize("event", EVERYTHING, ids=lambda event: event.type)
def test_the_client_over_grpc_counts_the_bytes_that_the_service_sends(event: StreamEvent) -> None:
    """As the message had them, of which it is handed the content alone."""
    event = numbered(event, 7)
    sent = message_of(event, "0123456789abcdef-7").SerializeToString()
    message = parse_event_message(pb.Event.FromString(sent))
    assert relay_follower.size_of(parse_event(message.name, message.data), message.token) == len(sent)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1:7"),
        ("localhost", "localhost:7"),
        ("0.0.0.0", "127.0.0.1:7"),
        ("::", "[::1]:7"),
        ("192.168.1.5", "192.168.1.5:7"),
    ],
)
def test_a_server_that_listens_everywhere_is_reached_on_this_machine(host: str, address: str) -> None:
    """And any other at the host where it listens."""
    assert local_address(host, 7) == address


# The connections to Redis


def told(template: str, text: str) -> dict[str, str]:
    """What stands in a text at the places of its template."""
    found = re.fullmatch(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(template)), text)
    assert found, text
    return found.groupdict()


@languages
def test_without_redis_there_is_no_connection_to_kill(served: tuple[Engine, Gateway], language: str) -> None:
    """The button says why, before a run as well as during one."""
    app = visit("relay", language)
    for _ in range(2):
        kill = app.button(key="relay.kill")
        assert kill.disabled
        assert kill.help == texts(language)["relay.kill_none"]
        start(app, "demo")
    app.button(key="relay.stop").click().run()


@languages
@pytest.mark.soak
def test_a_run_goes_on_when_its_connections_to_redis_are_killed(own_redis: RedisServer, language: str) -> None:
    """The page tells how many there were and that they are back; or that Redis is away, and then nothing is lost
    either: at last the log has each event once, and its whole text."""
    words = texts(language)
    with lab(redis_url=own_redis.url) as (engine, _):
        app = visit("relay", language)
        log = engine.hub.log(start(app, STEADY))
        checked(app.button(key="relay.kill").click().run())
        (said,) = (told(words["relay.killed"], info.value) for info in app.info)
        assert int(said["count"]) >= 2  # one writes, one reads
        own_redis.kill()
        checked(app.button(key="relay.kill").click().run())
        assert words["relay.not_killed"] in [warning.value for warning in app.warning]
        own_redis.start()
        assert ended(log) == "completed"
        check_laws(engine.portal.call(log.since, 0))
        idle = checked(app.run()).button(key="relay.kill")
        assert idle.disabled
        assert idle.help == words["relay.kill_idle"]


@pytest.mark.anyio
async def test_writers_and_readers_are_cut_in_the_middle_and_lose_nothing(redis_server: RedisServer) -> None:
    """Again and again, on both sides: who reads gets each event once and in order. Others' connections stay."""
    async with RedisHub(redis_server.url) as writing, RedisHub(redis_server.url) as reading:
        other = Redis.from_url(redis_server.url, single_connection_client=True)
        before = await other.client_id()
        log = writing.create("cut-run")
        for number in range(300):
            log.append(TextDelta(f"{number} ", at=0.0))
            if number == 0:
                await writing.open("cut-run")
                follower = (await reading.open("cut-run")).follow()
                items = asyncio.create_task(read(follower))
            if number % 100 == 50:
                outages = await asyncio.gather(writing.disconnect(), reading.disconnect())
                assert min(outage.connections for outage in outages) >= 2
            await asyncio.sleep(0.001)
        log.append(Done("completed", usage=Usage(0, 0), at=0.0))
        with anyio.fail_after(LIMIT):
            assert numbers(await items) == list(range(300))
        assert (await other.client_id(), await writing.open("cut-run")) == (before, log)
        await other.aclose()


async def read(follower: Any) -> list[Item]:
    items: list[Item] = []
    with follower:
        while batch := await follower.batch():
            items += batch
    return items


def numbers(items: list[Item]) -> list[int]:
    """Of the texts, none of which may have come as a snapshot."""
    assert not [item for item in items if isinstance(item, Gap | Snapshot)]
    return [int(number) for item in items if isinstance(item, Event) for number in (content(item)).split()]


@pytest.mark.anyio
async def test_what_cannot_be_closed_is_unreachable(own_redis: RedisServer) -> None:
    """Redis is away; and where there is no Redis, there is nothing to close."""
    async with RedisHub(own_redis.url) as hub:
        own_redis.kill()
        with pytest.raises(HubUnreachable):
            await hub.disconnect()
    assert await MemoryHub().disconnect() == Outage(0, 0.0)


# In a browser


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
    return int(card.locator(f"dd.{name}").inner_text().partition("/")[0].replace(",", "") or 0)


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
    while (signals.length < 2) await new Promise(resolve => setTimeout(resolve));  // of both, until they ask
    overtaken();
    update();
    const stayed = card.isConnected && !signals.some(signal => signal.aborted);
    parent.remove();
    last();
    return [stayed, signals.length, signals.every(signal => signal.aborted)];
}
"""


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
        "words": {},
    }
    with app.opened("/api/healthz") as page:
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
        expect(page.get_by_alt_text(words["relay.qr_alt"].format(link=link))).to_be_visible()
        expect(page.get_by_text(words["relay.share_local"])).to_be_visible()
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
