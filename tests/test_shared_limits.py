"""Revocations and limits hold over two gateways."""

import pytest
from pydantic import SecretStr

from streamlab.events.event import Done
from tests import shared
from tests.conftest import demo_model
from tests.gateway import delta, is_refusal, served
from tests.redis_server import RedisServer
from tests.shared import BEARER, SECRET, Pair, ask, has_ended, name, pair, soon

gateways = shared.gateways  # fixtures are found by their names

pytestmark = pytest.mark.anyio


async def test_a_revoked_token_ends_its_streams_at_both_gateways(gateways: Pair) -> None:
    """Within moments; a token that is issued afterwards is good at both."""
    here, there = gateways
    log = here.log(delta())
    await here.engine.hub.open(log.run_id)
    elsewhere = await there.engine.hub.open(log.run_id)
    token = (await here.client.post(f"/runs/{log.run_id}/token")).json()["token"]
    del there.client.headers["authorization"], here.client.headers["authorization"]
    try:
        async with here.follow(log, token=token) as reading, there.follow(elsewhere, token=token) as other:
            revoked = await here.client.delete(f"/runs/{log.run_id}/token", headers=BEARER)
            assert revoked.status_code == 204
            for each in (reading, other):
                await each.end()
                assert each.parser.events[-1].json == {"code": "revoked"}
        for lab in (here, there):
            assert is_refusal(await lab.get(log, token=token), 401, "revoked_follow_token")
            new = (await lab.client.post(f"/runs/{log.run_id}/token", headers=BEARER)).json()["token"]
            assert (await lab.client.get(f"/runs/{log.run_id}", params={"token": new})).status_code == 200
    finally:
        for lab in gateways:
            lab.client.headers.update(BEARER)
        log.append(Done("stopped", at=0.0))


async def test_a_gateway_that_starts_knows_what_was_revoked(gateways: Pair) -> None:
    """Before it serves anybody."""
    here, _ = gateways
    log = here.log(delta())
    token = here.gateway.access.issue(log.run_id)
    await here.gateway.revoke(log)
    url = here.engine.settings.redis_url
    assert url
    async with served(redis_url=url, gateway_secret=SecretStr("s" * 32), gateway_tokens=(SecretStr(SECRET),)) as third:
        await here.engine.hub.open(log.run_id)
        response = await third.client.get(f"/runs/{log.run_id}", params={"token": token})
        assert is_refusal(response, 401, "revoked_follow_token")
    log.append(Done("stopped", at=0.0))


async def test_limits_hold_over_both_gateways(redis_server: RedisServer) -> None:
    """Live runs and runs in a minute of one token, wherever they began; an ended one is free at the other at once."""
    ada = (SecretStr(f"{name()}:{SECRET}"),)
    async with pair(
        redis_server.url, redis_server.url, gateway_max_runs=2, gateway_runs_per_minute=3, gateway_tokens=ada
    ) as (here, there):
        silent = [(await ask(lab, model=demo_model(fault="silent"))).json()["id"] for lab in (here, there)]
        for lab in (here, there):
            refused = await ask(lab)
            assert is_refusal(refused, 429, "too_many_live_runs")
            assert refused.headers["retry-after"] == "5"
        assert (await there.client.delete(f"/runs/{silent[0]}")).status_code == 202
        await has_ended(there, silent[0])

        async def room() -> bool:
            return (await ask(there)).status_code == 201

        await soon(room)
        assert (await there.client.delete(f"/runs/{silent[1]}")).status_code == 202

        async def none_live() -> bool:
            return not list(
                await here.engine.hub.shared.names(
                    here.gateway._limits._memberships(ada[0].get_secret_value().split(":")[0])[0]
                )
            )

        await soon(none_live)
        for lab in (here, there):
            refused = await ask(lab)
            assert is_refusal(refused, 429, "too_many_runs")
            assert 1 <= int(refused.headers["retry-after"]) <= 60


async def test_a_refused_question_does_not_count(gateways: Pair) -> None:
    """Neither among the live ones nor in the minute."""
    here, _ = gateways
    memberships = here.gateway._limits._memberships("ada")
    before = [set(await here.engine.hub.shared.names(membership)) for membership in memberships]
    assert is_refusal(await ask(here, message=" "), 422, "invalid_request")
    assert is_refusal(await ask(here, conversation="nobody"), 404, "unknown_conversation")
    after = [set(await here.engine.hub.shared.names(membership)) for membership in memberships]
    assert all(now <= former for now, former in zip(after, before, strict=True))


async def test_a_live_run_is_counted_for_as_long_as_it_is_live(gateways: Pair) -> None:
    """Its slot is renewed by its process, also after Redis came back empty."""
    here, there = gateways
    started = (await ask(here, model=demo_model(fault="silent"))).json()
    slot = here.gateway._limits._slots[started["id"]]
    await here.engine.hub.shared.leave([slot[0]], slot[1])
    assert slot[1] not in await there.engine.hub.shared.names(slot[0])
    await here.gateway._limits.renew()
    assert slot[1] in await there.engine.hub.shared.names(slot[0])
    await there.client.delete(f"/runs/{started['id']}")

    async def gone() -> bool:
        return slot[1] not in await there.engine.hub.shared.names(slot[0])

    await soon(gone)
