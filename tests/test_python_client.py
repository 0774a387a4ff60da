"""The Python client against a real gateway, over every protocol: whole answers through cuts, and clean ends."""

import asyncio
import gc
import os
import random
import re
import subprocess
import sys
import traceback
import venv
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from streamlab_client import (
    Anew,
    AsyncClient,
    AuthError,
    Backoff,
    Client,
    ConnectionLost,
    Event,
    InvalidRequest,
    NotFound,
    RateLimited,
    RunFailed,
    StreamlabError,
)
from streamlab_client import events as client_events
from streamlab_client._async.transport import ProtocolName
from streamlab_client.events import StepText
from streamlab_client.reader import Pieces, Reader, parse_message
from streamlab_client.retry import parse_retry_after
from streamlab_client.sse import LineNormalizer

from scripts import unasync
from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    encode,
)
from streamlab.gateway.feed import Entry
from streamlab.gateway.protocols.grpc_server import grpc_port
from streamlab.gateway.protocols.sse import encode_event
from streamlab.hub.log import Bounds
from tests.conftest import PATIENCE, demo_model, until
from tests.gateway import FAST, Served, delta, ending, parse_stream, served

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]
SECRET = f"access-token-{uuid4().hex}"  # so that it is nowhere by accident
QUICK = Backoff(attempts=40, first=0.01, longest=0.05)
PROTOCOLS: tuple[ProtocolName, ...] = ("sse", "websocket", "grpc")

over_each = pytest.mark.parametrize("protocol", PROTOCOLS)


@dataclass(frozen=True)
class Lab:
    """A gateway that listens over HTTP and gRPC."""

    http: Served
    port: int

    def url(self, protocol: ProtocolName) -> str:
        return f"127.0.0.1:{self.port}" if protocol == "grpc" else self.http.url

    def client(self, protocol: ProtocolName, **options: Any) -> Client:
        return Client(self.url(protocol), protocol=protocol, **({"backoff": QUICK} | options))

    def aclient(self, protocol: ProtocolName, **options: Any) -> AsyncClient:
        return AsyncClient(self.url(protocol), protocol=protocol, **({"backoff": QUICK} | options))

    def nobody_reads(self) -> bool:
        return not len(self.http.gateway.deliveries)


@asynccontextmanager
async def lab_of(**settings: Any) -> AsyncIterator[Lab]:
    async with served(FAST, **settings) as http, grpc_port(http.gateway, "127.0.0.1", 0) as port:
        assert port
        yield Lab(http, port)


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Lab]:
    async with lab_of(gateway_runs_per_minute=1_000) as lab:
        yield lab


@pytest.fixture(scope="module")
async def closed_lab(anyio_backend: str) -> AsyncIterator[Lab]:
    """One that has a token."""
    async with lab_of(gateway_tokens=(SecretStr(SECRET),)) as lab:
        yield lab


async def in_thread(work: Callable[[], Any]) -> Any:
    """What blocks, beside the loop on which the gateway runs."""
    with anyio.fail_after(PATIENCE):
        return await anyio.to_thread.run_sync(work)


def long_answer(**options: object) -> str:
    """A model whose answer lasts for as long as a test, about, unless it is stopped."""
    return demo_model(**({"chunks": 5_000, "rate": 100} | options))


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


