"""The same events over gRPC: order, resuming, stopping, and the status codes that say why a call ends."""

import asyncio
import json
import logging
import math
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from streamlab_client.generated.streamlab.v1 import streamlab_pb2 as client_pb

from streamlab.engine import open_engine
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
from streamlab.gateway.control import Close, ControlEvent, Drain, Open
from streamlab.gateway.delivery import Pace
from streamlab.gateway.http import create_app
from streamlab.gateway.protocols.grpc_events import message_of
from streamlab.gateway.protocols.grpc_server import grpc_port
from streamlab.gateway.protocols.grpc_service import SERVICE
from streamlab.gateway.serving import serving
from streamlab.hub import Gap, Log, Snapshot
from streamlab.hub.log import Bounds
from streamlab.settings import Settings
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1 import streamlab_pb2_grpc
from tests.conftest import demo_model, until
from tests.gateway import FAST, Served, delta, ending, served
from tests.gateway import seqs as seqs_of
from tests.test_gateway_command import LEAVE, free_port, needs_signals, running

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]
SECRET = "swordfish-0123456789"
BEARER = (("authorization", f"Bearer {SECRET}"),)
FAR_AHEAD = 1_000.0

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Lab:
    """A gateway that listens over HTTP and gRPC, and a client of the latter."""

    http: Served
    port: int
    channel: grpc.aio.Channel

    @property
    def stub(self) -> Any:
        return streamlab_pb2_grpc.StreamlabStub(self.channel)

    async def follow(self, log: Log, after: str = "", metadata: Fields = ()) -> list[pb.Event]:
        """The whole stream of a log that has its end."""
        return await whole(self.stub.Follow(pb.FollowRequest(run_id=log.run_id, after=after), metadata=metadata))

    def figure(self, name: str) -> float:
        """A sample of the metrics, by its name and labels."""
        text = self.http.gateway.metrics.text().decode()
        return float(next(line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(f"{name} ")))


@asynccontextmanager
async def lab_of(pace: Pace = FAST, **settings: Any) -> AsyncIterator[Lab]:
    async with served(pace, **settings) as http, grpc_port(http.gateway, "127.0.0.1", 0) as port:
        assert port
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Lab(http, port, channel)


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Lab]:
    async with lab_of() as lab:
        yield lab


@pytest.fixture(scope="module")
async def closed_lab(anyio_backend: str) -> AsyncIterator[Lab]:
    """One that has a token, and short-lived follow tokens."""
    async with lab_of(gateway_tokens=(SecretStr(SECRET),), gateway_follow_token_seconds=1) as lab:
        yield lab


async def whole(call: Any) -> list[pb.Event]:
    return [event async for event in call]


async def cut(call: Any) -> tuple[list[pb.Event], grpc.aio.AioRpcError]:
    """What came of a stream that ends with an error, and the error."""
    events: list[pb.Event] = []
    try:
        async for event in call:
            events.append(event)
    except grpc.aio.AioRpcError as error:
        return events, error
    raise AssertionError("it ended well")


def refused(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    """The status and the code, of an error that has the shape of every error."""
    trailers = dict(error.trailing_metadata())
    assert (error.details() or "").endswith((".", "…"))
    assert isinstance(trailers["error-hint-bin"], bytes)
    return error.code(), str(trailers["error-code"])


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refused(caught.value)


def entries(events: list[pb.Event]) -> list[pb.Event]:
    """Those that stand in a log."""
    return [event for event in events if event.token]


def seqs(events: list[pb.Event]) -> list[int]:
    """Every seq that the events stand for."""
    return [
        seq
        for event in entries(events)
        for seq in range(event.seq_from if event.HasField("seq_from") else event.seq, event.seq + 1)
    ]


def types(events: list[pb.Event]) -> list[str]:
    for event in events:
        assert event.WhichOneof("body") == event.type
    return [event.type for event in events]


def text(events: list[pb.Event]) -> str:
    return "".join(event.text_delta.content for event in events)


def plain(event: pb.Event) -> dict[str, Any]:
    """The event as JSON has it over the other protocols."""
    data = MessageToDict(event, preserving_proto_field_name=True)
    body = data.pop(event.type, {})
    data.pop("token", None)
    whole: dict[str, Any] = {"type": data["type"], "seq": event.seq, "at": event.at, "step": event.step} | body
    if event.HasField("seq_from"):
        whole["seq_from"] = event.seq_from
    if "usage" in body:
        usage = event.done.usage
        whole["usage"] = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "estimated": usage.estimated,
        }
    return whole


