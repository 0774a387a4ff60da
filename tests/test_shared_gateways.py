"""Conversations, keys and figures at two gateways on one Redis."""

import asyncio
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from streamlab.chats.chat import Chat
from streamlab.engine import engine_in_thread
from streamlab.gateway import submissions as asking
from streamlab.gateway.access import Caller
from streamlab.models.options import Options
from streamlab.settings import Settings
from tests import shared
from tests.conftest import demo_model, until
from tests.gateway import delta, is_refusal, log_events, parse_stream, served
from tests.pages import checked, serving, visit
from tests.redis_server import RedisServer
from tests.shared import BEARER, ENDLESS, PATIENCE, SECRET, Pair, ask, figure, has_ended, name, shown_on, soon

gateways = shared.gateways  # fixtures are found by their names

pytestmark = pytest.mark.anyio


# Two gateways


async def test_a_conversation_goes_on_at_the_other_gateway(gateways: Pair) -> None:
    """With its model and settings; one question at a time, wherever it is asked."""
    here, there = gateways
    model = demo_model(**ENDLESS)
    first = (await ask(here, model=model, temperature=0.5)).json()
    goes_on = {"message": "and?", "conversation": first["conversation"]}
    assert is_refusal(await there.client.post("/runs", json=goes_on), 409, "conversation_busy")
    assert (await there.client.delete(f"/runs/{first['id']}")).status_code == 202
    await has_ended(there, first["id"])
    second = await there.client.post("/runs", json=goes_on)
    assert second.status_code == 201
    assert second.json()["model"] == model
    assert second.json()["conversation"] == first["conversation"]
    assert (await there.client.delete(f"/runs/{second.json()['id']}")).status_code == 202
    turns = (await here.engine.chats.get(first["conversation"])).turns
    assert [turn.question for turn in turns] == ["q", "and?"]
    assert turns[1].options == turns[0].options
    assert is_refusal(await ask(there, conversation="nobody"), 404, "unknown_conversation")


async def test_a_stream_opens_with_its_conversation_at_either_gateway(gateways: Pair) -> None:
    """For whoever may go on with it; a follow token learns the model alone."""
    here, there = gateways
    started = (await ask(here)).json()
    await has_ended(there, started["id"])
    token = (await there.client.post(f"/runs/{started['id']}/token")).json()["token"]
    for params, conversation in (({}, started["conversation"]), ({"token": token}, None)):
        async with httpx2.AsyncClient(base_url=there.url) as client:
            response = await client.get(
                f"/runs/{started['id']}/events", params=params, headers={} if params else BEARER
            )
        opening = parse_stream(response.content)[0].json
        assert (opening["conversation"], opening["model"]) == (conversation, started["model"])


