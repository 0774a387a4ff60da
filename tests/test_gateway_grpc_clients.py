"""Clients over gRPC that do not read or leave, and what is left of them."""

import asyncio
import logging

import grpc
import pytest

from streamlab.events.event import Thinking, ToolCall
from streamlab.gateway.delivery import Pace
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1 import streamlab_pb2_grpc
from tests import grpc_gateway
from tests.conftest import until
from tests.gateway import FAR_AHEAD, delta, ending
from tests.grpc_gateway import SECRET, Lab, cut, lab_of, refused, seqs, types

lab = grpc_gateway.lab  # fixtures are found by their names

pytestmark = pytest.mark.anyio


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
