"""One log to many clients: order, resuming, merging and gaps."""

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.events.event import Event, StreamEvent, ToolCall, ToolResult, encode
from streamlab.gateway import feed
from streamlab.gateway.access import Caller
from streamlab.gateway.delivery import Pace
from streamlab.hub import parse_token
from streamlab.hub.log import Bounds
from tests.conftest import check_laws, demo_model, shown, until
from tests.events import answer
from tests.gateway import (
    FAR_AHEAD,
    Sent,
    Served,
    StreamParser,
    delta,
    ending,
    finished,
    is_refusal,
    log_events,
    parse_stream,
    seqs,
    served,
)

pytestmark = pytest.mark.anyio

LOCAL_CALLER = Caller("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served() as lab:
        yield lab


# Order


async def test_an_answer_arrives_whole_and_in_order(lab: Served) -> None:
    """POST /chat streams the run that it starts: `open` first, then every event of the log, as the log has it."""
    response = await lab.client.post("/chat", json={"message": "What is streaming?", "model": demo_model()})
    assert response.status_code == 200
    opening, *sent = parse_stream(response.content)
    log = lab.engine.hub.log(response.headers["x-run-id"])
    assert opening.type == "open"
    assert opening.id == ""
    assert opening.json["run_id"] == log.run_id
    assert opening.json["epoch"] == log.epoch
    events = log_events(sent)
    assert seqs(events) == list(range(1, log.seq + 1))
    assert shown(events) == shown(log.since(0)) != ""
    assert [each.id for each in sent] == [f"{log.epoch}-{event.seq}" for event in events]
    assert [each.type for each in sent] == [event.type for event in events]
    check_laws(log.since(0))


async def test_an_event_is_the_same_bytes_for_everyone(lab: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty clients of one log cost one encoding of each event."""
    encoded: list[int] = []

    def counted(event: StreamEvent) -> bytes:
        encoded.append(event.seq)
        return encode(event)

    monkeypatch.setattr(feed, "encode", counted)
    log = lab.log(delta(at=FAR_AHEAD))
    async with anyio.create_task_group() as group:
        answers: list[list[Sent]] = []

        async def read() -> None:
            answers.append(await lab.events(log))

        for _ in range(30):
            group.start_soon(read)
        await until(lambda: log.followers == 30)
        for _ in range(20):
            log.append(delta(at=FAR_AHEAD))
            await asyncio.sleep(0.002)
        for event in ending("x" * 21):
            log.append(event)
    assert sorted(encoded) == list(range(1, log.seq + 1))
    assert all(log_events(answer) == log.since(0) for answer in answers)


async def test_an_idle_stream_sends_at_once_and_a_busy_one_in_frames() -> None:
    """The first event does not wait for the timer; those that follow before it gather, for all clients alike."""
    async with served(Pace(frame=0.3)) as lab:
        log = lab.log()
        grant = lab.gateway.access.identify(LOCAL_CALLER)
        one, other = (lab.gateway.deliver(log, grant, "sse") for _ in range(2))
        with one, other:
            first = asyncio.create_task(one.next()), asyncio.create_task(other.next())
            await asyncio.sleep(0.01)
            log.append(delta(at=FAR_AHEAD))
            frames = [await each for each in first]
            assert frames[0] is frames[1]
            assert frames[0] is not None
            assert [item.seq for item in frames[0].items] == [1]
            second = asyncio.create_task(one.next())
            for _ in range(5):
                log.append(delta(at=FAR_AHEAD))
                await asyncio.sleep(0.005)
            assert not second.done()
            frame = await second
            assert frame is not None
            assert [item.seq for item in frame.items] == [2, 3, 4, 5, 6]
            assert await other.next() is frame


# Resuming


@pytest.mark.parametrize("how", ["header", "query"])
async def test_resuming_anywhere_repeats_nothing_and_loses_nothing(lab: Served, how: str) -> None:
    """From every seq of a log; at its end there is nothing to come back for, which 204 tells a browser."""
    log = finished(lab, *"streaming")
    for seq in range(log.seq + 1):
        token = f"{log.epoch}-{seq}"
        response = await (lab.get(log, token) if how == "header" else lab.get(log, None, after=token))
        if seq == log.seq:
            assert response.status_code == 204
            assert response.content == b""
        else:
            assert seqs(log_events(parse_stream(response.content))) == list(range(seq + 1, log.seq + 1))


async def test_the_header_of_a_browser_that_comes_back_wins_over_its_address(lab: Served) -> None:
    """An EventSource keeps the address that it was made with, also when it has read on."""
    log = finished(lab, *"streaming")
    response = await lab.get(log, f"{log.epoch}-5", after=f"{log.epoch}-1")
    assert seqs(log_events(parse_stream(response.content)))[0] == 6


async def test_a_cut_at_any_byte_loses_and_repeats_nothing(lab: Served) -> None:
    """Whatever a client has read, with the id of the last whole event it gets exactly the rest."""
    log = finished(lab, "Str", "eam\n", "ing é ", "配信", "\r\n\ndata: x\u2028")
    whole = (await lab.get(log)).content
    expected = log_events(parse_stream(whole))
    assert expected == log.since(0)
    rest: dict[str, list[StreamEvent]] = {f"{log.epoch}-{log.seq}": []}
    for cut in range(len(whole) + 1):
        parser = StreamParser()
        parser.feed(whole[:cut])
        token = parser.last_id if log_events(parser.events) else ""
        # An id without the end of its event is not yet the client's: a browser sets it when it hands the event out.
        token = parser.events[-1].id if token else ""
        if token not in rest:
            rest[token] = log_events(await lab.events(log, token or None))
        assert log_events(parser.events) + rest[token] == expected
    assert len(rest) == log.seq + 1


async def test_clients_that_join_during_a_burst_get_all_of_it(lab: Served) -> None:
    """Replay and live meet without a seam, wherever a client comes in."""
    log = lab.log()
    answers: list[list[Sent]] = []

    async def read() -> None:
        answers.append(await lab.events(log))

    async with anyio.create_task_group() as group:
        for number in range(3_000):
            log.append(delta(f"{number} ", at=FAR_AHEAD))
            if number % 100 == 0:
                group.start_soon(read)
                await asyncio.sleep(0.002)
        text = "".join(f"{number} " for number in range(3_000))
        for event in ending(text):
            log.append(event)
    assert len(answers) == 30
    for sent in answers:
        events = log_events(sent)
        assert seqs(events) == list(range(1, log.seq + 1))
        assert shown(events) == text


async def test_a_client_that_lags_gets_merged_deltas_and_can_go_on_from_them(lab: Served) -> None:
    """One event stands for its range, its id is that of the last; nothing but text is merged."""
    call = ToolCall("t", "1", {}, at=0.0)
    result = ToolResult("t", "1", 1, "completed", at=0.0)
    log = lab.log(*[delta("a")] * 100, call, result, *[delta("b")] * 100, *ending("a" * 100 + "b" * 100))
    sent = await lab.events(log)
    events = log_events(sent)
    assert [(event.type, getattr(event, "seq_from", None), event.seq) for event in events] == [
        ("text_delta", 1, 100),
        ("tool_call", None, 101),
        ("tool_result", None, 102),
        ("text_delta", 103, 202),
        ("final_answer", None, 203),
        ("done", None, 204),
    ]
    assert sent[1].id == f"{log.epoch}-100"
    assert seqs(log_events(await lab.events(log, sent[1].id))) == list(range(101, 205))
    assert seqs(log_events(await lab.events(log, f"{log.epoch}-50"))) == list(range(51, 205)), "within a merged range"


async def test_a_large_log_is_sent_in_pieces_and_whole(lab: Served) -> None:
    """A client that catches up takes one frame at a time, so that one that stops reading holds no more than that."""
    results = [ToolResult("a", str(number), f"{number} {'x' * 200}") for number in range(5_000)]
    log = lab.log(*results, *ending(""))
    assert log_events(await lab.events(log)) == log.since(0)
    grant = lab.gateway.access.identify(LOCAL_CALLER)
    with lab.gateway.deliver(log, grant, "sse") as delivery:
        frame = await delivery.next()
        assert frame
        assert 0 < sum(len(encode(item)) for item in frame.items if isinstance(item, Event)) < 100_000


async def test_an_answer_goes_on_when_its_starter_leaves(lab: Served) -> None:
    """The run is not the request's: it reaches its end, and another client reads all of it."""
    asked = {"message": "What is streaming?", "model": demo_model(chunks=60, rate=200)}
    async with lab.client.stream("POST", "/chat", json=asked) as response:
        async for _ in response.aiter_raw():
            break
        log = lab.engine.hub.log(response.headers["x-run-id"])
    await until(lambda: log.done is not None)
    assert log.done
    assert log.done.status == "completed"
    assert seqs(log_events(await lab.events(log))) == list(range(1, log.seq + 1))


# What cannot be had


@pytest.mark.parametrize("token", ["evicted", "foreign", "ahead", "foreign and ended"])
async def test_what_cannot_be_had_is_a_gap_and_its_sum(lab: Served, token: str) -> None:
    """Evicted history, a token of another incarnation, a token ahead of the tail: told, never guessed."""
    log = lab.log()
    log.bounds = Bounds(events=4)
    for letter in "abcdef":
        log.append(delta(letter, FAR_AHEAD))
    for event in ending("abcdef"):
        log.append(event)
    after = {"evicted": f"{log.epoch}-1", "foreign": "0" * 16 + "-6", "ahead": f"{log.epoch}-99"}
    sent = await lab.events(log, after.get(token, "0" * 16 + f"-{log.seq}"))
    opening, gap, snapshot, *rest = sent
    assert [each.type for each in (opening, gap, snapshot)] == ["open", "gap", "snapshot"]
    assert {each.id for each in (opening, gap, snapshot)} == {""}, "control events carry no id"
    assert gap.json["seq"] == snapshot.json["seq"] == 4
    assert snapshot.json["text"] == "abcd"
    assert seqs(log_events(rest)) == [5, 6, 7, 8]
    assert answer(log_events(rest)) == snapshot.json["text"] + shown(log_events(rest[:2]))


async def test_a_token_ahead_of_a_live_log_does_not_become_right_later(lab: Served) -> None:
    """Its gap is not kept for one who rightly stands there when the log has grown so far."""
    log = lab.log(delta("a", FAR_AHEAD))
    async with lab.follow(log, after=f"{log.epoch}-3") as early:
        await until(lambda: "gap" in early.types)
        for _ in range(3):
            log.append(delta("b", FAR_AHEAD))
            await asyncio.sleep(0.01)
        async with lab.follow(log, after=f"{log.epoch}-3") as late:
            await until(lambda: seqs(late.events) == [4])
            assert "gap" not in late.types
        assert seqs(early.events) == [1, 2, 3, 4]


@settings(max_examples=30)
@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
    | st.from_regex(r"[0-9a-fA-F]{15,17}-?[-+]?[0-9]{0,17}", fullmatch=True)
)
async def test_any_token_is_understood_or_refused(lab: Served, token: str) -> None:
    """A client may send anything: it gets all of the run after a gap, or 400 in the shape of every error."""
    log = finished(lab, "a")
    response = await lab.get(log, None, after=token)
    try:
        parse_token(token)
    except ValueError:
        assert is_refusal(response, 400, "invalid_resume_token")
    else:
        assert response.status_code == 200
        assert [each.type for each in parse_stream(response.content)][1:3] == ["gap", "snapshot"]
        assert seqs(log_events(parse_stream(response.content))) == [1, 2, 3]


# What is in them


@pytest.mark.parametrize(
    "content",
    [
        *["\r", "\n", "\r\n", "\n\n", "\r\r", "\u2028", "\u2029", "\x85", "\x00", "\ufeff", " leading", ":", "\ud800"],
        *["a\n\ndata: b\n\n", "id: 7\nevent: done\ndata: {}", "retry: 1\n", "配信 🎈", "\udc80\n\U0001f388", "\\u0000"],
    ],
)
async def test_whatever_a_model_writes_arrives_as_it_was(lab: Served, content: str) -> None:
    """Nothing in an event can end it, begin another, or change a client's place; read by the rules of browsers."""
    log = finished(lab, content, content)
    parser = StreamParser()
    stream = (await lab.get(log)).content
    for at in range(len(stream)):
        parser.feed(stream[at : at + 1])
    assert log_events(parser.events) == log.since(0)
    assert parser.events == parse_stream(stream)
    assert parser.last_id == f"{log.epoch}-{log.seq}"
    assert parser.retry == 1000


async def test_the_headers_keep_proxies_from_holding_a_stream_back(lab: Served) -> None:
    """No cache, no buffer, and the type that browsers ask for."""
    response = await lab.get(finished(lab, "a"))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
