"""Follow tokens read one run for a while, and nothing else."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.gateway.access import Access, Caller
from streamlab.gateway.errors import Refusal
from tests import access
from tests.access import BEARER, CLOSED, issue
from tests.gateway import Served, delta, ending, is_refusal

lab, open_lab = access.lab, access.open_lab  # fixtures are found by their names


@pytest.mark.anyio
@pytest.mark.parametrize("as_bearer", [False, True])
async def test_a_follow_token_reads_one_run_and_nothing_else(lab: Served, as_bearer: bool) -> None:
    """It watches, as state, stream and page; it cannot stop, ask, revoke, or look at another run."""
    log, other = lab.log(delta("a"), *ending("a")), lab.log(*ending(""))
    token, run = await issue(lab, log.run_id), f"/runs/{log.run_id}"
    sent: dict[str, Any] = (
        {"headers": {"authorization": f"Bearer {token}"}} if as_bearer else {"params": {"token": token}}
    )
    refused = "invalid_access_token" if as_bearer else "unauthorized"
    assert (await lab.client.get(run, **sent)).json()["text"] == "a"
    assert (await lab.client.get(f"{run}/events", **sent)).status_code == 200
    assert is_refusal(await lab.client.get(f"/runs/{other.run_id}", **sent), 403, "other_run")
    assert is_refusal(await lab.client.post(f"/runs/{other.run_id}/token", **sent), 403, "other_run")
    assert is_refusal(await lab.client.get("/runs/unknown", **sent), 403, "other_run")
    for method, path in (("DELETE", run), ("DELETE", f"{run}/token"), ("GET", "/metrics")):
        assert is_refusal(await lab.client.request(method, path, **sent), 401, refused)
    asked = await lab.client.post("/chat", **sent, json={"message": "hi"})
    assert is_refusal(asked, 401, refused)


@pytest.mark.anyio
async def test_a_follow_token_gets_none_that_lives_longer(open_lab: Served) -> None:
    """What it is given for a WebSocket ends when it does itself."""
    log = open_lab.log(delta())
    issued = open_lab.gateway.access.issue(log.run_id, time.time_ns() - 1_000_000_000)  # of three seconds
    headers = {"authorization": f"Bearer {issued}"}
    given = (await open_lab.client.post(f"/runs/{log.run_id}/token", headers=headers)).json()
    assert given["expires_in"] in (1, 2)
    async with open_lab.follow(log, token=given["token"]) as reading:
        await reading.end()
        assert reading.parser.events[-1].json == {"code": "expired"}
    for token in (issued, given["token"]):
        again = await open_lab.client.get(f"/runs/{log.run_id}/events", headers={"authorization": f"Bearer {token}"})
        assert is_refusal(again, 401, "expired_follow_token")


@pytest.mark.anyio
async def test_a_follower_does_not_learn_the_conversation(lab: Served) -> None:
    """Whoever knows its id can go on with it on the pages."""
    started = (await lab.client.post("/runs", json={"message": "hi"}, headers=BEARER)).json()
    events = f"/runs/{started['id']}/events"
    full = (await lab.client.get(events, headers=BEARER)).text
    read = (await lab.client.get(events, params={"token": await issue(lab, started["id"])})).text
    assert started["conversation"] in full
    assert started["conversation"] not in read


@given(st.text(), st.integers(0, 100))
def test_a_token_that_was_tampered_with_is_refused(noise: str, at: int) -> None:
    """Any change of what it says, any other signature, and anything that is no token at all."""
    token = CLOSED.issue("run")
    said, _, signature = token.rpartition(".")
    at %= len(said)
    for wrong in (noise, f"{said[:at]}{noise}{said[at + 1 :]}.{signature}", f"{said}.{noise}"):
        if wrong != token:
            with pytest.raises(Refusal) as caught:
                CLOSED.allow_reading(Caller("127.0.0.1", "localhost", token=wrong), "run")
            assert caught.value.status == 401


def test_tokens_of_one_secret_are_known_to_every_process() -> None:
    """And to none with another."""
    one, same, other = (Access({}, secret=secret) for secret in ("a" * 32, "a" * 32, "b" * 32))
    caller = Caller("127.0.0.1", "localhost", token=one.issue("run"))
    assert same.allow_reading(caller, "run").run_id == "run"
    with pytest.raises(Refusal, match="not one of this server"):
        other.allow_reading(caller, "run")


@pytest.mark.anyio
async def test_a_token_that_is_revoked_ends_its_streams(lab: Served) -> None:
    """With `close`, and without `done`: the run goes on for others. A token that is issued afterwards is good."""
    log = lab.log(delta())
    token = await issue(lab, log.run_id)
    async with lab.follow(log, token=token) as reading:
        response = await lab.client.delete(f"/runs/{log.run_id}/token", headers=BEARER)
        assert response.status_code == 204
        await reading.end()
        assert reading.types == ["open", "text_delta", "close"]
        assert reading.parser.events[-1].json == {"code": "revoked"}
    again = await lab.get(log, f"{log.epoch}-1", token=token)
    assert is_refusal(again, 401, "revoked_follow_token")
    for event in ending("x"):
        log.append(event)
    new = await lab.get(log, f"{log.epoch}-1", token=await issue(lab, log.run_id))
    assert new.status_code == 200


@pytest.mark.anyio
async def test_a_token_that_expires_ends_its_stream(open_lab: Served) -> None:
    """Politely, with its place; and it is looked at again when the client comes back."""
    log = open_lab.log(delta())
    token = await issue(open_lab, log.run_id)
    async with open_lab.follow(log, token=token) as reading, open_lab.follow(log) as local:
        await reading.end()
        assert reading.types == ["open", "text_delta", "close"]
        assert reading.parser.events[-1].json == {"code": "expired"}
        assert reading.parser.last_id == f"{log.epoch}-1"
        assert not local.ended
    assert is_refusal(await open_lab.get(log, token=token), 401, "expired_follow_token")
