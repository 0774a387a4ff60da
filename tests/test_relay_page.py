"""The page that shows one run at several clients, over AppTest."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf

import pytest
from prometheus_client.samples import Sample
from streamlab_client.events import parse_event
from streamlab_client.generated.streamlab.v1 import streamlab_pb2 as pb
from streamlab_client.grpc_messages import parse_event_message
from streamlit.testing.v1 import AppTest

from components.page.texts import texts
from components.relay import figures as relay_figures
from components.relay import relay
from components.relay.remote import Standing, Written
from streamlab.engine import Engine
from streamlab.events.event import Retry, StreamEvent, TextDelta, numbered
from streamlab.gateway.access import Grant
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.protocols.grpc_events import message_of
from streamlab.gateway.protocols.grpc_server import grpc_port
from streamlab.hub.log import Bounds, Log
from streamlab.models.options import QUESTION_CHARACTERS, Options
from streamlab.relay import follower as relay_follower
from streamlab.relay.follower import FollowerState, GrpcFollower, Look, local_address
from streamlab.text.reading import Unit, amount, unit_of
from tests import relay_page
from tests.events import answer
from tests.pages import LIMIT, checked, languages, visit
from tests.python_client import EVERYTHING
from tests.relay_page import FAST, STEADY, ended, start

served = relay_page.served  # fixtures are found by their names

SAID = "relay.question_default"


def visit_unfolded(language: str, **address: str) -> AppTest:
    """Open the page with the gateway's figures unfolded."""
    app = visit("relay", language, **address)
    app.session_state[relay.GATEWAY] = True
    return checked(app.run())


def metric(app: AppTest, label: str) -> str:
    return next(str(each.value) for each in app.metric if each.label == label)


@languages
def test_the_page_begins_with_what_to_do_first(served: tuple[Engine, Gateway], language: str) -> None:
    """A question is there to be asked; the gateway's figures are there without any run, for who unfolds them."""
    words = texts(language)
    app = visit("relay", language)
    assert words["relay.nothing_yet"] in [info.value for info in app.info]
    assert not app.metric
    app = visit_unfolded(language)
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
    app = visit_unfolded(language)
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
    reading = replace(look, text="so far so good")
    assert Standing(14, 5.5, reading, "words", 9).delays == {"behind": 4, "unread": 5, "lag": 3.5}
    assert Standing(10, 2.0, reading, "words", 9).delays["unread"] == 0


@pytest.mark.parametrize(
    ("text", "unit", "count"),
    [
        ("", "words", 0),
        ("One answer,\n\nmany *readers*. ", "words", 4),
        ("一つの回答を、 大勢で\n読みます。", "characters", 15),
        ("SSE と gRPC で読みます", "characters", 13),
        ("The word 回答 means an answer", "words", 6),
    ],
)
def test_what_is_read_is_counted_in_its_own_unit(text: str, unit: Unit, count: int) -> None:
    """In words, or in characters where no spaces stand between them."""
    assert unit_of(text) == unit
    assert amount(text, unit) == count


@pytest.mark.parametrize("kept", [3, 100])
def test_what_is_written_is_read_on(kept: int) -> None:
    """Also where the log has let go of its beginning, and where a retry voids what was written."""
    log, written = Log("a", Bounds(events=kept)), Written("a")
    for number in range(1, 6):
        log.append(TextDelta(f"{number} ", at=0.1))
    written.read(log)
    assert str(written.text) == "1 2 3 4 5 "
    log.append(TextDelta("6 ", at=0.2))
    written.read(log)
    assert str(written.text) == "1 2 3 4 5 6 "
    for event in (Retry("timeout", at=0.3), TextDelta("anew", at=0.4)):
        log.append(event)
    written.read(log)
    assert str(written.text) == "anew"


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

    def until(state: FollowerState, seq: int = 0) -> Look:
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
    deadline = time.monotonic() + LIMIT
    while len(gateway.deliveries):  # to ask the client would be to look at it
        assert time.monotonic() < deadline, "the stream does not end"
        time.sleep(0.02)
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
