"""The page that shows one run at several clients, as people use it: over AppTest, and in a real browser."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
import streamlit as st
from playwright.sync_api import Browser, Locator, Page, expect
from prometheus_client.samples import Sample
from streamlit.testing.v1 import AppTest

from benchmarks.harness import ROOT, chromium, streamlit_server
from components import relay
from components.texts import LANGUAGE_KEY, LANGUAGES, texts
from streamlab.engine import Engine, engine_in_thread
from streamlab.gateway.access import Grant
from streamlab.gateway.gateway import Gateway, open_gateway
from streamlab.gateway.grpc_server import grpc_port
from streamlab.grpc_follower import GrpcFollower, Look, State
from streamlab.questions import QUESTION_CHARACTERS, Options
from streamlab.settings import Settings
from tests.browser import languages_in_browser, needs_chromium

LOCALE = {"en": "en-US", "ja": "ja-JP"}
FAST = "demo?first=0&rate=5000"
PACED = "demo?first=1&rate=60"  # time to connect before the first event
PATIENCE = 30_000  # milliseconds
LIMIT = 60.0  # seconds
SHORT = "What is streaming?"
SAID = "relay.question_default"

languages = pytest.mark.parametrize("language", LANGUAGES)


# Without a browser


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Engine, Gateway]]:
    """The engine and the gateway that the page finds, as it does in the server."""
    before = Engine.running, Gateway.running
    with (
        engine_in_thread(Settings(_env_file=None, lab_models=(FAST, "demo"))) as engine,
        engine.portal.wrap_async_context_manager(open_gateway(engine)) as gateway,
    ):
        Engine.running, Gateway.running = engine, gateway
        try:
            yield engine, gateway
        finally:
            Engine.running, Gateway.running = before


def visit(language: str, **address: str) -> AppTest:
    app = AppTest.from_file(ROOT / "components" / "frame.py", default_timeout=LIMIT)
    st.session_state[LANGUAGE_KEY] = language
    app.context = {"locale": LOCALE[language]}
    app.run().switch_page("../pages/relay.py")
    for name, value in address.items():
        app.query_params[name] = value
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert [error.message for error in app.exception] == []
    return app


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


@languages
def test_the_page_begins_with_what_to_do_first(served: tuple[Engine, Gateway], language: str) -> None:
    """A question is there to be asked, and the gateway's figures are shown without any run."""
    words = texts(language)
    app = visit(language)
    assert words["relay.nothing_yet"] in [info.value for info in app.info]
    assert app.text_area(key=relay.QUESTION).value == words[SAID]
    assert {words[f"relay.{name}"] for name in ("followers", "rate", "resumed", "disconnects", "live")} == {
        each.label for each in app.metric
    }


@languages
def test_a_run_is_started_and_stopped(served: tuple[Engine, Gateway], language: str) -> None:
    """The address names it, and whoever comes by the address may stop it."""
    engine, _ = served
    app = visit(language)
    run_id = start(app, "demo")
    other = visit(language, run=run_id)
    checked(other.button(key="relay.stop").click().run())
    log = engine.hub.log(run_id)
    deadline = time.monotonic() + LIMIT
    while not log.done:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert log.done.status == "stopped"
    assert "relay.stop" not in [button.key for button in checked(app.run()).button]


@languages
def test_the_figures_are_the_gateways_own(served: tuple[Engine, Gateway], language: str) -> None:
    """A client that follows counts at once; when it has gone its end does."""
    engine, gateway = served
    words = texts(language)
    app = visit(language)
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
    name = "streamlab_first_event_seconds_bucket"
    found = relay.moment(
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
            Sample(name, {"protocol": "sse", "le": "0.5"}, 2),
            Sample(name, {"protocol": "grpc", "le": "0.5"}, 1),
            Sample(name, {"protocol": "sse", "le": "+Inf"}, 3),
            Sample("streamlab_runs_live", {}, 9),
            Sample("process_open_fds", {}, 100),
        ],
    )
    waits = {0.5: 3, float("inf"): 3}
    assert found == relay.Moment(7.0, {"sse": 2, "grpc": 1}, 42, 4, waits, {"ended": 6, "slow": 1}, 9)


