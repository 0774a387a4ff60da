"""Whose a run is: another access token alone does not reach it, over any protocol and at any gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import httpx2
import pytest
import websockets
from pydantic import SecretStr

from streamlab.gateway.access import Access, Grant
from streamlab.gateway.submissions import STARTED
from streamlab.hub import Log
from streamlab.models.options import Options
from streamlab.runs.run import new_run_id
from streamlab.v1 import streamlab_pb2 as pb
from tests.access import BEARER, OTHER, SECRET
from tests.conftest import demo_model
from tests.gateway import Served, ended, is_refusal, served
from tests.grpc_gateway import Lab, lab_of, refusal, whole
from tests.redis_server import RedisServer
from tests.shared import pair

ADA, BOB = BEARER, {"authorization": f"Bearer {OTHER}"}
TOKENS = (SecretStr(f"ada:{SECRET}"), SecretStr(f"bob:{OTHER}"))

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Lab]:
    async with lab_of(gateway_tokens=TOKENS, gateway_max_runs=100, gateway_runs_per_minute=10_000) as lab:
        yield lab


async def of_ada(lab: Served, **body: object) -> dict[str, str]:
    """Return a run that Ada asked for, as she was told of it."""
    response = await lab.client.post("/runs", json={"message": "q", "model": demo_model()} | body, headers=ADA)
    assert response.status_code == 201
    told: dict[str, str] = response.json()
    return told


DOORS: dict[str, Callable[[Served, str, dict[str, str]], Awaitable[httpx2.Response]]] = {
    "look": lambda lab, run, who: lab.client.get(f"/runs/{run}", headers=who),
    "follow": lambda lab, run, who: lab.client.get(f"/runs/{run}/events", headers=who),
    "page": lambda lab, run, who: lab.client.get(f"/runs/{run}/events", headers=who | {"accept": "application/json"}),
    "token": lambda lab, run, who: lab.client.post(f"/runs/{run}/token", headers=who),
    "revoke": lambda lab, run, who: lab.client.delete(f"/runs/{run}/token", headers=who),
    "stop": lambda lab, run, who: lab.client.delete(f"/runs/{run}", headers=who),
}


@pytest.mark.parametrize("door", DOORS)
async def test_a_run_of_another_token_is_as_one_that_never_was(lab: Lab, door: str) -> None:
    """To the last byte of the answer; and its owner reaches it by the same door."""
    run = (await of_ada(lab.http))["id"]
    foreign, unknown = [await DOORS[door](lab.http, run_id, BOB) for run_id in (run, new_run_id())]
    assert is_refusal(foreign, 404, "unknown_run")
    assert foreign.content == unknown.content
    assert set(foreign.headers) == set(unknown.headers)
    assert (await DOORS[door](lab.http, run, ADA)).status_code in (200, 201, 202, 204)


async def test_it_is_so_over_a_websocket_and_grpc(lab: Lab) -> None:
    run = (await of_ada(lab.http))["id"]
    address = f"{lab.http.url.replace('http', 'ws')}/runs/{run}/ws"
    async with websockets.connect(address, additional_headers=BOB) as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4404, "unknown_run")
    bob, ada = (tuple(who.items()) for who in (BOB, ADA))
    follow, stop = pb.FollowRequest(run_id=run), pb.StopRequest(run_id=run)
    missing = (grpc.StatusCode.NOT_FOUND, "unknown_run")
    assert await refusal(whole(lab.stub.Follow(follow, metadata=bob))) == missing
    assert await refusal(lab.stub.Stop(stop, metadata=bob)) == missing
    assert await refusal(lab.stub.Look(pb.LookRequest(run_id=run), metadata=bob)) == missing
    assert (await whole(lab.stub.Follow(follow, metadata=ada)))[-1].type == "done"


async def test_it_cannot_be_asked_back_by_the_id_of_an_event(lab: Lab) -> None:
    """Nor under the other's idempotency key, which is another key."""
    headers = {"idempotency-key": "the same"}
    body = {"message": "q", "model": demo_model()}
    first = await lab.http.client.post("/runs", json=body, headers=ADA | headers)
    log = lab.http.engine.hub.log(first.json()["id"])
    again = await lab.http.client.post("/chat", json=body, headers=BOB | {"last-event-id": f"{log.epoch}-1"})
    assert is_refusal(again, 404, "unknown_run")
    mine = await lab.http.client.post("/runs", json=body, headers=BOB | headers)
    assert mine.json()["id"] != first.json()["id"]
    assert "idempotency-replayed" not in mine.headers


async def test_a_follow_token_shares_it(lab: Lab) -> None:
    """With whoever holds the token, for reading; an access token beside it makes no difference."""
    run = (await of_ada(lab.http))["id"]
    token = (await DOORS["token"](lab.http, run, ADA)).json()["token"]
    for who in ({}, BOB):
        read = await lab.http.client.get(f"/runs/{run}", params={"token": token}, headers=who)
        assert read.status_code == (404 if who else 200)  # what is sent as a header counts
    assert (await DOORS["look"](lab.http, run, {"authorization": f"Bearer {token}"})).status_code == 200
    assert is_refusal(await DOORS["look"](lab.http, run, BOB), 404, "unknown_run")


