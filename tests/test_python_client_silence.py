"""The Python client over gRPC, where what is behind a proxy falls silent and the proxy goes on answering pings."""

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import grpc
import pytest
from streamlab_client import AsyncClient, Backoff, Client, ConnectionLost, Event
from streamlab_client.retry import MISSED_HEARTBEATS
from streamlab_client.silence import THREAD

from streamlab.gateway.delivery import Pace
from tests.conftest import PATIENCE, demo_model, threads_gone, until
from tests.gateway import FAR_AHEAD, delta, ending
from tests.python_client import Lab, check_whole, in_thread, lab_of

pytestmark = pytest.mark.anyio

PULSE = 0.1  # seconds between the gateway's signs of life
HEARTBEAT = 0.2  # seconds, of which clients are told
TOLD = {"heartbeat": HEARTBEAT}
LIMIT = HEARTBEAT * MISSED_HEARTBEATS
BEFORE_THE_HEAD = -1
FOR_GOOD = [BEFORE_THE_HEAD] * 1_000

Context = grpc.aio.ServicerContext[bytes, bytes]


class Proxy(grpc.GenericRpcHandler):
    """Passes every call on over a connection of its own. The first ones fall silent: each after as many messages, signs
    of life among them, as `silences` says, or before its head. It stays silent until the client ends the call.
    """

    def __init__(self, server: grpc.aio.Channel, silences: list[int]) -> None:
        self._server = server
        self._silences = silences
        self.calls = 0
        self.open = 0
        self.signs_of_life = 0

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        return grpc.unary_stream_rpc_method_handler(partial(self._pass_on, details.method))

    async def _pass_on(self, method: str, request: bytes, context: Context) -> AsyncIterator[bytes]:
        self.calls += 1
        self.open += 1
        silence = self._silences.pop(0) if self._silences else None
        sent = [(name, value) for name, value in context.invocation_metadata() or () if name == "idempotency-key"]
        stream: Any = self._server.unary_stream(method)
        call = stream(request, metadata=sent)
        try:
            if silence == BEFORE_THE_HEAD:
                await asyncio.Event().wait()
            await context.send_initial_metadata(await call.initial_metadata())
            passed = 0
            while passed != silence and (message := await call.read()) is not grpc.aio.EOF:
                self.signs_of_life += not message
                yield message
                passed += 1
            if silence is not None:
                await asyncio.Event().wait()
        finally:
            self.open -= 1
            call.cancel()


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Lab]:
    pace = Pace(frame=0.005, heartbeat=PULSE, send=10, check=0.02)
    async with lab_of(pace, gateway_runs_per_minute=1_000) as lab:
        yield lab