def check_whole(events: list[Event], answer: str) -> None:
    seqs = [seq for event in events for seq in range(getattr(event, "seq_from", None) or event.seq, event.seq + 1)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert [event.type for event in events[-2:]] == ["final_answer", "done"]
    assert [event.content for event in events if event.type == "final_answer"] == [answer]
    assert answer


USAGE = Usage(3, 4, estimated=True)
EVERYTHING = (
    Thinking("Hm.", at=0.1),
    TextDelta("日本語 🙂\u2028\r\n", at=0.2),
    ToolCall("add", "c1", {"a": 1, "b": [2.5, None, True, {"c": "d"}]}, at=0.3),
    ToolResult("add", "c1", {"sum": 3.5}, "failed", at=0.4),
    ToolCall("none", "c2", {}, at=0.4),
    ToolResult("none", "c2", "text", at=0.5),
    Retry("rate_limited", 0.0, at=0.6, step=2),
    Error("internal", "It broke.", at=0.8, step=2),
    Done("failed", "internal", USAGE, at=0.9, step=2),
)


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


# Through cut connections


@dataclass
class Cutter:
    """A way to a server that is cut again and again: each connection after so many bytes of the server's, at random or
    as `first` says of the first ones. One that is to freeze is not closed, and nothing more comes or goes.
    """

    port: int
    most: int
    connections: int = 0
    cuts: int = 0
    freezes: bool = False
    first: list[int] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = self.first.pop(0) if self.first else random.randint(1, self.most)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)
        up = asyncio.create_task(self._forward(reader, server_writer))
        try:
            while piece := await server_reader.read(256):
                writer.write(piece[:left])
                await writer.drain()
                left -= len(piece)
                if left <= 0:
                    self.cuts += 1
                    if self.freezes:
                        up.cancel()
                        await asyncio.wait([up])
                        await reader.read()  # until the client has gone
                    break
        except OSError:
            pass
        finally:
            up.cancel()
            writer.transport.abort() if left <= 0 else writer.close()
            server_writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(4096):
                writer.write(piece)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def cut(lab: Lab, protocol: ProtocolName, most: int, *first: int) -> AsyncIterator[tuple[Cutter, str]]:
    """The cutter, and the address on this side of it."""
    cutter = Cutter(lab.port if protocol == "grpc" else lab.http.port, most, first=list(first))
    listener = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        yield cutter, f"127.0.0.1:{port}" if protocol == "grpc" else f"http://127.0.0.1:{port}/api"


@over_each
async def test_an_answer_arrives_whole_through_cut_connections(lab: Lab, protocol: ProtocolName) -> None:
    """Nothing is missing and nothing comes twice, wherever a connection is cut."""
    async with cut(lab, protocol, 4_000, 400, 500) as (cutter, url):

        def read() -> None:
            with Client(url, protocol=protocol, backoff=QUICK) as client:
                stream = client.chat("What is streaming?", model=demo_model(chunks=150, rate=150))
                check_whole(list(stream), stream.answer)

        await in_thread(read)
    assert cutter.cuts >= 2


@over_each
async def test_an_answer_arrives_whole_through_cut_connections_on_an_event_loop(
    lab: Lab, protocol: ProtocolName
) -> None:
    """The same of its twin."""
    async with (
        cut(lab, protocol, 4_000, 400, 500) as (cutter, url),
        AsyncClient(url, protocol=protocol, backoff=QUICK) as client,
    ):
        stream = client.chat("What is streaming?", model=demo_model(chunks=150, rate=150))
        with anyio.fail_after(PATIENCE):
            check_whole([event async for event in stream if stream.connected], stream.answer)
    assert cutter.cuts >= 2
    assert not stream.connected
    assert stream.connections >= 2


@over_each
async def test_a_stream_tells_whether_it_is_connected(lab: Lab, protocol: ProtocolName) -> None:
    """Not before its loop begins, nor after it was left; another loop over it needs another connection."""
    log = lab.http.log(delta("a"), delta("b"), *ending("ab"))
    async with lab.aclient(protocol) as client:
        stream = client.follow(log.run_id)
        assert (stream.connected, stream.connections) == (False, 0)
        for connections in (1, 2):
            async with stream:
                async for event in stream:
                    assert (event.seq, stream.connected, stream.connections) == (connections, True, connections)
                    break
            assert not stream.connected


async def test_a_client_over_grpc_may_be_used_again_after_it_was_closed(lab: Lab) -> None:
    """Its next call opens another channel."""
    log = lab.http.log(delta("a"), *ending("a"))
    client = lab.aclient("grpc")
    for _ in range(2):
        async with client:
            assert [event.seq async for event in client.follow(log.run_id)] == [1, 2, 3]


@over_each
async def test_a_silent_connection_is_given_up(lab: Lab, protocol: ProtocolName) -> None:
    """One that neither brings anything nor ends; the run is taken up again over another."""
    async with cut(lab, protocol, 1_000_000, 1_200, 1_200) as (cutter, url):
        cutter.freezes = True
        async with AsyncClient(url, protocol=protocol, backoff=QUICK, heartbeat=0.6) as client:
            stream = client.chat("What is streaming?", model=demo_model(chunks=150, rate=150))
            with anyio.fail_after(PATIENCE):
                check_whole([event async for event in stream], stream.answer)
    assert cutter.cuts >= 1


