"""The Python client through cut connections, and leaving a stream."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import anyio
import pytest
from streamlab_client import AsyncClient, Backoff, Client, ConnectionLost
from streamlab_client._async.transport import ProtocolName

from tests import python_client
from tests.conftest import PATIENCE, demo_model, until
from tests.gateway import FAR_AHEAD, delta, ending
from tests.python_client import QUICK, SECRET, Lab, check_whole, in_thread, over_each, told

lab = python_client.lab  # fixtures are found by their names

pytestmark = pytest.mark.anyio


def long_answer(**options: object) -> str:
    """A model whose answer lasts for as long as a test, about, unless it is stopped."""
    return demo_model(**({"chunks": 5_000, "rate": 100} | options))


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
    log = lab.http.log(delta("a", FAR_AHEAD), delta("b", FAR_AHEAD), *ending("ab"))
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


@over_each
async def test_the_state_of_a_run_can_be_asked_for(lab: Lab, protocol: ProtocolName) -> None:
    """Live and finished; its text is what a follower has, and it is the same over each protocol."""
    async with lab.aclient(protocol) as client, lab.aclient("sse") as other:
        started = await client.start("Hi", model=long_answer())
        live = await client.run(started.id)
        assert (live.status, live.code, live.usage) == ("live", None, None)
        assert await client.stop(started.id)
        stream = client.follow(started.id)
        assert [event async for event in stream]
        state = await client.run(started.id)
        assert (state.status, state.text, state.code) == ("stopped", stream.answer, stream.code)
        assert state.usage
        assert state == await other.run(started.id)


@over_each
async def test_a_run_is_looked_at_through_cut_connections(lab: Lab, protocol: ProtocolName) -> None:
    """However often it must be asked for."""
    log = lab.http.log(delta("a" * 2_000), *ending("a" * 2_000))
    async with (
        cut(lab, protocol, 100_000, 1, 20, 90) as (cutter, url),
        AsyncClient(url, protocol=protocol, backoff=QUICK) as client,
    ):
        assert (await client.run(log.run_id)).text == "a" * 2_000
    assert cutter.cuts >= 3
