"""One log to many clients in time: signs of life, clients that do not read, draining, and leaving."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import pytest

from streamlab.events.event import Thinking
from streamlab.gateway.delivery import Pace
from tests.conftest import until
from tests.gateway import FAR_AHEAD, FAST, Served, delta, ending, finished, is_refusal, seqs, served

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served() as lab:
        yield lab


async def test_a_silent_stream_shows_that_it_lives() -> None:
    """Comments, which are no events and move nobody's place."""
    async with served(Pace(heartbeat=0.05, check=0.02)) as lab:
        log = lab.log(delta(at=FAR_AHEAD))
        async with lab.follow(log) as reading:
            await until(lambda: len(reading.parser.comments) >= 3)
            assert reading.types == ["open", "text_delta"]
            for event in ending("x"):
                log.append(event)
            await reading.end()
        assert seqs(reading.events) == [1, 2, 3]


async def test_a_client_that_does_not_read_is_cut_off_and_no_other() -> None:
    """Its connection is closed, not only forgotten; the others have everything, and it may come back."""
    async with served(Pace(frame=0.005, send=0.3, check=0.05)) as lab:
        log = lab.log()
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stalled, ("127.0.0.1", lab.port))
            await loop.sock_sendall(
                stalled, f"GET /api/runs/{log.run_id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
            )
            await until(lambda: log.followers == 1)
            async with lab.follow(log) as reading:
                for _ in range(150):  # less than a log holds, so that nobody may miss any
                    log.append(Thinking("x" * 50_000, at=FAR_AHEAD))
                    await asyncio.sleep(0)
                await until(lambda: log.followers == 1)
                for event in ending(""):
                    log.append(event)
                await reading.end()
                assert seqs(reading.events) == list(range(1, log.seq + 1))
            figures = (await lab.client.get("/metrics")).text
            assert 'streamlab_disconnects_total{protocol="sse",reason="slow"} 1.0' in figures
            with anyio.fail_after(10), suppress(ConnectionResetError):
                while await loop.sock_recv(stalled, 65_536):
                    pass


async def test_draining_ends_every_stream_politely_and_serves_nobody_new() -> None:
    """Clients hear `drain` and go on elsewhere from where they were; nothing says that the run has ended."""
    async with served(FAST) as lab:
        log = lab.log(delta(at=FAR_AHEAD))
        async with lab.follow(log) as one, lab.follow(log) as other:
            assert (await lab.client.get("/readyz")).status_code == 200
            draining = asyncio.create_task(lab.gateway.drain(2))
            await asyncio.sleep(0.02)
            assert is_refusal(await lab.client.get("/readyz"), 503, "draining")
            assert (await lab.client.get("/healthz")).status_code == 200
            assert one.types == ["open", "text_delta"], "not ready comes first"
            await draining
            for reading in (one, other):
                await reading.end()
                assert reading.types == ["open", "text_delta", "drain"]
                assert reading.parser.last_id == f"{log.epoch}-1"
        assert len(lab.gateway.deliveries) == 0
        assert is_refusal(await lab.get(log), 503, "draining")
        response = await lab.client.post("/chat", json={"message": "hi"})
        assert is_refusal(response, 503, "draining")
        assert response.headers["retry-after"] == "1"


async def test_nothing_is_left_of_clients_that_have_gone(lab: Served) -> None:
    """No task, no follower, no feed: those who left in the midst and those who read to the end."""
    live = lab.log(delta(at=FAR_AHEAD))
    for _ in range(20):
        async with lab.follow(live):
            pass
        await lab.events(finished(lab, "a"))
    await until(lambda: live.followers == 0)
    await until(lambda: not len(lab.gateway.deliveries))
    await until(lambda: not any(task.get_name().startswith("feed") for task in asyncio.all_tasks()))
    assert not lab.gateway.deliveries._feeds