def slow_model() -> str:
    return demo_model(chunks=100_000, rate=50)


def sent(event: StreamEvent) -> pb.Event:
    return pb.Event.FromString(message_of(event, "t").SerializeToString())


async def test_a_chat_is_answered_while_it_is_made(lab: Lab) -> None:
    """`open` first, then every event of the run with its resume token; OK at its end."""
    call = lab.stub.Chat(pb.ChatRequest(message="What is streaming?", model=demo_model(rate=200)))
    events = await whole(call)
    run_id = dict(await call.initial_metadata())["x-run-id"]
    log = lab.http.engine.hub.log(run_id)
    assert await call.code() == grpc.StatusCode.OK
    assert events[0].open.run_id == run_id
    assert events[0].open.epoch == log.epoch
    assert events[0].open.conversation
    assert seqs(events) == list(range(1, log.seq + 1))
    assert [event.token for event in events[1:]] == [f"{log.epoch}-{event.seq}" for event in events[1:]]
    assert text(events) == events[-2].final_answer.content
    assert types(events)[-2:] == ["final_answer", "done"]
    assert events[-1].done.status == "completed"


async def test_an_agent_s_calls_arrive_with_their_values(lab: Lab) -> None:
    """What a tool was given and gave, as free values."""
    events = await whole(lab.stub.Chat(pb.ChatRequest(message="What is 17 * 23?", agent=True, model=demo_model())))
    log = lab.http.engine.hub.log(events[0].open.run_id)
    kinds = types(events)
    assert "tool_call" in kinds
    assert "tool_result" in kinds
    tools = [event for event in entries(events) if event.type in ("tool_call", "tool_result")]
    logged = [json.loads(encode(event)) for event in log.since(0) if event.type in ("tool_call", "tool_result")]
    assert [plain(event) for event in tools] == logged


async def test_a_run_is_started_followed_and_stopped(lab: Lab) -> None:
    """Each by a call of its own; to stop again changes nothing."""
    run = await lab.stub.Start(pb.ChatRequest(message="hi", model=slow_model()))
    assert run.model.startswith("demo")
    call = lab.stub.Follow(pb.FollowRequest(run_id=run.id))
    assert (await call.read()).open.conversation == run.conversation
    assert (await call.read()).seq == 1
    assert not (await lab.stub.Stop(pb.StopRequest(run_id=run.id))).ended
    last = None
    while (event := await call.read()) is not grpc.aio.EOF:
        last = event
    assert last is not None
    assert last.done.status == "stopped"
    assert (await lab.stub.Stop(pb.StopRequest(run_id=run.id))).ended


async def test_what_was_said_before_is_told_in_messages(lab: Lab) -> None:
    """And a conversation goes on by its id."""
    messages = [pb.Message(role="user", content="hi")]
    run = await lab.stub.Start(pb.ChatRequest(messages=messages, model=demo_model(), temperature=0))
    await whole(lab.stub.Follow(pb.FollowRequest(run_id=run.id)))
    again = await lab.stub.Start(pb.ChatRequest(message="and?", conversation=run.conversation))
    assert again.conversation == run.conversation
    assert len((await lab.http.engine.chats.get(run.conversation)).turns) == 2


async def test_the_same_key_gives_the_same_run(lab: Lab) -> None:
    """Over both ways to ask; another request under it is refused."""
    request, key = pb.ChatRequest(message="hi", model=demo_model()), (("idempotency-key", "k1"),)
    first = await lab.stub.Start(request, metadata=key)
    second = await lab.stub.Start(request, metadata=key)
    assert (second.id, first.replayed, second.replayed) == (first.id, False, True)
    call = lab.stub.Chat(request, metadata=key)
    assert (await whole(call))[0].open.run_id == first.id
    assert dict(await call.initial_metadata())["idempotency-replayed"] == "true"
    other = lab.stub.Start(pb.ChatRequest(message="hello"), metadata=key)
    assert await refusal(other) == (grpc.StatusCode.FAILED_PRECONDITION, "idempotency_conflict")


