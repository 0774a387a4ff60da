"""The Python client against a real gateway, over every protocol: whole answers, and only their text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlab_client import Anew, Event, RunFailed
from streamlab_client import events as client_events
from streamlab_client._async.transport import ProtocolName
from streamlab_client.events import StepText
from streamlab_client.reader import Pieces

from streamlab.hub.log import Bounds
from tests import python_client
from tests.conftest import demo_model
from tests.gateway import delta, ending
from tests.python_client import EVERYTHING, PROTOCOLS, Lab, check_whole, in_thread, over_each

lab = python_client.lab  # fixtures are found by their names

pytestmark = pytest.mark.anyio


# What arrives


@over_each
async def test_an_answer_arrives_whole(lab: Lab, protocol: ProtocolName) -> None:
    """The events of the run's log, one after the other; the stream knows what it is of."""

    def read() -> None:
        with lab.client(protocol) as client:
            stream = client.chat("What is streaming?", model=demo_model(rate=500))
            check_whole(list(stream), stream.answer)
            assert stream.status == "completed"
            assert stream.run_id
            assert stream.conversation
            assert str(stream.model).startswith("demo")

    await in_thread(read)


@over_each
async def test_an_answer_arrives_whole_on_an_event_loop(lab: Lab, protocol: ProtocolName) -> None:
    """The same of its twin, and of a run that was started before."""
    async with lab.aclient(protocol) as client:
        started = await client.start("What is streaming?", model=demo_model(rate=500))
        stream = client.follow(started.id)
        check_whole([event async for event in stream], stream.answer)
        assert (stream.status, stream.run_id) == ("completed", started.id)


async def test_every_protocol_brings_the_same_events(lab: Lab) -> None:
    """Whatever is in them: what is read over one is equal to what is read over another."""
    log = lab.http.log(*EVERYTHING)
    read = {}
    for protocol in PROTOCOLS:
        async with lab.aclient(protocol) as client:
            read[protocol] = [event async for event in client.follow(log.run_id)]
    assert [event.type for event in read["sse"]] == [event.type for event in EVERYTHING]
    assert read["sse"] == read["websocket"] == read["grpc"]


async def test_every_protocol_tells_of_what_was_lost(lab: Lab) -> None:
    """A gap and a snapshot are handed on, and the text goes on from the snapshot's."""
    log = lab.http.log()
    log.bounds = Bounds(events=4)
    for event in (*(delta(str(number)) for number in range(8)), *ending("01234567")):
        log.append(event)
    read = {}
    for protocol in PROTOCOLS:
        async with lab.aclient(protocol) as client:
            stream = client.follow(log.run_id)
            read[protocol] = [event async for event in stream]
            assert stream.answer == "01234567"
    assert [event.type for event in read["sse"]][:3] == ["gap", "snapshot", "text_delta"]
    assert read["sse"] == read["websocket"] == read["grpc"]


@over_each
async def test_a_finished_run_has_nothing_after_its_last_token(lab: Lab, protocol: ProtocolName) -> None:
    """Who comes back with it gets no event, and no error."""
    log = lab.http.log(delta("a"), *ending("a"))
    async with lab.aclient(protocol) as client:
        assert [event async for event in client.follow(log.run_id, after=f"{log.epoch}-3")] == []


# Only the text


def joined(pieces: list[str]) -> str:
    """What counts of them: those since the last that began anew."""
    starts = [number for number, piece in enumerate(pieces) if isinstance(piece, Anew)]
    return "".join(pieces[starts[-1] if starts else 0 :])


@over_each
async def test_text_is_the_answer_piece_by_piece(lab: Lab, protocol: ProtocolName) -> None:
    """Joined, the pieces are the final answer."""
    async with lab.aclient(protocol) as client:
        stream = client.text("What is streaming?", model=demo_model(rate=500))
        pieces = [piece async for piece in stream]
        assert len(pieces) > 1
        assert joined(pieces) == stream.answer
        assert stream.status == "completed"


async def test_text_begins_anew_when_an_attempt_failed(lab: Lab) -> None:
    """A piece of its own type says that what came before it counts no longer."""
    model = demo_model(chunks=20, fault="cut", after=5, times=1)

    def read() -> None:
        with lab.client("sse") as client:
            stream = client.text("Hi", model=model)
            pieces = list(stream)
            assert sum(isinstance(piece, Anew) for piece in pieces) == 1
            assert joined(pieces) == stream.answer
            assert "".join(pieces) != stream.answer

    await in_thread(read)


async def test_text_of_a_failed_run_ends_with_an_error(lab: Lab) -> None:
    """Who reads only the text learns that it is none, and why."""
    async with lab.aclient("sse") as client:
        stream = client.text("Hi", model=demo_model(fault="key"))
        with pytest.raises(RunFailed) as caught:
            assert [piece async for piece in stream] == []
        assert caught.value.code == "auth"
        assert stream.status == "failed"


common = {"seq": st.just(0), "at": st.just(0.0), "step": st.integers(1, 3)}
logged = st.one_of(
    st.builds(client_events.TextDelta, content=st.text(max_size=3), **common),
    st.builds(client_events.Retry, code=st.just("x"), wait=st.just(0.0), **common),
)


@given(st.lists(logged, max_size=12))
def test_pieces_always_amount_to_the_text_that_counts(events: list[Event]) -> None:
    """After every event, the pieces since the last new beginning are the text of the step since its last retry."""
    pieces, text, given_out = Pieces(), StepText(), list[str]()
    for event in events:
        text.feed(event)
        if (piece := pieces.feed(event)) is not None:
            given_out.append(piece)
        assert joined(given_out) == str(text)
