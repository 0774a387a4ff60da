"""Whose run it is when a client leaves, or the server: plain calls, background ones, and those with a key."""

import asyncio
import json
from typing import Any

import pytest

from streamlab.gateway.delivery import Pace
from streamlab.hub import Log
from tests.conftest import demo_model, until
from tests.gateway import Served, served
from tests.openai_clients import CHAT, headers_of, lab
from tests.openai_refused import USER
from tests.openai_streams import data_of

__all__ = ["lab"]

pytestmark = pytest.mark.anyio

SLOW = {"rate": 20, "chunks": 400}


@pytest.mark.parametrize("stream", [True, False])
async def test_who_leaves_a_plain_call_ends_its_run(lab: Served, stream: bool) -> None:
    """At the model, where it costs."""
    run = await leave(lab, {"stream": stream})
    await until(lambda: run.done is not None)
    assert run.done
    assert (run.done.status, run.done.code) == ("stopped", None)


@pytest.mark.parametrize("stream", [True, False])
async def test_in_the_background_a_run_goes_on(lab: Served, stream: bool) -> None:
    """Also for as long as nobody follows it."""
    run = await leave(lab, {"stream": stream, "background": True})
    seq = run.seq
    await until(lambda: run.seq > seq + 5)
    assert not run.done
    assert lab.engine.runs._live[run.run_id].limits.unwatched is None
    lab.engine.runs.stop(run.run_id)


async def test_with_a_key_a_run_goes_on_for_whoever_comes_back(lab: Served) -> None:
    """As a client does by itself whose connection broke: it gets the whole answer, of the same run."""
    body = {"messages": [USER], "model": demo_model(chunks=60, rate=60)}
    run = await leave(lab, body, key="comes-back")
    answer = await lab.client.post(CHAT, json=body, headers=headers_of("comes-back"))
    assert answer.headers["x-run-id"] == run.run_id
    assert len(answer.json()["choices"][0]["message"]["content"]) == 300


async def test_a_server_that_leaves_says_so(lab: Served) -> None:
    """To who waits for a whole answer, and in a stream: none of it passes for one."""
    async with served(Pace(frame=0.005, check=0.05)) as leaving:
        bodies = [{"messages": [USER], "model": demo_model(**SLOW), "stream": stream} for stream in (False, True)]
        asking = [asyncio.create_task(leaving.client.post(CHAT, json=each)) for each in bodies]
        await until(lambda: sum(leaving.engine.hub.followers) == 2)
        await leaving.gateway.drain(notice=0)
        whole, stream = [await each for each in asking]
    assert (whole.status_code, whole.json()["error"]["type"]) == (503, "server_error")
    assert whole.headers["x-run-id"]
    assert json.loads(data_of(stream.content)[-1])["error"]["code"] in ("shutdown", "draining")


async def test_a_run_that_somebody_else_follows_goes_on(lab: Served) -> None:
    followers = []

    def follow(log: Any) -> None:
        followers.append(log.follow().__enter__())

    run = await leave(lab, {"stream": True}, follow)
    seq = run.seq
    await until(lambda: run.seq > seq + 5)
    assert not run.done
    followers[0].__exit__(None, None, None)
    lab.engine.runs.stop(run.run_id)


async def leave(lab: Served, more: dict[str, Any], meanwhile: Any = None, key: str | None = None) -> Log:
    """Ask, and leave when the answer has begun; return the run's log, which nobody follows then."""
    before = set(lab.engine.runs._live)
    body = {"messages": [USER], "model": demo_model(**SLOW)} | more

    async def ask() -> None:
        async with lab.client.stream("POST", CHAT, json=body, headers=headers_of(key)) as response:
            async for _ in response.aiter_raw():
                pass

    asking = asyncio.create_task(ask())
    await until(lambda: bool(set(lab.engine.runs._live) - before))
    (run_id,) = set(lab.engine.runs._live) - before
    log = lab.engine.hub.log(run_id)
    await until(lambda: log.seq > 3 and log.followers == 1)
    if meanwhile:
        meanwhile(log)
    asking.cancel()
    await asyncio.wait([asking])
    await until(lambda: log.followers == (1 if meanwhile else 0))
    return log