async def test_resuming_anywhere_repeats_nothing_and_loses_nothing(lab: Lab) -> None:
    """At the end of a finished run there is only the end, and it is a good one."""
    log = lab.http.log(*[delta(letter, FAR_AHEAD) for letter in "stream"], *ending("stream"))
    for seq in range(log.seq + 1):
        events = await lab.follow(log, f"{log.epoch}-{seq}")
        assert seqs(events) == list(range(seq + 1, log.seq + 1))
    assert types(events) == ["open"]


async def test_a_token_goes_from_protocol_to_protocol(lab: Lab) -> None:
    """From SSE to gRPC and back, also within a range that was merged."""
    log = lab.http.log(*[delta(str(n % 10)) for n in range(100)], *ending("0123456789" * 10))
    merged = (await lab.follow(log, f"{log.epoch}-10"))[1]
    assert (merged.seq_from, merged.seq, merged.token) == (11, 100, f"{log.epoch}-100")
    rest = await lab.http.events(log, merged.token)
    assert [each.type for each in rest] == ["open", "final_answer", "done"]
    by_sse = (await lab.http.events(log, f"{log.epoch}-10"))[1]
    assert json.loads(by_sse.data) == plain(merged)
    assert types(await lab.follow(log, by_sse.id)) == ["open", "final_answer", "done"]


async def test_who_comes_late_sees_the_whole_run(lab: Lab) -> None:
    """While it goes on, and when its starter has gone."""
    call = lab.stub.Chat(pb.ChatRequest(message="hi", model=demo_model(chunks=60, rate=200)))
    run_id = (await call.read()).open.run_id
    call.cancel()
    log = lab.http.engine.hub.log(run_id)
    await until(lambda: log.seq > 10)
    events = await lab.follow(log)
    assert seqs(events) == list(range(1, log.seq + 1))
    assert text(events) == events[-2].final_answer.content
    assert events[-1].done.status == "completed"


@pytest.mark.parametrize("seq", [1, 99])
async def test_what_cannot_be_had_is_a_gap_and_its_sum(lab: Lab, seq: int) -> None:
    """What was evicted, and a place that the log does not have; both without tokens."""
    log = lab.http.log()
    log.bounds = Bounds(events=3)
    result = ToolResult("calculator", "1", [391], at=FAR_AHEAD)
    for event in (result, *[delta(letter, FAR_AHEAD) for letter in "abc"], *ending("abc")):
        log.append(event)
    events = await lab.follow(log, f"{log.epoch}-{seq}")
    assert types(events) == ["open", "gap", "snapshot", "text_delta", "final_answer", "done"]
    assert not any(event.token for event in events[:3])
    assert (events[1].gap.after, events[1].gap.seq) == (seq, 3)
    snapshot = events[2].snapshot
    assert (snapshot.seq, snapshot.step, snapshot.text) == (3, 1, "ab")
    assert plain(snapshot.tools[0]) == json.loads(encode(log.snapshot().tools[0]))


@pytest.mark.parametrize("after", ["7", "x", "0123456789abcdef-", "é"])
async def test_what_is_no_token_is_refused(lab: Lab, after: str) -> None:
    """And nothing of it is told back."""
    call = lab.stub.Follow(pb.FollowRequest(run_id=lab.http.log().run_id, after=after))
    _, error = await cut(call)
    assert refused(error) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_resume_token")


