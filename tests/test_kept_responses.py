"""Answers that stay to be fetched, over each engine and at two gateways: what is kept of them, and by whom."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from langchain_core.messages import HumanMessage
from openai import AsyncOpenAI

from streamlab.agent.tasks import Agents
from streamlab.browsers.items import LOST
from streamlab.completions.completions import Completions
from streamlab.completions.prompt import Prompt
from streamlab.completions.responses import KeptResponse, Responses, _decode, _encode
from streamlab.events.outcome import outcome_of
from streamlab.events.recording import write_recording
from streamlab.hub import Hub
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.models.catalog import Models
from streamlab.runs.run import RunLimits, Runs, new_run_id
from tests import shared
from tests.conftest import demo_model, until
from tests.openai_clients import openai_client
from tests.present import present
from tests.redis_server import RedisServer, producer
from tests.shared import ENDLESS, HISTORY, LEASE, PATIENCE, TIMES, Pair, soon

gateways = shared.gateways

pytestmark = pytest.mark.anyio

ASKED = b'{"input":"Hi"}'


class Desk:
    """What one process has."""

    def __init__(self, hub: Hub, models: Models) -> None:
        self.hub = hub
        self.runs = Runs(hub, RunLimits(backoff=0.01, total=PATIENCE))
        self.completions = Completions(self.runs, models, Agents(self.runs, models, hub, HISTORY), hub)
        self.responses = Responses(hub)
        self.runs.observers.append(self.responses.ended)

    async def started(self, **options: object) -> str:
        prompt = Prompt((HumanMessage("Hi"),), retries="before_text", detached=True)
        run_id = await self.completions.start(prompt, demo_model(**options))
        await self.responses.keep(self.responses.begun(run_id, "ada", "", ASKED))
        return run_id

    async def closed(self, run_id: str) -> KeptResponse:
        """The response as it is written once it is whole; nobody asks for it."""

        async def whole() -> bool:
            known = await self.responses._documents.get(run_id)
            return known is not None and not known.document.live

        await soon(whole)
        return present(await self.responses._documents.get(run_id)).document


async def test_a_response_is_live_and_then_whole_without_anybody_looking(any_hub: Hub, models: Models) -> None:
    desk = Desk(any_hub, models)
    endless = await desk.started(**ENDLESS)
    assert present(await desk.responses.find(endless)).live
    desk.runs.stop(endless)
    assert outcome_of((await desk.closed(endless)).recorded).status == "stopped"
    run_id = await desk.started(text="Grüße 東京")
    kept = await desk.closed(run_id)
    outcome = outcome_of(kept.recorded)
    assert (outcome.status, outcome.text) == ("completed", "Grüße 東京")
    assert (kept.owner, kept.request) == ("ada", {"input": "Hi"})
    assert (await desk.responses.keep(desk.responses.begun(run_id, "bob", "", b"{}"))).owner == "ada"
    await desk.runs.close()


async def test_whoever_opens_it_first_closes_it(any_hub: Hub, models: Models) -> None:
    """Where its process could not any more."""
    desk = Desk(any_hub, models)
    desk.runs.observers.clear()
    run_id = await desk.started(text="a b c")

    async def over() -> bool:
        return not present(await desk.responses.find(run_id)).live

    await soon(over)
    assert outcome_of(present(await desk.responses.find(run_id)).recorded).text == "a b c"
    await desk.runs.close()


async def test_a_run_without_a_log_is_lost_after_a_while(any_hub: Hub, models: Models) -> None:
    responses = Desk(any_hub, models).responses
    early = responses.begun(new_run_id(), "ada", "", ASKED)
    late = replace(responses.begun(new_run_id(), "ada", "", ASKED), until=any_hub.shared.now() - 1)
    for kept in (early, late):
        await responses.keep(kept)
    assert present(await responses.find(early.run_id)).live
    assert present(await responses.find(late.run_id)).recorded == LOST


async def test_what_is_removed_does_not_come_back_when_its_run_ends(any_hub: Hub, models: Models) -> None:
    desk = Desk(any_hub, models)
    run_id = await desk.started(**ENDLESS)
    await desk.responses.remove(run_id)
    desk.runs.stop(run_id)
    await until(lambda: desk.runs.live == 0)
    await any_hub.open(run_id)
    assert await desk.responses.find(run_id) is None


def test_what_is_written_is_read_as_it_was() -> None:
    for kept in (
        KeptResponse("run", "ada \n", "resp_1", ASKED, 1.5),
        KeptResponse("run", "", "", b"{}", 0.0, write_recording(LOST)),
    ):
        assert _decode(_encode(kept)) == kept


async def test_the_log_stays_as_long_as_its_response(tmp_path: Path, models: Models) -> None:
    async with SqliteHub(tmp_path / "store") as hub:
        desk = Desk(hub, models)
        run_id, other = await desk.started(text="a"), await desk.started(text="b")
        for each in (run_id, other):
            await desk.closed(each)
        await desk.responses.remove(run_id)
        kept = await hub._worker.call(lambda connection: connection.execute("SELECT run_id FROM logs").fetchall())
        assert kept == [(other,)]
        await desk.runs.close()


async def test_a_response_whose_process_died_is_closed_by_who_ends_its_log(
    redis_server: RedisServer, models: Models
) -> None:
    async with RedisHub(redis_server.url, times=TIMES) as hub:
        desk, run_id = Desk(hub, models), new_run_id()
        with producer(redis_server.url, run_id, LEASE) as dying:
            await desk.responses.keep(desk.responses.begun(run_id, "ada", "", ASKED))
            log = await hub.open(run_id)
            with anyio.fail_after(PATIENCE), log.follow() as follower:
                await follower.batch()
                dying.kill()
                while not follower.ended:
                    await follower.batch()
        assert outcome_of((await desk.closed(run_id)).recorded).status == "lost"


# Two gateways


async def test_a_response_is_found_followed_and_cancelled_at_the_other_gateway(gateways: Pair) -> None:
    """With the same numbers, whoever tells them; what is gone on from there was said here."""
    here, there = gateways
    async with openai_client(here) as one, openai_client(there) as other:
        asked: dict[str, Any] = {"model": demo_model(chunks=60, rate=100), "background": True}
        stream = await one.responses.create(input="Hi", stream=True, **asked)
        seen: list[Any] = [await anext(aiter(stream)) for _ in range(8)]
        await stream.close()
        response_id = seen[0].response.id
        rest: list[Any] = [
            event async for event in await other.responses.retrieve(response_id, stream=True, starting_after=7)
        ]
        whole: list[Any] = [event async for event in await one.responses.retrieve(response_id, stream=True)]
        assert [*seen, *rest] == whole
        assert [event.sequence_number for event in whole] == list(range(len(whole)))
        assert (await other.responses.retrieve(response_id)).to_dict() == whole[-1].response.to_dict()
        on = await other.responses.create(input="And?", model=demo_model(text="So."), previous_response_id=response_id)
        assert on.output_text == "So."
        endless = await one.responses.create(input="Hi", model=demo_model(**ENDLESS), background=True)
        await _begun(other, endless.id)
        cancelled = await other.responses.cancel(endless.id)
        assert cancelled.status == "cancelled"
        assert json.loads((await one.responses.retrieve(endless.id)).to_json())["status"] == "cancelled"


async def _begun(openai: AsyncOpenAI, response_id: str) -> None:
    """Wait for the first text."""
    stream = await openai.responses.retrieve(response_id, stream=True)
    async for event in stream:
        if event.type == "response.output_text.delta":
            break
    await stream.close()