@over_each
async def test_a_question_is_paid_for_once(lab: Lab, protocol: ProtocolName) -> None:
    """However often it must be said until its answer begins, it starts one run."""
    before = lab.http.engine.runs.started
    async with (
        cut(lab, protocol, 100_000, 1, 20, 40) as (cutter, url),
        AsyncClient(url, protocol=protocol, backoff=QUICK) as client,
    ):
        stream = client.chat("Hi", model=demo_model(chunks=5))
        check_whole([event async for event in stream], stream.answer)
    assert cutter.connections > 3
    assert lab.http.engine.runs.started == before + 1


@over_each
async def test_where_nobody_answers_the_client_gives_up(protocol: ProtocolName) -> None:
    """After as many attempts as it has; the error names neither the token nor what was asked."""
    question = f"question-{uuid4().hex}"
    async with cut_off() as port:
        url = f"127.0.0.1:{port}" if protocol == "grpc" else f"http://127.0.0.1:{port}/api"
        async with AsyncClient(
            url, SECRET, protocol=protocol, backoff=Backoff(attempts=3, first=0.01, longest=0.02)
        ) as client:
            with pytest.raises(ConnectionLost) as caught:
                await client.start(question)
    assert SECRET not in told(caught.value)
    assert question not in told(caught.value)
    assert caught.value.hint


def told(error: StreamlabError) -> str:
    """All that an error says, in a log too."""
    return "".join(traceback.format_exception(error)) + f"{error!r} {vars(error)}"


@asynccontextmanager
async def cut_off() -> AsyncIterator[int]:
    """The port of a server that closes every connection at once."""

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(close, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


# Leaving, stopping


@over_each
async def test_leaving_the_loop_closes_the_connection_and_not_the_run(lab: Lab, protocol: ProtocolName) -> None:
    """By break, by an exception and by closing; another loop goes on where the last one was."""
    left: list[str] = []

    def read() -> None:
        with lab.client(protocol) as client:
            stream = client.chat("Hi", model=long_answer())
            for event in stream:
                if event.type == "text_delta":
                    break
            left.append(stream.answer)
            gone()
            with suppress(ZeroDivisionError):
                for _ in stream:
                    raise ZeroDivisionError
            gone()
            with stream:
                events = iter(stream)
                next(events)
                stream.close()
                assert list(events) == []
            gone()
            assert stream.run_id
            assert client.stop(stream.run_id)
            assert len(list(stream)) >= 1
            assert stream.status == "stopped"
            assert stream.answer.startswith(left[0])
            assert not client.stop(stream.run_id)

    def gone() -> None:
        anyio.from_thread.run(until, lab.nobody_reads)

    await in_thread(read)


@over_each
async def test_leaving_the_loop_closes_the_connection_on_an_event_loop(lab: Lab, protocol: ProtocolName) -> None:
    """The same of its twin; with `async with` it is closed when the block is left."""
    async with lab.aclient(protocol) as client:
        stream = client.chat("Hi", model=long_answer())
        async for event in stream:
            if event.type == "text_delta":
                break
        del event
        gc.collect()
        await until(lab.nobody_reads)
        async with stream:
            async for _ in stream:
                break
        await until(lab.nobody_reads)
        with suppress(ZeroDivisionError):
            async with stream:
                async for _ in stream:
                    raise ZeroDivisionError
        await until(lab.nobody_reads)
        with anyio.move_on_after(0.05):
            async for _ in stream:
                pass
        await until(lab.nobody_reads)
        assert stream.run_id
        assert stream.status is None
        assert await client.stop(stream.run_id)
        assert [event.type async for event in stream][-1] == "done"
        assert stream.status == "stopped"


async def test_the_state_of_a_run_can_be_asked_for(lab: Lab) -> None:
    """Live and finished; its text is what a follower has."""
    async with lab.aclient("sse") as client:
        started = await client.start("Hi", model=long_answer())
        assert (await client.run(started.id)).status == "live"
        assert await client.stop(started.id)
        stream = client.follow(started.id)
        assert [event async for event in stream]
        state = await client.run(started.id)
        assert (state.status, state.text, state.code) == ("stopped", stream.answer, stream.code)
        assert state.usage


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


# What is refused


@over_each
async def test_each_cause_has_its_error(closed_lab: Lab, protocol: ProtocolName) -> None:
    """With the server's code, sentence and hint; never with the token."""
    wrong = "wrong-" + SECRET
    async with closed_lab.aclient(protocol, token=wrong) as client:
        with pytest.raises(AuthError) as refused:
            await client.start("Hi")
    assert refused.value.code == "invalid_access_token"
    assert refused.value.hint
    assert SECRET not in told(refused.value)
    async with closed_lab.aclient(protocol, token=SECRET) as client:
        with pytest.raises(NotFound) as unknown:
            assert [event async for event in client.follow("nobody")] == []
        assert unknown.value.code == "unknown_run"
        with pytest.raises(InvalidRequest) as empty:
            assert [event async for event in client.chat("")] == []
        assert empty.value.code == "invalid_request"
        log = closed_lab.http.log(*ending("a"))
        with pytest.raises(InvalidRequest) as nonsense:
            assert [event async for event in client.follow(log.run_id, after="nonsense")] == []
        assert nonsense.value.code == "invalid_resume_token"


@over_each
async def test_a_token_is_refreshed_by_its_callback(closed_lab: Lab, protocol: ProtocolName) -> None:
    """One that was refused is asked for once more; a callback may be a coroutine function."""
    tokens = iter(["tok-2b81e0-stale", SECRET])

    async def token() -> str:
        return next(tokens)

    async with closed_lab.aclient(protocol, token=token) as client:
        stream = client.chat("Hi", model=demo_model(chunks=5))
        check_whole([event async for event in stream], stream.answer)


@over_each
async def test_a_follow_token_reads_its_run_and_stops_none(closed_lab: Lab, protocol: ProtocolName) -> None:
    """It is a token like any other, for whoever shall only watch."""
    log = closed_lab.http.log(delta("a"), *ending("a"))
    token = closed_lab.http.gateway.access.issue(log.run_id)
    async with closed_lab.aclient(protocol, token=token) as client:
        assert [event.seq async for event in client.follow(log.run_id)] == [1, 2, 3]
        with pytest.raises(AuthError):
            await client.stop(log.run_id)


async def test_too_many_runs_are_told_with_the_time_to_wait(anyio_backend: str) -> None:
    """Once the client has no attempt left; until then it waits as long."""
    async with lab_of(gateway_runs_per_minute=1) as lab, lab.aclient("sse", backoff=Backoff(attempts=1)) as client:
        await client.start("Hi", model=demo_model(chunks=1))
        with pytest.raises(RateLimited) as caught:
            await client.start("Hi", model=demo_model(chunks=1))
        assert caught.value.code == "too_many_runs"
        assert caught.value.retry_after


@over_each
def test_a_wrong_address_is_told_at_once(protocol: ProtocolName) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="address"):
        Client("nowhere", protocol=protocol)