@pytest.mark.parametrize(
    "request_",
    [
        pb.ChatRequest(),
        pb.ChatRequest(message="a", messages=[pb.Message(role="user", content="b")]),
        pb.ChatRequest(messages=[pb.Message(role="assistant", content=SECRET)]),
        pb.ChatRequest(messages=[pb.Message(role=SECRET, content="b")]),
        pb.ChatRequest(message="x" * 32_001),
        pb.ChatRequest(message="hi", temperature=float("nan")),
        pb.ChatRequest(message="hi", temperature=3),
        pb.ChatRequest(message=" "),
    ],
)
async def test_what_cannot_be_asked_is_refused(lab: Lab, request_: pb.ChatRequest) -> None:
    """With a sentence that does not tell what was sent; nothing has begun."""
    before = lab.http.engine.runs.started
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await lab.stub.Start(request_)
    assert refused(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")
    assert SECRET not in repr(caught.value)
    assert lab.http.engine.runs.started == before


async def test_a_key_has_a_length(lab: Lab) -> None:
    """From 1 to 255 characters."""
    for key in ("", "k" * 256):
        call = lab.stub.Start(pb.ChatRequest(message="hi"), metadata=(("idempotency-key", key),))
        assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")


async def test_a_request_has_a_size(lab: Lab) -> None:
    """1 MiB, as over HTTP; gRPC itself says so."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await lab.stub.Start(pb.ChatRequest(message="x" * 1_100_000))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_unknown_run_is_not_found(lab: Lab) -> None:
    """To follow and to stop."""
    not_found = (grpc.StatusCode.NOT_FOUND, "unknown_run")
    assert refused((await cut(lab.stub.Follow(pb.FollowRequest(run_id="nobody"))))[1]) == not_found
    assert await refusal(lab.stub.Stop(pb.StopRequest(run_id="nobody"))) == not_found


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((), "unauthorized"),
        ((("authorization", "Bearer no"),), "invalid_access_token"),
        ((("authorization", f"Basic {SECRET}"),), "invalid_access_token"),
    ],
)
async def test_who_has_no_right_is_not_served(closed_lab: Lab, metadata: Fields, code: str) -> None:
    """Whatever is asked, before it is looked at."""
    run_id = closed_lab.http.log().run_id
    stub = closed_lab.stub
    expected = (grpc.StatusCode.UNAUTHENTICATED, code)
    assert refused((await cut(stub.Follow(pb.FollowRequest(run_id=run_id), metadata=metadata)))[1]) == expected
    assert refused((await cut(stub.Chat(pb.ChatRequest(), metadata=metadata)))[1]) == expected
    assert await refusal(stub.Start(pb.ChatRequest(), metadata=metadata)) == expected
    assert await refusal(stub.Stop(pb.StopRequest(run_id=run_id), metadata=metadata)) == expected


async def test_who_has_the_token_is_served(closed_lab: Lab) -> None:
    """With everything, and with one run's conversation."""
    request = pb.ChatRequest(message="hi", model=demo_model())
    events = await whole(closed_lab.stub.Chat(request, metadata=BEARER))
    assert events[-1].done.status == "completed"


async def test_a_follow_token_reads_one_run_until_its_time_is_over(closed_lab: Lab) -> None:
    """It does not stop it, learns no conversation, and reads no other; then `close` and UNAUTHENTICATED."""
    log = closed_lab.http.log(delta(at=FAR_AHEAD))
    other = closed_lab.http.log(*ending(""))
    token = (("follow-token", closed_lab.http.gateway.access.issue(log.run_id)),)
    call = closed_lab.stub.Follow(pb.FollowRequest(run_id=log.run_id), metadata=token)
    stop = closed_lab.stub.Stop(pb.StopRequest(run_id=log.run_id), metadata=token)
    assert await refusal(stop) == (grpc.StatusCode.PERMISSION_DENIED, "read_only")
    _, wrong = await cut(closed_lab.stub.Follow(pb.FollowRequest(run_id=other.run_id), metadata=token))
    assert refused(wrong) == (grpc.StatusCode.PERMISSION_DENIED, "other_run")
    events, error = await cut(call)
    assert types(events) == ["open", "text_delta", "close"]
    assert not events[0].open.HasField("conversation")
    assert events[-1].close.code == "expired"
    assert refused(error) == (grpc.StatusCode.UNAUTHENTICATED, "expired_follow_token")
    assert log.done is None


async def test_a_revoked_token_ends_its_streams(closed_lab: Lab) -> None:
    """At once."""
    log = closed_lab.http.log(delta(at=FAR_AHEAD))
    token = (("follow-token", closed_lab.http.gateway.access.issue(log.run_id)),)
    call = closed_lab.stub.Follow(pb.FollowRequest(run_id=log.run_id), metadata=token)
    reading = asyncio.create_task(cut(call))
    await until(lambda: log.followers == 1)
    closed_lab.http.gateway.access.revoke(log.run_id)
    events, error = await reading
    assert events[-1].close.code == "revoked"
    assert refused(error) == (grpc.StatusCode.UNAUTHENTICATED, "revoked_follow_token")


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((("x-forwarded-for", "127.0.0.1"),), "not_local"),
        ((("via", "1.1 proxy"),), "not_local"),
        ((("origin", "https://evil.example"),), "foreign_origin"),
    ],
)
async def test_without_tokens_no_proxy_and_no_foreign_page_is_served(lab: Lab, metadata: Fields, code: str) -> None:
    """As over HTTP."""
    log = lab.http.log(*ending(""))
    _, error = await cut(lab.stub.Follow(pb.FollowRequest(run_id=log.run_id), metadata=metadata))
    assert refused(error) == (grpc.StatusCode.PERMISSION_DENIED, code)