@asynccontextmanager
async def behind(lab: Lab, *silences: int) -> AsyncIterator[tuple[Proxy, Lab]]:
    """The proxy, and the gateway behind it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{lab.port}") as channel:
        proxy = Proxy(channel, list(silences))
        server = grpc.aio.server(options=[("grpc.http2.max_ping_strikes", 0)])  # it answers any number of pings
        server.add_generic_rpc_handlers([proxy])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield proxy, Lab(lab.http, port)
        finally:
            await server.stop(None)


Read = Callable[..., Any]


async def by_a_thread(lab: Lab, run: str | None = None, **options: Any) -> tuple[list[Event], str, int]:
    """Read a run, or the answer to a question, and return its events, its text and how many connections it took."""

    def read() -> tuple[list[Event], str, int]:
        with lab.client("grpc", **(TOLD | options)) as client:
            stream = client.follow(run) if run else client.chat("Hi", model=demo_model(chunks=20, rate=200))
            return list(stream), stream.answer, stream.connections

    result: tuple[list[Event], str, int] = await in_thread(read)
    return result


async def by_a_task(lab: Lab, run: str | None = None, **options: Any) -> tuple[list[Event], str, int]:
    """The same on an event loop."""
    async with lab.aclient("grpc", **(TOLD | options)) as client:
        stream = client.follow(run) if run else client.chat("Hi", model=demo_model(chunks=20, rate=200))
        with anyio.fail_after(PATIENCE):
            return [event async for event in stream], stream.answer, stream.connections


by_each = pytest.mark.parametrize("read", [by_a_thread, by_a_task])


@by_each
async def test_a_silent_stream_is_taken_up_where_it_was(lab: Lab, read: Read) -> None:
    """Silent before its head, after it and after some messages: each event comes once, and the run is paid for once."""
    before = lab.http.engine.runs.started
    async with behind(lab, BEFORE_THE_HEAD, 0, 3) as (proxy, far):
        events, answer, _ = await read(far)
        check_whole(events, answer)
        assert proxy.calls >= 4
        await until(lambda: not proxy.open)
    assert lab.http.engine.runs.started == before + 1
    await threads_gone(THREAD)


@by_each
async def test_a_followed_run_that_falls_silent_after_signs_of_life_is_taken_up(lab: Lab, read: Read) -> None:
    """A sign of life counts for a limit, and no longer."""
    log = lab.http.log(delta("a", FAR_AHEAD))
    async with behind(lab, 6) as (proxy, far), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read(far, log.run_id))
        await until(lambda: proxy.calls > 1 and proxy.signs_of_life > 2)
        for event in ending("a"):
            log.append(event)
        check_whole(*(await reading)[:2])


@by_each
async def test_signs_of_life_keep_a_connection(lab: Lab, read: Read) -> None:
    """Nothing else comes for longer than the limit."""
    heartbeat = 0.8
    log = lab.http.log(delta("a", FAR_AHEAD))
    async with behind(lab) as (proxy, far), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read(far, log.run_id, heartbeat=heartbeat))
        await until(lambda: proxy.signs_of_life * PULSE > 1.2 * heartbeat * MISSED_HEARTBEATS)
        for event in ending("a"):
            log.append(event)
        events, answer, connections = await reading
        check_whole(events, answer)
        assert (connections, proxy.calls) == (1, 1)


@by_each
async def test_a_server_that_stays_silent_is_told(lab: Lab, read: Read) -> None:
    """In one sentence, after as many attempts as the client has."""
    async with behind(lab, *FOR_GOOD) as (proxy, far):
        with pytest.raises(ConnectionLost) as caught:
            await read(far, backoff=Backoff(attempts=2, first=0.01, longest=0.02))
        assert str(caught.value).startswith("The server has been silent for too long. Check the address")
        assert proxy.calls == 2
        await until(lambda: not proxy.open)
    await threads_gone(THREAD)


async def test_a_call_that_is_not_answered_is_told_likewise(lab: Lab) -> None:
    """One whose answer is a single message."""
    async with (
        behind(lab, *FOR_GOOD) as (_, far),
        far.aclient("grpc", backoff=Backoff(attempts=1), **TOLD) as client,
    ):
        with pytest.raises(ConnectionLost, match="silent for too long"):
            await client.run("run")


async def test_a_slow_reader_loses_no_connection(lab: Lab) -> None:
    """What it does between two events, for longer than the limit, is not the server's silence."""
    log = lab.http.log(delta("a"), *ending("a"))
    heartbeat = 0.6
    pause = 1.2 * heartbeat * MISSED_HEARTBEATS

    def read() -> None:
        with far.client("grpc", heartbeat=heartbeat) as client:
            stream = client.follow(log.run_id)
            for event in stream:
                if event.seq == 1:
                    time.sleep(pause)
            assert stream.connections == 1

    async def aread() -> None:
        async with far.aclient("grpc", heartbeat=heartbeat) as client:
            stream = client.follow(log.run_id)
            async for event in stream:
                if event.seq == 1:
                    await anyio.sleep(pause)
            assert stream.connections == 1

    async with behind(lab) as (proxy, far):
        await asyncio.gather(in_thread(read), aread())
        assert proxy.calls == 2


async def test_cancelling_a_reader_cancels_it(lab: Lab) -> None:
    """Whenever: before the head, between messages, and about when the limit is over."""
    log = lab.http.log(delta("a", FAR_AHEAD))

    async def read(client: AsyncClient) -> None:
        async for _ in client.follow(log.run_id):
            pass

    async def cancelled(client: AsyncClient, seconds: float) -> bool:
        reading = asyncio.create_task(read(client))
        await asyncio.sleep(seconds)
        reading.cancel()
        await asyncio.wait([reading])
        return reading.cancelled()

    silences = [random.choice((BEFORE_THE_HEAD, 0, 2)) for _ in range(1_000)]
    moments = [LIMIT * share for share in (0, 0.1, 0.5, *(random.uniform(0.9, 1.3) for _ in range(20)))]
    async with behind(lab, *silences) as (proxy, far), far.aclient("grpc", **TOLD) as client:
        assert all(await asyncio.gather(*(cancelled(client, moment) for moment in moments)))
        with anyio.move_on_after(LIMIT / 2) as scope:
            await read(client)
        assert scope.cancelled_caught
        await until(lambda: not proxy.open)


async def test_no_thread_stays_however_a_stream_ends(lab: Lab) -> None:
    """By its end, by leaving its loop, by an exception, by closing, with what held it, and with its client."""
    log, whole = lab.http.log(delta("a", FAR_AHEAD)), lab.http.log(delta("a"), *ending("a"))
    async with behind(lab) as (_, far):

        def gone() -> None:
            anyio.from_thread.run(threads_gone, THREAD)

        def begun(client: Client) -> Iterator[Event]:
            events = iter(client.follow(log.run_id))
            next(events)
            return events

        def read() -> None:
            with far.client("grpc", **TOLD) as client:
                assert len(list(client.follow(whole.run_id))) == 3
                gone()
                for _ in client.follow(log.run_id):
                    break
                gone()
                with suppress(ZeroDivisionError):
                    for _ in client.follow(log.run_id):
                        raise ZeroDivisionError
                gone()
                with client.follow(log.run_id) as stream:
                    next(iter(stream))
                gone()
                held = begun(client)
                del held
                gc.collect()
                gone()
                held = begun(client)
            gone()  # as the client was closed
            assert held

        await in_thread(read)