def test_a_protocol_that_there_is_not_is_told_at_once() -> None:
    """With the names of those that there are."""
    with pytest.raises(ValueError, match="sse, websocket or grpc"):
        Client("http://localhost", protocol="carrier pigeon")  # type: ignore[arg-type]


# Without input and output


def recorded() -> tuple[bytes, list[bytes]]:
    """A stream as the gateway sends it, and its events."""
    events: list[StreamEvent] = [
        TextDelta(text, seq=number, at=number / 10)
        for number, text in enumerate(["a\r", "日本", "🙂\u2028", "\n\n"], 1)
    ]
    events += [FinalAnswer("x", seq=5, at=0.5), Done("completed", seq=6, at=0.6)]
    lines = [encode(event) for event in events]
    entries = [Entry(f"{'0' * 16}-{event.seq}", event.type, line) for event, line in zip(events, lines, strict=True)]
    return b"retry: 1000\n\n" + b"".join(map(encode_event, entries)), lines


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_cut_at_any_byte_loses_and_repeats_nothing(end: bytes) -> None:
    """What came of it before the cut, and of a server that then repeats all of it, are together the log."""
    stream, lines = recorded()
    whole = stream.replace(b"\n", end)
    for place in range(len(whole) + 1):
        reader = Reader(run_id="run")
        seen = [event for part in (whole[:place], b"\xef\xbb\xbf" + whole) for event in taken(reader, part)]
        assert [event.seq for event in seen] == list(range(1, len(lines) + 1)), place
        assert reader.ended


def taken(reader: Reader, stream: bytes) -> Iterator[Event]:
    lines = LineNormalizer()
    for sent in parse_stream(lines.feed(stream)):
        event = reader.feed(parse_message(sent.type, sent.id, sent.data))
        if event:
            yield event