def _own_address() -> str | None:
    """An address of this machine that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return None if address.startswith("127.") else address


async def test_without_tokens_only_this_machine_is_served(lab: Lab) -> None:
    """Also where the port is open to others."""
    address = _own_address()
    if address is None:
        pytest.skip("this machine has no address besides loopback")
    direct = [("grpc.enable_http_proxy", 0)]
    async with (
        grpc_port(lab.http.gateway, "0.0.0.0", 0) as port,
        grpc.aio.insecure_channel(f"{address}:{port}", direct) as channel,
    ):
        call = streamlab_pb2_grpc.StreamlabStub(channel).Stop(pb.StopRequest(run_id="x"))
        assert await refusal(call) == (grpc.StatusCode.PERMISSION_DENIED, "not_local")


async def test_ipv6_loopback_is_this_machine(lab: Lab) -> None:
    """Where the machine has it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    async with grpc_port(lab.http.gateway, "::1", 0) as port, grpc.aio.insecure_channel(f"[::1]:{port}") as channel:
        call = streamlab_pb2_grpc.StreamlabStub(channel).Stop(pb.StopRequest(run_id="x"))
        assert await refusal(call) == (grpc.StatusCode.NOT_FOUND, "unknown_run")


async def test_limits_say_when_to_come_again() -> None:
    """RESOURCE_EXHAUSTED with `retry-after` in seconds."""
    async with lab_of(gateway_runs_per_minute=1) as lab:
        await lab.stub.Start(pb.ChatRequest(message="hi", model=demo_model()))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await lab.stub.Start(pb.ChatRequest(message="hi", model=demo_model()))
        assert refused(caught.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_runs")
        assert 1 <= int(dict(caught.value.trailing_metadata())["retry-after"]) <= 60


async def test_what_goes_wrong_inside_is_not_told(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    """The log has it; the client learns that the server failed."""
    log = lab.http.log()
    log.append(ToolCall("t", SECRET, {"a": 10**400}, at=FAR_AHEAD, step=-1))
    with caplog.at_level(logging.CRITICAL, "streamlab"):
        _, error = await cut(lab.stub.Follow(pb.FollowRequest(run_id=log.run_id)))
    assert refused(error) == (grpc.StatusCode.INTERNAL, "internal")
    assert SECRET not in repr(error)


async def test_a_client_that_does_not_read_is_closed_and_others_go_on() -> None:
    """After the time that a send may take. When it reads again it learns why, and can go on from its last token."""
    async with lab_of(Pace(frame=0.005, send=0.3, check=0.05)) as lab:
        log = lab.http.log()
        stalled = lab.stub.Follow(pb.FollowRequest(run_id=log.run_id))
        await stalled.initial_metadata()
        reader = asyncio.create_task(lab.follow(log))
        await until(lambda: log.followers == 2)
        for _ in range(300):
            log.append(Thinking("x" * 100_000, at=FAR_AHEAD))
            await asyncio.sleep(0.001)
        await until(lambda: log.followers == 1)
        assert lab.figure('streamlab_disconnects_total{protocol="grpc",reason="slow"}') == 1
        for event in ending("x"):
            log.append(event)
        others = await reader
        assert types(others)[-1] == "done"
        assert seqs(others)[-1] == log.seq
        events, error = await cut(stalled)
        assert refused(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow")
        assert dict(error.trailing_metadata())["retry-after"] == "1"
        got = seqs(events)
        assert got == list(range(1, len(got) + 1))
        rest = await lab.follow(log, events[-1].token)
        assert types(rest)[-1] == "done"


async def test_a_client_that_did_not_read_may_leave(caplog: pytest.LogCaptureFixture) -> None:
    """Without a word in the log but the end of its delivery."""
    async with lab_of(Pace(frame=0.005, send=0.2, check=0.05)) as lab:
        log = lab.http.log()
        stalled = lab.stub.Follow(pb.FollowRequest(run_id=log.run_id))
        await stalled.initial_metadata()
        for _ in range(300):
            log.append(Thinking("x" * 100_000, at=FAR_AHEAD))
        await until(lambda: lab.figure('streamlab_followers{protocol="grpc"}') == 0)
        assert _calls()
        stalled.cancel()
        await until(lambda: not _calls())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def _calls() -> list[str]:
    """The server's tasks that belong to a call."""
    names = [task.get_name() for task in asyncio.all_tasks()]
    return [name for name in names if name == "rpc_task" or "HandleExceptions" in name]


async def test_who_leaves_leaves_nothing_behind(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    """200 clients that come and go, while they wait or while they read: no task, no follower, no delivery."""
    log = lab.http.log(delta(at=FAR_AHEAD))

    async def come_and_go(number: int) -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{lab.port}", [("grpc.use_local_subchannel_pool", 1)]) as own:
            call = streamlab_pb2_grpc.StreamlabStub(own).Follow(pb.FollowRequest(run_id=log.run_id))
            for _ in range(number % 3):
                await call.read()
            call.cancel()

    for start in range(0, 200, 20):
        await asyncio.gather(*[come_and_go(number) for number in range(start, start + 20)])
    await until(lambda: log.followers == 0)
    await until(lambda: not len(lab.http.gateway.deliveries))
    await until(lambda: not _calls())
    assert lab.figure('streamlab_followers{protocol="grpc"}') == 0
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_one_encoding_serves_all(lab: Lab) -> None:
    """What is sent over gRPC is counted as over any protocol: events, and the bytes of the messages."""
    log = lab.http.log(*[delta(letter, FAR_AHEAD) for letter in "abc"], *ending("abc"))
    names = ('streamlab_events_sent_total{protocol="grpc"}', 'streamlab_bytes_sent_total{protocol="grpc"}')
    before = [lab.figure(name) for name in names]
    streams = await asyncio.gather(*[lab.follow(log) for _ in range(5)])
    assert [lab.figure(name) for name in names] == [
        before[0] + 5 * log.seq,
        before[1] + sum(event.ByteSize() for stream in streams for event in stream),
    ]
    assert all(stream == streams[0] for stream in streams)


async def test_silence_has_signs_of_life() -> None:
    """An empty message, so that nothing between here and there takes the stream for dead."""
    async with lab_of(Pace(frame=0.005, heartbeat=0.1, check=0.02)) as lab:
        log = lab.http.log(delta(at=FAR_AHEAD))
        call = lab.stub.Follow(pb.FollowRequest(run_id=log.run_id))
        events = [await call.read() for _ in range(4)]
        assert types(events[:2]) == ["open", "text_delta"]
        assert events[2:] == [pb.Event(), pb.Event()]
        call.cancel()


async def health_of(lab: Lab, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(lab.channel)
    status: int = (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status
    return status


async def test_draining_says_so() -> None:
    """Not serving first; then `drain` and UNAVAILABLE, as for who comes after."""
    async with lab_of() as lab:
        log = lab.http.log(delta(at=FAR_AHEAD))
        await until(lambda: lab.http.gateway.ready)
        reading = asyncio.create_task(cut(lab.stub.Follow(pb.FollowRequest(run_id=log.run_id))))
        watch = health_pb2_grpc.HealthStub(lab.channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await until(lambda: log.followers == 1)
        draining = asyncio.create_task(lab.http.gateway.drain(1.0))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not reading.done()
        await draining
        events, error = await reading
        assert types(events) == ["open", "text_delta", "drain"]
        assert refused(error) == (grpc.StatusCode.UNAVAILABLE, "draining")
        assert await health_of(lab, "") == health_pb2.HealthCheckResponse.NOT_SERVING
        _, late = await cut(lab.stub.Follow(pb.FollowRequest(run_id=log.run_id)))
        assert refused(late) == (grpc.StatusCode.UNAVAILABLE, "draining")
        ask = lab.stub.Start(pb.ChatRequest(message="hi"))
        assert await refusal(ask) == (grpc.StatusCode.UNAVAILABLE, "draining")
        watch.cancel()


async def test_health_and_reflection_name_the_service(lab: Lab) -> None:
    """What grpcurl and balancers ask, without a token. The client's own copy of the messages may be loaded beside."""
    assert client_pb.DESCRIPTOR is pb.DESCRIPTOR
    assert await health_of(lab, SERVICE) == health_pb2.HealthCheckResponse.SERVING
    stub = reflection_pb2_grpc.ServerReflectionStub(lab.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    ]
    services, file = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    assert SERVICE in [service.name for service in services.list_services_response.service]
    assert pb.DESCRIPTOR.serialized_pb in file.file_descriptor_response.file_descriptor_proto


async def test_a_taken_port_is_told_and_the_rest_runs(caplog: pytest.LogCaptureFixture) -> None:
    """A warning that says what to set; HTTP is served as ever."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = Settings(_env_file=None, lab_grpc_port=port)
        api = create_app(settings)
        async with open_engine(settings) as engine, serving(api, engine) as gateway:
            assert gateway.ready
            assert api.state.gateway is gateway
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert str(port) in warnings[0]
    assert "LAB_GRPC_PORT" in warnings[0]


async def test_the_port_of_the_settings_is_served() -> None:
    """For as long as the gateway is."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = Settings(_env_file=None, lab_grpc_port=port)
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        async with open_engine(settings) as engine, serving(create_app(settings), engine):
            events = await whole(
                streamlab_pb2_grpc.StreamlabStub(channel).Chat(pb.ChatRequest(message="hi", model=demo_model()))
            )
            assert events[-1].done.status == "completed"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="this system cannot share ports")
async def test_processes_that_know_each_other_s_runs_share_a_port(lab: Lab) -> None:
    """Only where they are told to."""
    async with grpc_port(lab.http.gateway, "127.0.0.1", 0, shared=True) as first:
        assert first
        async with grpc_port(lab.http.gateway, "127.0.0.1", first, shared=True) as second:
            assert second == first
        async with grpc_port(lab.http.gateway, "127.0.0.1", first) as alone:
            assert alone is None


@needs_signals
def test_the_command_serves_grpc_and_leaves_in_peace(tmp_path: Path) -> None:
    """A real process on the set port: SIGTERM ends the stream with `drain` and UNAVAILABLE, then the process."""
    port, grpc_port = free_port(), free_port()
    command = running("streamlab.gateway", "--port", str(port), port=port, cwd=tmp_path, LAB_GRPC_PORT=str(grpc_port))
    with command as (process, log), grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        stub = streamlab_pb2_grpc.StreamlabStub(channel)
        events = [*stub.Chat(pb.ChatRequest(message="hi", model=demo_model()))]
        assert events[-1].done.status == "completed"
        call = stub.Chat(pb.ChatRequest(message="hi", model=slow_model()))
        events = [next(call), next(call)]
        process.send_signal(signal.SIGTERM)
        with suppress(grpc.RpcError):
            events.extend(call)
        assert call.code() == grpc.StatusCode.UNAVAILABLE
        assert events[-1].type == "drain"
        assert seqs(events) == list(range(1, events[-2].seq + 1))
        assert process.wait(LEAVE) in (0, -signal.SIGTERM)
        logged = log.read_text()
        assert "Traceback" not in logged
        assert "reason=drained" in logged


@pytest.mark.soak
def test_without_a_port_grpc_is_not_loaded() -> None:
    """It takes memory and time; 0 turns it off."""
    code = """
import asyncio, sys
from streamlab.engine import open_engine
from streamlab.gateway.http import create_app
from streamlab.gateway.serving import serving
from streamlab.settings import Settings

async def main():
    settings = Settings(_env_file=None, lab_grpc_port=0)
    async with open_engine(settings) as engine, serving(create_app(settings), engine) as gateway:
        print(gateway.ready, "grpc" in sys.modules)

if __name__ == "__main__":
    asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["True", "False"]


EVENTS = [
    Thinking("配信 🎈", seq=1, at=0.5),
    TextDelta("\u2028\r\n\x00", 3, seq=9, at=0.5, step=2),
    ToolCall("t", "c", {"a": [1, 2.5, None, True, {"": "x"}]}, seq=1, at=0.5),
    ToolResult("t", "c", "391", "failed", seq=1, at=0.5),
    ToolResult("t", "c", seq=1, at=0.5),
    FinalAnswer("x" * 5_000_000, seq=1, at=0.5),
    Retry("timeout", 1.5, seq=1, at=0.5),
    Error("auth", "no", seq=1, at=0.5),
    Error("auth", seq=1, at=0.5),
    Done("failed", "length", Usage(1, 2, estimated=True), seq=1, at=0.5),
    Done("completed", usage=Usage(0, 0), seq=1, at=0.5),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_says_what_it_says_over_the_other_protocols(event: StreamEvent) -> None:
    """Field by field, by the same names."""
    message = sent(event)
    assert message.type == message.WhichOneof("body") == event.type
    assert plain(message) == json.loads(encode(event))


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_a_surrogate_is_replaced_one_by_one(content: str) -> None:
    """UTF-8 cannot say it; the deltas joined are still the final answer."""
    whole = sent(FinalAnswer(content, seq=1, at=0.0)).final_answer.content
    assert "".join(sent(delta(each)).text_delta.content for each in content) == whole
    assert len(whole) == len(content)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(values.filter(lambda value: value is not None))
def test_what_a_tool_gave_arrives_as_it_was(value: Any) -> None:
    """Any value of JSON."""
    message = sent(ToolResult("t", "c", value, seq=1, at=0.0))
    assert MessageToDict(message.tool_result.result) == value


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 10**400])
def test_a_number_that_a_double_cannot_hold_is_sent_by_its_digits(number: int) -> None:
    """A wrong one would be worse than a string."""
    message = sent(ToolResult("t", "c", [number], seq=1, at=0.0))
    assert message.tool_result.result.list_value.values[0].string_value == str(number)


def test_a_value_may_be_deeper_than_protobuf_reads() -> None:
    """From a depth on it is JSON in a string, so that every client can read the message, also in a snapshot."""
    deep: Any = "bottom"
    for _ in range(200):
        deep = {"a": deep}
    snapshot = Snapshot(1, 1, "", (ToolResult("t", "c", deep, seq=1, at=0.0),))
    message = pb.Event.FromString(message_of(snapshot).SerializeToString())
    value: Any = MessageToDict(message.snapshot.tools[0].tool_result.result)
    for _ in range(24):
        value = value["a"]
    for _ in range(200 - 24):
        value = (json.loads(value) if isinstance(value, str) else value)["a"]
    assert value == "bottom"


def test_every_body_is_made_from_its_control_event() -> None:
    """Those that no log holds; what is None is not set."""
    bodies: dict[str, ControlEvent] = {
        "open": Open("r", "e", None, "m"),
        "gap": Gap(1, 10**15 - 1),
        "drain": Drain(),
        "close": Close("expired"),
    }
    for name, event in bodies.items():
        message = pb.Event.FromString(message_of(event).SerializeToString())
        assert message.WhichOneof("body") == message.type == name
        assert not message.token
        told = {field: value for field, value in asdict(event).items() if value is not None}
        assert {field.name: value for field, value in getattr(message, name).ListFields()} == told


@pytest.mark.parametrize(
    ("said", "arrives"),
    [
        ((1, 2), [1, 2]),
        ({1: "a", False: "b", None: "c"}, {"1": "a", "false": "b", "null": "c"}),
        ([math.nan, -math.inf], ["nan", "-inf"]),
        ("\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"),
    ],
)
def test_a_value_arrives_as_over_the_other_protocols(said: Any, arrives: Any) -> None:
    """What a tool gave in Python's own ways is what its JSON says: tuples, names, numbers and halves of characters."""
    event = ToolResult("t", "c", said, seq=1, at=0.0)
    assert MessageToDict(sent(event).tool_result.result) == arrives
    assert json.loads(encode(event))["result"] == json.loads(json.dumps(arrives).replace("\\ufffd", "\\ud83d"))


def test_the_events_of_logs_are_those_of_the_merged_law() -> None:
    """The tests' own count of seqs agrees with the other protocols'."""
    events: list[StreamEvent] = [TextDelta("x", 3, seq=9), Done("completed", seq=10)]
    assert seqs([sent(event) for event in events]) == seqs_of(events)


def test_the_committed_code_is_made_from_the_description(tmp_path: Path) -> None:
    """`make protocol` would change nothing."""
    command = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-Iprotocol", *command, "streamlab/v1/streamlab.proto"],
        cwd=ROOT,
        check=True,
    )
    made = sorted((tmp_path / "streamlab" / "v1").iterdir())
    assert len(made) == 3
    for file in made:
        assert (ROOT / "streamlab" / "v1" / file.name).read_text() == file.read_text(), file.name