async def test_one_key_is_one_run_at_both_gateways(gateways: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, twenty at once, and as a stream."""
    monkeypatch.setattr(asking, "WAIT", PATIENCE)
    here, there = gateways
    body = {"model": demo_model()}
    key = name()
    before = here.engine.runs.started + there.engine.runs.started
    answers = await asyncio.gather(*[ask(lab, key=key, **body) for lab in (here, there) * 10])
    assert {answer.status_code for answer in answers} == {201}
    (run_id,) = {answer.json()["id"] for answer in answers}
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
    assert here.engine.runs.started + there.engine.runs.started == before + 1
    await has_ended(there, run_id)
    for lab in (here, there):
        stream = await ask(lab, "/chat", key=key, **body)
        assert stream.headers["x-run-id"] == run_id
        assert log_events(parse_stream(stream.content))[-1].type == "done"
        assert is_refusal(await ask(lab, key=key, **body | {"message": "other"}), 409, "idempotency_conflict")


async def test_a_key_whose_first_request_takes_long_is_in_progress(
    gateways: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """409 says when to come back; a refused request gives its key back."""
    here, there = gateways
    monkeypatch.setattr(asking, "WAIT", 0.2)
    key, body = name(), {"model": demo_model()}
    slow = asyncio.Event()
    chats_ask = here.engine.chats.ask

    async def ask_slowly(*args: Any, **said: Any) -> Chat:
        await slow.wait()
        return await chats_ask(*args, **said)

    monkeypatch.setattr(here.engine.chats, "ask", ask_slowly)
    first = asyncio.create_task(ask(here, key=key, **body))

    async def in_progress() -> bool:
        response = await ask(there, key=key, **body)
        if response.status_code == 201:  # it was faster than the first one
            return False
        assert is_refusal(response, 503, "idempotency_in_progress")
        assert response.headers["retry-after"] == "1"
        return True

    async def claimed() -> bool:
        async with Redis.from_url(here.engine.settings.redis_url.get_secret_value()) as redis:  # type: ignore[union-attr]
            return any(
                [b'"started": null' in (await redis.get(found) or b"") async for found in redis.scan_iter("lab:key:*")]
            )

    await soon(claimed)
    assert await in_progress()
    slow.set()
    assert (await first).status_code == 201
    again = await ask(there, key=key, **body)
    assert again.json()["id"] == first.result().json()["id"]
    refused = name()
    assert is_refusal(await ask(there, key=refused, message=" "), 422, "invalid_request")
    assert (await ask(here, key=refused)).status_code == 201


async def test_a_caller_that_leaves_does_not_leave_half_of_it_done(gateways: Pair) -> None:
    """The run begins, its key is remembered, and it counts."""
    here, there = gateways
    asked = asking.ChatRequest(message="q", model=demo_model())
    key = name()
    caller = Caller("127.0.0.1", "localhost", authorization=BEARER["authorization"])
    grant = here.gateway.access.identify(caller)
    leaving = asyncio.create_task(here.gateway.ask(asked, grant, key))
    before = here.engine.runs.started
    async with asyncio.timeout(PATIENCE):
        while not any(task.get_name() == "shared" for task in asyncio.all_tasks()):  # noqa: ASYNC110
            await asyncio.sleep(0)  # each turn of the loop, for the task may live for a few of them only
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await until(lambda: here.engine.runs.started == before + 1)
    again = await there.gateway.ask(asked, grant, key)
    assert again.repeated


# Pages


def test_a_page_shows_a_conversation_of_another_process(redis_server: RedisServer) -> None:
    """Live and finished, by its address, and goes on with it."""
    url = SecretStr(redis_server.url)
    with engine_in_thread(Settings(_env_file=None, redis_url=url)) as elsewhere:
        options = Options(demo_model(text="said elsewhere", rate=200), "Be brief.")
        chat = elsewhere.portal.call(elsewhere.chats.ask, None, "What is streaming?", options)
        with serving(redis_url=url):
            app = visit("chat", "en", chat=chat.id)
            assert "said elsewhere" in shown_on(app)
            assert app.text_area(key="settings.system").value == "Be brief."
            checked(app.chat_input[0].set_value("What is a token?").run())
        turns = elsewhere.portal.call(elsewhere.chats.get, chat.id).turns
    assert [turn.question for turn in turns] == ["What is streaming?", "What is a token?"]
    assert all(turn.outcome and turn.outcome.status == "completed" for turn in turns)


# Figures


@pytest.mark.parametrize("tokens", [(), (SecretStr(SECRET),)])
async def test_the_metrics_token_reads_the_figures_and_nothing_else(tokens: tuple[SecretStr, ...]) -> None:
    """Access tokens read them too, a follow token does not."""
    async with served(gateway_tokens=tokens, gateway_metrics_token=SecretStr("only-figures")) as lab:
        log = lab.log(delta())
        figures = {"authorization": "Bearer only-figures"}
        assert (await lab.client.get("/metrics", headers=figures)).status_code == 200
        assert (await lab.client.get("/metrics", headers=BEARER)).status_code == (200 if tokens else 401)
        if tokens:
            for method, path in (("GET", f"/runs/{log.run_id}"), ("POST", f"/runs/{log.run_id}/token")):
                response = await lab.client.request(method, path, headers=figures)
                assert is_refusal(response, 401, "invalid_access_token")
            wrong = await lab.client.get("/metrics", headers={"authorization": "Bearer only-figure"})
            assert is_refusal(wrong, 401, "invalid_access_token")
            assert is_refusal(await lab.client.get("/metrics"), 401, "unauthorized")
            follow = lab.gateway.access.issue(log.run_id)
            assert is_refusal(await lab.client.get("/metrics", params={"token": follow}), 401, "unauthorized")
        else:
            forwarded = await lab.client.get("/metrics", headers=figures | {"x-forwarded-for": "10.0.0.1"})
            assert is_refusal(forwarded, 403, "not_local")


async def test_each_run_that_wrote_text_tells_its_time_to_first_token(gateways: Pair) -> None:
    """Once, when it has ended; a run without text tells none."""
    here, _ = gateways
    series = "streamlab_run_first_token_seconds"
    await until(lambda: here.engine.runs.live == 0)
    before = (await here.client.get("/metrics")).text
    for model in (demo_model(first=0.3), demo_model(fault="key")):
        await has_ended(here, (await ask(here, model=model)).json()["id"])
    await until(lambda: here.engine.runs.live == 0)
    after = (await here.client.get("/metrics")).text
    assert figure(after, f"{series}_count") == figure(before, f"{series}_count") + 1
    assert figure(after, f"{series}_sum") - figure(before, f"{series}_sum") >= 0.25
    assert figure(after, "streamlab_runs_taken_over_total") == 0