async def test_a_conversation_of_another_token_is_none(lab: Lab) -> None:
    """It is gone on with by who began it."""
    started = await of_ada(lab.http)
    await ended(lab.http, await ask_as(lab.http, ADA, "other", None))
    await has_ended_here(lab.http, started["id"])
    foreign, unknown = [await ask_as(lab.http, BOB, "and?", each) for each in (started["conversation"], "never was")]
    assert is_refusal(foreign, 404, "unknown_conversation")
    assert foreign.content == unknown.content
    assert (await ask_as(lab.http, ADA, "and?", started["conversation"])).status_code == 201


async def ask_as(lab: Served, who: dict[str, str], message: str, conversation: str | None) -> httpx2.Response:
    body = {"message": message, "model": demo_model(), "conversation": conversation}
    return await lab.client.post("/runs", json=body, headers=who)


async def has_ended_here(lab: Served, run_id: str) -> None:
    log = lab.engine.hub.log(run_id)
    while not log.done:
        await log.grown()


async def test_what_pages_asked_is_shared_by_its_address(lab: Lab) -> None:
    """Whoever has a page's address may open it there, and so over the gateway, in either's hands."""
    chat = await lab.http.engine.chats.ask(None, "on a page", Options(demo_model(), temperature=0))
    run = chat.turns[0].run_id
    for who in (ADA, BOB):
        assert (await DOORS["look"](lab.http, run, who)).status_code == 200
    await has_ended_here(lab.http, run)
    goes_on = await ask_as(lab.http, BOB, "and?", chat.id)
    assert goes_on.status_code == 201
    assert (await DOORS["look"](lab.http, goes_on.json()["id"], ADA)).status_code == 200


async def test_the_owner_is_known_for_as_long_as_the_run_is(tmp_path: Path) -> None:
    """Also when nothing is remembered but what the store keeps: the day of the first request is over."""
    async with served(gateway_tokens=TOKENS, lab_store=f"sqlite:///{tmp_path}/lab.db") as lab:
        run = (await of_ada(lab))["id"]
        await has_ended_here(lab, run)
    async with served(gateway_tokens=TOKENS, lab_store=f"sqlite:///{tmp_path}/lab.db") as lab:
        await lab.engine.hub.shared.documents(STARTED).remove(run)
        assert is_refusal(await DOORS["look"](lab, run, BOB), 404, "unknown_run")
        assert (await DOORS["look"](lab, run, ADA)).status_code == 200


async def test_a_kept_response_is_its_callers_when_nothing_else_tells_whose_run_it_was(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/lab.db"
    async with served(gateway_tokens=TOKENS, lab_store=store) as lab:
        asked = {"model": demo_model(), "input": "q"}
        response = await lab.client.post("/openai/v1/responses", json=asked, headers=ADA)
        run = response.headers["x-run-id"]
    async with served(gateway_tokens=TOKENS, lab_store=store) as lab:
        await lab.engine.hub.shared.documents(STARTED).remove(run)
        assert is_refusal(await DOORS["look"](lab, run, BOB), 404, "unknown_run")
        assert (await DOORS["look"](lab, run, ADA)).status_code == 200


async def test_gateways_on_one_redis_agree(redis_server: RedisServer) -> None:
    """At once, whichever of them is asked."""
    async with pair(redis_server.url, redis_server.url, gateway_tokens=TOKENS) as gateways:
        here, there = gateways
        for number in range(10):
            run = (await of_ada((here, there)[number % 2]))["id"]
            for lab in ((there, here)[number % 2], here):
                assert is_refusal(await DOORS["look"](lab, run, BOB), 404, "unknown_run")
                assert (await DOORS["look"](lab, run, ADA)).status_code == 200


async def test_its_time_does_not_tell_either(lab: Lab) -> None:
    """What is looked for in its place never was, so the same work is done."""
    run = (await of_ada(lab.http))["id"]
    opened: list[str] = []
    hub = lab.http.engine.hub
    real = hub.open

    async def noting(run_id: str) -> Log:
        opened.append(run_id)
        return await real(run_id)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hub, "open", noting)
        await DOORS["look"](lab.http, run, BOB)
    assert len(opened) == 1
    assert opened[0] != run


def test_without_tokens_all_who_are_served_are_one() -> None:
    """They sit at this machine."""
    access = Access({})
    assert access.reaches(Grant("local"), "ada")
    assert not Access({"ada": SECRET}).reaches(Grant("bob"), "ada")
    assert not Access({"ada": SECRET}).reaches(Grant("bob"), None), "a conversation that is gone has no reader"
    assert not Access({}).reaches(Grant("follower", "run"), "")
