"""Promises under a crowd: hundreds of clients, of which some or all do not read."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from streamlab.gateway.delivery import Pace
from streamlab.hub import Log
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1.streamlab_pb2_grpc import StreamlabStub
from tests import crowd as crowds
from tests.crowd import (
    AT_ONCE,
    PATIENCE,
    WINDOW,
    Client,
    Footprint,
    Peak,
    crowd,
    descriptors,
    ended,
    figure,
    finish,
    narrow_gateway,
    path_of,
    reading,
    until,
    write,
)
from tests.gateway import log_events, seqs
from tests.grpc_gateway import Lab, cut, lab_of, refused
from tests.grpc_gateway import seqs as grpc_seqs

enough_descriptors = crowds.enough_descriptors  # fixtures are found by their names

pytestmark = pytest.mark.anyio

IMPATIENT = Pace(send=1, check=0.1, heartbeat=300)
CLIENTS = 300
MIB = 2**20
HELD = 128 * 1024  # bytes of memory that a client which does not read may cost: its buffer, a frame, and its task
UNDER_WAY = 512 * 1024  # bytes that were sent to such a client at most: what it costs here, and what the network holds
LOG = 64 * MIB  # bytes: a log of 8 MiB and its frames, encoded and not, and what the collector has not come to


# Clients that do not read


@pytest.mark.soak
async def test_one_of_three_hundred_that_does_not_read_harms_no_other() -> None:
    """The others get every event once and in order, byte for byte what one gets who comes afterwards. The one that
    stalled is ended as slow; when it comes back it has lost nothing either.
    """
    async with narrow_gateway(IMPATIENT) as lab:
        log = lab.log()
        async with (
            crowd(lab.port, path_of(log), 1, WINDOW) as (stalled,),
            crowd(lab.port, path_of(log), CLIENTS - 1) as others,
        ):
            await until(lambda: log.followers == CLIENTS)
            async with asyncio.timeout(PATIENCE), reading(others):
                await write(log, 2_000, 0.01, lambda: log.followers == CLIENTS)
                assert log.followers == CLIENTS - 1
                until_seq = log.seq + 20
                await write(log, 2_000, 0.01, lambda: log.seq < until_seq)
                finish(log)
            whole = (await lab.get(log)).content
            assert {client.body for client in others} == {whole}
            assert all(client.whole for client in others)
            assert others[0].events == log.since(0)
            await stalled.read_to_end()
            assert not stalled.whole
            assert stalled.events + log_events(await lab.events(log, stalled.last_id)) == log.since(0)
        assert ended(lab.gateway, "sse", "slow") == 1


@pytest.mark.parametrize("number", [50, pytest.param(CLIENTS, marks=pytest.mark.soak)])
async def test_when_nobody_reads_memory_is_bounded_and_nothing_is_left(number: int) -> None:
    """Hundreds that read nothing of a run of 30 MB: each costs no more than what is on its way, is ended as slow,
    and leaves neither task nor open file. Who comes then is served as ever.
    """
    async with narrow_gateway(IMPATIENT) as lab:
        log = lab.log()
        async with crowd(lab.port, path_of(log), AT_ONCE):  # what the first ones pay for
            await until(lambda: log.followers == AT_ONCE)
        await until(lambda: log.followers == 0)
        before, sent_before = await Footprint.at_rest(), lab.gateway.deliveries.traffic["sse"].sent
        async with crowd(lab.port, path_of(log), number, WINDOW), Peak() as peak:
            await until(lambda: log.followers == number)
            await write(log, 30_000, 0.0, lambda: log.seq < 1_000)
            await until(lambda: log.followers == 0)
            await until(lambda: descriptors() == before.descriptors + number)
        assert peak.growth < number * HELD + LOG
        assert lab.gateway.deliveries.traffic["sse"].sent - sent_before < number * UNDER_WAY
        assert ended(lab.gateway, "sse", "slow") == number
        assert figure(lab.gateway, "streamlab_followers", protocol="sse") == 0
        await until(lambda: len(asyncio.all_tasks()) == before.tasks)
        await until(lambda: descriptors() == before.descriptors)
        finish(log)
        sent = await lab.events(log)
        gap = [each.type for each in sent].index("gap")
        assert seqs(log_events(sent[gap:])) == list(range(log.first, log.seq + 1))


async def trickle(client: Client, going_on: Callable[[], bool]) -> None:
    """Read one byte a second, for as long as it goes on and the server does not close the connection."""
    while going_on() and await client.read(1):  # noqa: ASYNC110 # the pace is what is tried
        await asyncio.sleep(1)


@pytest.mark.soak
async def test_who_reads_a_byte_a_second_is_served_as_long_as_the_network_holds_what_comes() -> None:
    """It is not cut off for being slow while nothing of it is in the way. When it reads fast again it has lost nothing,
    nor have those beside it.
    """
    async with narrow_gateway(Pace(send=1, check=0.1, heartbeat=300)) as lab:
        log = lab.log()
        async with (
            crowd(lab.port, path_of(log), 1, WINDOW) as (slow,),
            crowd(lab.port, path_of(log), 10) as others,
        ):
            await until(lambda: log.followers == 11)
            async with asyncio.timeout(PATIENCE), reading(others), asyncio.TaskGroup() as tasks:
                tasks.create_task(trickle(slow, lambda: log.done is None))
                await write(log, 200, 0.02, lambda: log.seq < 200)
                assert log.followers == 11
                finish(log)
            await slow.read_to_end()
            whole = (await lab.get(log)).content
            assert {client.body for client in (slow, *others)} == {whole}
            assert slow.events == log.since(0)
        assert ended(lab.gateway, "sse", "slow") == 0


async def test_a_byte_a_second_does_not_keep_a_stalled_connection_open() -> None:
    """A run that writes more than the network holds: the trickle is no progress, so it ends as slow. With the last
    place that it has it gets exactly the rest.
    """
    async with narrow_gateway(IMPATIENT) as lab:
        log = lab.log()
        async with crowd(lab.port, path_of(log), 1, WINDOW) as (slow,), asyncio.TaskGroup() as tasks:
            await until(lambda: log.followers == 1)
            tasks.create_task(trickle(slow, lambda: log.followers == 1))
            await write(log, 5_000, 0.01, lambda: log.followers == 1)
            finish(log)
            await slow.read_to_end()
            assert not slow.whole
            assert slow.events + log_events(await lab.events(log, slow.last_id)) == log.since(0)
        assert ended(lab.gateway, "sse", "slow") == 1


# Clients of gRPC that do not read: their library holds the call until they read or leave


async def test_calls_that_nobody_reads_cost_no_more_than_their_task() -> None:
    """Fifty calls are ended as slow: no delivery, no follower and no more memory, however much the run goes on to
    write. What stays is one task for each call, until its client reads, which tells it why, or leaves.
    """
    async with lab_of(Pace(frame=0.005, send=1, check=0.1, heartbeat=300)) as lab:
        log = lab.http.log()
        async with AsyncExitStack() as channels:
            calls = [await stalled_call(lab, log, channels) for _ in range(AT_ONCE)]
            await until(lambda: log.followers == AT_ONCE)
            idle = len(asyncio.all_tasks())
            await write(log, 100_000, 0.005, lambda: log.followers > 0)
            await until(lambda: len(lab.http.gateway.deliveries) == 0)
            assert ended(lab.http.gateway, "grpc", "slow") == AT_ONCE
            assert figure(lab.http.gateway, "streamlab_followers", protocol="grpc") == 0
            assert len(asyncio.all_tasks()) <= idle
            async with Peak() as peak:
                until_seq = log.seq + 500
                await write(log, 100_000, 0.001, lambda: log.seq < until_seq)
            assert peak.growth < LOG
            assert len(asyncio.all_tasks()) <= idle
            for call in calls[: AT_ONCE // 2]:
                events, error = await cut(call)
                assert refused(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow")
                assert grpc_seqs(events) == list(range(1, events[-1].seq + 1))
            await until(lambda: call_tasks() == AT_ONCE - AT_ONCE // 2)
            for call in calls[AT_ONCE // 2 :]:
                call.cancel()
            await until(lambda: call_tasks() == 0)


async def stalled_call(lab: Lab, log: Log, channels: AsyncExitStack) -> Any:
    """A client of its own, which has its connection and reads nothing."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = await channels.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{lab.port}", options))
    call = StreamlabStub(channel).Follow(pb.FollowRequest(run_id=log.run_id))
    await call.initial_metadata()
    return call


def call_tasks() -> int:
    """The server's tasks that hold a call open."""
    return sum(task.get_name() == "rpc_task" for task in asyncio.all_tasks())