@languages
@pytest.mark.parametrize(("question", "notice"), [("  \n", "empty"), ("x" * (QUESTION_CHARACTERS + 1), "too_long")])
def test_a_bad_question_is_refused_and_kept(
    served: tuple[Engine, Gateway], language: str, question: str, notice: str
) -> None:
    """With a sentence; no run is begun, and what was typed is there to be mended."""
    app = visit(language)
    app.text_area(key=relay.QUESTION).set_value(question)
    checked(app.button(key="relay.start").click().run())
    limits = {"length": f"{len(question):,}", "limit": f"{QUESTION_CHARACTERS:,}"}
    assert [warning.value for warning in app.warning] == [texts(language)[f"notice.{notice}"].format(**limits)]
    assert app.text_area(key=relay.QUESTION).value == question
    assert "run" not in app.query_params


@languages
def test_an_old_address_says_so(served: tuple[Engine, Gateway], language: str) -> None:
    """And a new run can be begun there."""
    app = visit(language, run="nowhere")
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
    assert look.text == engine.portal.call(log.since, log.seq - 2)[0].content


def test_the_client_over_grpc_tells_that_it_was_refused(served: tuple[Engine, Gateway], address: str) -> None:
    """There is no such run, and asking again would not bring it."""
    _, until = follow(served, address, "nowhere")
    assert until("refused").seq == 0


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[tuple[Browser, str]]:
    """A browser, and the server's address."""
    expect.set_options(timeout=PATIENCE)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {"LAB_MODELS": PACED, "LAB_GRPC_PORT": str(port)}
    with streamlit_server(ROOT / "app.py", environment=environment) as server, chromium() as browser:
        yield browser, server.url


@contextmanager
def opened(browser: tuple[Browser, str], language: str, address: str | None = None) -> Iterator[Page]:
    context = browser[0].new_context(locale=LOCALE[language], viewport={"width": 1280, "height": 1400})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address or f"{browser[1]}/relay")
    yield page
    context.close()


def button(place: Page | Locator, text: str) -> Locator:
    return place.get_by_role("button", name=text, exact=True)


def begin(page: Page, words: dict[str, str], question: str | None = None) -> None:
    if question:
        page.get_by_role("textbox", name=words["relay.question"]).fill(question)
    button(page, words["relay.start"]).click()
    expect(page.locator("article")).to_have_count(3)


def card(page: Page, name: str, number: int = 1) -> Locator:
    return page.locator("article").filter(has=page.get_by_role("heading", name=f"{name} {number}", exact=True))


def figure(card: Locator, name: str) -> int:
    return int(card.locator(f"dd.{name}").inner_text().replace(",", ""))


def reach(card: Locator, seq: int) -> None:
    """Until the client has this event."""
    deadline = time.monotonic() + LIMIT
    while figure(card, "seq") < seq:
        assert time.monotonic() < deadline, "the client did not go on"
        card.page.wait_for_timeout(50)


def whole(card: Locator, words: dict[str, str]) -> str:
    """The text of a client that has ended with all of it, each event once."""
    expect(card.locator(".state")).to_have_text(words["relay.card_whole"])
    expect(card.locator("dd.wrong")).to_have_text("0 / 0")
    text = card.locator(".text").text_content() or ""
    assert len(text) > 100
    return text


@needs_chromium
@languages_in_browser
def test_a_cut_a_slow_and_a_late_client_lose_nothing(browser: tuple[Browser, str], language: str) -> None:
    """One is cut and resumes, one comes late and reads slowly, one does neither: all end with the same text. Only the
    slow one falls behind and is sent merged deltas; and what the page proposes to try is done then."""
    words = texts(language)
    with opened(browser, language) as page:
        begin(page, words)
        sse, websocket = card(page, words["relay.card_sse"]), card(page, words["relay.card_websocket"])
        reach(sse, 5)
        button(page, f"+ {words['relay.card_late']}").click()
        late = card(page, words["relay.card_late"])
        button(late, words["relay.card_slow"]).click()
        expect(button(late, words["relay.card_slow"])).to_have_attribute("aria-pressed", "true")
        button(sse, words["relay.card_cut"]).click()
        expect(sse.locator(".state")).to_have_text(words["relay.card_is_cut"])
        expect(late.locator(".note")).to_have_text(words["relay.card_note_slow"])
        grpc = card(page, words["relay.card_grpc"])
        button(grpc, words["relay.card_cut"]).click()
        expect(grpc.locator(".state")).to_have_text(words["relay.card_is_cut"])
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