@given(st.binary(max_size=40).map(lambda raw: raw.replace(b"\x00", b"\r").replace(b"\x01", b"\n")), st.integers(1, 5))
def test_ends_of_lines_are_the_same_however_the_bytes_come(stream: bytes, size: int) -> None:
    """Every CRLF, CR and LF is one LF, cut anywhere."""
    lines = LineNormalizer()
    fed = b"".join(lines.feed(stream[start : start + size]) for start in range(0, len(stream), size))
    wanted = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    held = stream if stream in (b"\xef", b"\xef\xbb") else b""
    assert fed + held == wanted


def test_delays_are_random_and_grow_to_a_bound() -> None:
    """Between nothing and twice as much as before, at most the longest; never less than the server asks for."""
    backoff = Backoff(first=1, longest=10)
    for failures in range(8):
        delays = [backoff.delay(failures, None) for _ in range(300)]
        bound = min(10, 2**failures)
        assert all(0 <= delay <= bound for delay in delays)
        assert max(delays) - min(delays) > bound / 2
        assert min(backoff.delay(failures, 3.0) for _ in range(20)) >= 3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("5", 5),
        ("0.5", 0.5),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """What cannot be read is as if it were not there."""
    assert parse_retry_after(header) == seconds


# Installed

README = ROOT / "clients" / "python" / "README.md"
SOURCE = ROOT / "clients" / "python" / "src"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


async def test_the_examples_of_the_readme_run(lab: Lab) -> None:
    """As they stand there, but for the address of the server: each prints an answer."""
    assert EXAMPLES
    async with asyncio.TaskGroup() as group:
        running = [
            group.create_task(run_program(sys.executable, example, lab.http.url, PYTHONPATH=str(SOURCE)))
            for example in EXAMPLES
        ]
    assert all(len(program.result()) > 20 for program in running)


async def run_program(python: str, program: str, url: str, **variables: str) -> str:
    address = "http://localhost:8501/api"
    assert address in program
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error"} | variables
    with anyio.fail_after(PATIENCE * 3):
        ended = await anyio.run_process(
            [python, "-c", program.replace(address, url)], env=environment, check=False, stderr=subprocess.STDOUT
        )
    printed = ended.stdout.decode()
    assert ended.returncode == 0, printed
    return printed


@pytest.mark.soak
async def test_it_installs_and_runs_on_its_own(lab: Lab, tmp_path: Path) -> None:
    """In an environment that has nothing else, by the README's command, over every protocol."""
    venv.create(tmp_path, with_pip=True)
    python = str(tmp_path / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    command = [python, "-m", "pip", "install", "--quiet", f"{README.parent}[websocket,grpc]"]
    installed = await anyio.run_process(command, cwd=tmp_path, check=False, stderr=subprocess.STDOUT)
    assert installed.returncode == 0, installed.stdout.decode()
    for protocol in PROTOCOLS:
        program = EXAMPLES[0].replace('/api"', f'/api", protocol="{protocol}"')
        printed = await run_program(python, program, lab.url(protocol))
        assert "391" in printed
        assert "completed" in printed
    types = await anyio.run_process([python, "-c", "import streamlab_client as c; print(c.__path__[0])"])
    assert (Path(types.stdout.decode().strip()) / "py.typed").exists()


def test_the_client_loads_neither_the_server_nor_what_it_does_not_use() -> None:
    """Whoever imports it has httpx, and of the rest what was chosen."""
    program = (
        "import streamlab_client, sys; streamlab_client.Client('http://localhost').close();"
        "print(*{'streamlab', 'streamlit', 'langchain_core', 'grpc', 'websockets'} & sys.modules.keys())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE, capture_output=True, text=True, timeout=PATIENCE * 3, check=True
    )
    assert ended.stdout.strip() == ""


def test_the_client_for_threads_is_made_from_the_one_for_event_loops() -> None:
    """Of now: `make unasync` would change nothing."""
    made = unasync.made()
    assert set(unasync.TARGET.glob("*.py")) == made.keys()
    assert {path.name for path, text in made.items() if path.read_text("utf-8") != text} == set()


def test_errors_are_of_one_family() -> None:
    """Whoever catches the family catches each, and each has a kind of its own."""
    kinds = [kind.kind for kind in StreamlabError.__subclasses__()]
    assert len(kinds) == len(set(kinds)) == 8
