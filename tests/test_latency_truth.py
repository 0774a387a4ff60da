"""Whether the figures are true: against the server's own record, and behind a proxy that buffers."""

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from streamlab.demo_model.process import DemoModel
from streamlab.latency.calls import measure
from streamlab.latency.observation import Observation
from streamlab.latency.plan import Plan
from streamlab.latency.summary import Summary, summarize
from streamlab.settings import Settings
from tests.conftest import PATIENCE, demo_model

pytestmark = pytest.mark.soak  # a measurement takes its time

BUFFER = 8 * 1024  # bytes: what nginx gathers by default on most systems


@pytest.fixture(scope="module")
def seen(demo: DemoModel) -> list[Observation]:
    """A measurement at a natural pace."""
    plan = Plan(models=(demo_model(chunks=60, rate=50, first=0.2),), prompt="What is streaming?", pairs=8)
    with closing(measure(plan, Settings(_env_file=None), demo.base_url)) as stream:
        return list(stream)


def test_times_are_those_of_the_server_or_the_summary_says_that_they_are_not(seen: list[Observation]) -> None:
    """Every TTFT and gap is within 5 ms at the median and 15 ms at p95, or the machine is called noisy."""
    found = summarize(seen, 1.0).noise
    assert found.ttft_error
    assert found.gap_error
    for name, error in (("ttft_error", found.ttft_error), ("gap_error", found.gap_error)):
        assert (error.median <= 0.005 and error.p95 <= 0.015) == (name not in found.reasons)
    assert found.noisy or (found.ttft_error.p95 <= 0.015 and found.gap_error.p95 <= 0.015)


def test_every_chunk_that_was_written_is_seen_once(seen: list[Observation]) -> None:
    """As many times as the server wrote, in the order of a call: first event, first text, the end."""
    assert len(seen) == 27
    for one in seen:
        assert one.written is not None
        assert len(one.written) == len(one.chunk_times) == (1 if one.way == "invoke" else 60)
        assert one.ttfe is not None
        assert one.ttft is not None
        assert one.e2e is not None
        assert 0.15 < one.ttfe <= one.ttft <= one.e2e
        assert list(one.chunk_times) == sorted(one.chunk_times)


def test_a_chunk_is_not_seen_before_it_is_written(seen: list[Observation]) -> None:
    """The server notes a write just after it, and may be interrupted in between: so at the median."""
    ahead = sorted(one.ttft - one.written[0] for one in seen if one.ttft is not None and one.written)
    assert ahead[len(ahead) // 2] > 0


def test_a_model_that_writes_chunk_by_chunk_is_not_accused(seen: list[Observation]) -> None:
    """Each chunk was waited for."""
    assert not any(found.suspected for found in summarize(seen, 1.0).buffering)


@contextmanager
def proxy(upstream: str, buffer: int | None) -> Iterator[str]:
    """A reverse proxy that passes an answer on when so many bytes of it are there, or with None when all are."""

    async def forward(request: Request) -> Response:
        body = await request.body()
        client = httpx2.AsyncClient(timeout=PATIENCE)
        asked = client.build_request("POST", f"{upstream}/chat/completions", content=body,
            headers={"content-type": "application/json"})  # fmt: skip
        answer = await client.send(asked, stream=True)

        async def gathered() -> AsyncIterator[bytes]:
            held = b""
            async for part in answer.aiter_raw():
                held += part
                while buffer is not None and len(held) >= buffer:
                    yield held[:buffer]
                    held = held[buffer:]
            yield held
            await answer.aclose()
            await client.aclose()

        return StreamingResponse(gathered(), answer.status_code, media_type=answer.headers["content-type"])

    app = Starlette(routes=[Route("/v1/chat/completions", forward, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            end = time.monotonic() + PATIENCE
            while not server.started and time.monotonic() < end:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()


def behind(demo: DemoModel, buffer: int | None, **options: object) -> Summary:
    with proxy(demo.base_url, buffer) as url:
        # The name is not one that goes to the demo model by itself.
        name = demo_model(**options).replace("demo?", "demonstration?", 1)
        plan = Plan(models=(name,), prompt="Hi", pairs=2, warm_ups=0, ways=("stream", "astream"))
        settings = Settings(_env_file=None, openai_base_url=url)
        return summarize(list(measure(plan, settings, demo.base_url)), 1.0)


def test_a_proxy_that_holds_the_whole_answer_is_found(demo: DemoModel) -> None:
    """The first text comes with the last; no answer failed."""
    summary = behind(demo, None, chunks=60, rate=50, first=0.2)
    assert summary.failures == 0
    assert [(found.n, found.suspected) for found in summary.buffering] == [(2, True)] * 2


def test_a_proxy_that_sends_whenever_its_buffer_is_full_is_found(demo: DemoModel) -> None:
    """Text comes long before the end, and yet in bunches."""
    summary = behind(demo, BUFFER, chunks=150, rate=50, first=0.2)
    assert summary.failures == 0
    assert [(found.n, found.suspected) for found in summary.buffering] == [(2, True)] * 2
    for row in summary.figures:
        assert row.ttft
        assert row.e2e
        assert row.ttft.median < row.e2e.median / 2


def test_a_proxy_that_passes_everything_on_is_not_accused(demo: DemoModel) -> None:
    """Nor is a model that thinks for long and then writes fast, 200 chunks a second."""
    summary = behind(demo, 1, chunks=40, rate=200, first=1)
    assert summary.failures == 0
    assert [(found.n, found.suspected) for found in summary.buffering] == [(2, False)] * 2