@needs_chromium
@pytest.mark.soak
def test_a_second_browser_follows_the_same_run(browser: tuple[Browser, str]) -> None:
    """By the address that the page gives, with clients of its own. A stop there ends it here, with the same text."""
    words = texts("ja")
    with opened(browser, "ja") as page:
        begin(page, words)
        button(page, words["relay.share"]).click()
        link = page.get_by_test_id("stPopoverBody").get_by_test_id("stCode").inner_text().strip()
        assert urlsplit(link).path == "/relay"
        assert parse_qs(urlsplit(link).query) == {"run": parse_qs(urlsplit(page.url).query)["run"]}
        expect(page.get_by_alt_text(words["relay.qr_alt"].format(link=link))).to_be_visible()
        expect(page.get_by_text(words["relay.share_local"])).to_be_visible()
        page.keyboard.press("Escape")
        with opened(browser, "ja", link) as other:
            for each in (page, other):
                reach(card(each, words["relay.card_websocket"]), 5)
            button(card(other, words["relay.card_websocket"]), words["relay.card_leave"]).click()
            expect(other.locator("article")).to_have_count(2)
            expect(button(card(other, words["relay.card_grpc"]), words["relay.card_cut"])).to_be_focused()
            button(card(other, words["relay.card_grpc"]), words["relay.card_leave"]).click()
            expect(other.locator("article")).to_have_count(1)
            expect(page.locator("article")).to_have_count(3)
            button(other, words["relay.stop"]).click()
            texts_read = set()
            for each in (page, other):
                ended = card(each, words["relay.card_sse"])
                expect(ended.locator(".state")).to_have_text(words["relay.card_ended"])
                texts_read.add(ended.locator(".text").text_content())
                expect(button(each, words["relay.stop"])).to_have_count(0)
            assert len(texts_read) == 1


@needs_chromium
@pytest.mark.soak
def test_a_client_that_is_sent_away_comes_back_by_itself(browser: tuple[Browser, str]) -> None:
    """Its token is revoked while it reads: it resumes with a new one, and misses nothing."""
    words = texts("en")
    with opened(browser, "en") as page:
        begin(page, words, SHORT)
        cards = [card(page, words[f"relay.card_{kind}"]) for kind in ("sse", "websocket", "grpc")]
        for each in cards:
            reach(each, 5)
        run_id = parse_qs(urlsplit(page.url).query)["run"][0]
        assert page.request.delete(f"{browser[1]}/api/runs/{run_id}/token").status == 204
        assert len({whole(each, words) for each in cards}) == 1
        assert all(figure(each, "reconnects") >= 1 for each in cards)


@needs_chromium
@pytest.mark.soak
def test_no_more_streams_than_a_browser_has_connections_for(browser: tuple[Browser, str]) -> None:
    """It opens six to a server, and the page needs some itself; WebSockets do not count among them."""
    words = texts("en")
    with opened(browser, "en") as page:
        begin(page, words, SHORT)
        for _ in range(3):
            button(page, f"+ {words['relay.card_sse']}").click()
        expect(page.get_by_text(words["relay.card_full"])).to_be_visible()
        expect(button(page, f"+ {words['relay.card_sse']}")).to_be_disabled()
        expect(button(page, f"+ {words['relay.card_late']}")).to_be_disabled()
        button(page, f"+ {words['relay.card_websocket']}").click()
        assert len({whole(each, words) for each in page.locator("article").all()}) == 1
        expect(page.locator("article")).to_have_count(7)
