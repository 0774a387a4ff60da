"""Who is served: the gates, access tokens, what is logged of them, and limits of one caller."""

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from streamlab.gateway.access import Access, Caller, Grant, forwards, is_here
from streamlab.gateway.errors import Refusal
from streamlab.gateway.privacy import hide_tokens_of
from tests import access
from tests.access import BEARER, CLOSED, ORIGIN, OTHER, SECRET, issue
from tests.conftest import until
from tests.gateway import Served, delta, ending, is_refusal, served

lab, open_lab = access.lab, access.open_lab  # fixtures are found by their names

OPEN = Access({}, (ORIGIN,))


def refusal(access: Access, caller: Caller) -> str | None:
    """The code of what `admit` says, None if nothing."""
    try:
        access.admit(caller)
    except Refusal as refused:
        return refused.code
    return None


# The gates


@pytest.mark.parametrize(
    ("caller", "here"),
    [
        (Caller("127.0.0.1", "localhost:8501"), True),
        (Caller("::1", "[::1]:8501", "http://[::1]:8501"), True),
        (Caller("127.0.0.1", "127.0.0.1:8501", "http://localhost:8501"), True),
        (Caller("10.0.0.1", "localhost"), False),
        (Caller(None, "localhost"), False),
        (Caller("127.0.0.1", None), False),
        (Caller("127.0.0.1", "lab.example"), False),
        (Caller("127.0.0.1", "localhost", "https://lab.example"), False),
        (Caller("127.0.0.1", "localhost", "null"), False),
        (Caller("127.0.0.1", "localhost", "http://["), False),
        (Caller("127.0.0.1", "localhost", forwarded=True), False),
    ],
)
def test_who_sits_at_this_machine_is_known(caller: Caller, here: bool) -> None:
    """By where they come from, by the names that they use, and not through a proxy, however little it tells."""
    assert is_here(caller) == here


@pytest.mark.parametrize(
    ("client", "code"),
    [
        *[(address, None) for address in ("127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1")],
        *[(address, "not_local") for address in ("10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0", "", None, "x")],
    ],
)
def test_without_tokens_only_loopback_is_served(client: str | None, code: str | None) -> None:
    """Also where one socket takes both families and writes IPv4 as IPv6. With tokens, everywhere."""
    assert refusal(OPEN, Caller(client, "localhost:8501")) == code
    assert refusal(CLOSED, Caller(client, "lab.example")) is None


@pytest.mark.parametrize(
    ("host", "code"),
    [
        *[(host, None) for host in ("localhost", "localhost:8501", "LOCALHOST:1", "127.0.0.1:8501", "[::1]:8501")],
        *[
            (host, "foreign_host")
            for host in (
                "evil.example",
                "evil.example:8501",
                "localhost.evil.example",
                "",
                None,
                "[",
                "a@b",
                "10.0.0.1",
            )
        ],
    ],
)
def test_without_tokens_only_a_name_of_this_machine_is_answered(host: str | None, code: str | None) -> None:
    """A page whose name was made to lead here (DNS rebinding) still sends its own name."""
    assert refusal(OPEN, Caller("127.0.0.1", host)) == code


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        *[(origin, None) for origin in (None, ORIGIN, ORIGIN.upper(), "http://localhost:8501")],
        *[
            (origin, "foreign_origin")
            for origin in (
                *("null", "https://evil.example", "http://localhost:8502", "http://friend.example", ""),
                *(f"{ORIGIN}.evil.example", "https://[", f"{ORIGIN}:444"),
            )
        ],
    ],
)
@pytest.mark.parametrize("access", [OPEN, CLOSED])
def test_a_foreign_origin_is_refused(access: Access, origin: str | None, code: str | None) -> None:
    """Unless it is listed, or the page came from here; whether there are tokens or not."""
    assert refusal(access, Caller("127.0.0.1", "localhost:8501", origin)) == code


# Of nginx, Apache, HAProxy, Squid, WebLogic, Varnish, and the networks that sell this.
PROXIES = (
    *("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Anything", "X-Forwarded"),
    *("Forwarded-For", "X_Forwarded_For", "X-Real-IP", "X-Client-IP", "Client-IP", "Proxy-Client-IP", "Via"),
    *("WL-Proxy-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "X-Original-Forwarded-For", "X-Original-Host"),
    *("X-Envoy-External-Address", "X-ProxyUser-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "Fastly-Client-IP"),
    *("Fly-Client-IP", "X-Azure-ClientIP", "X-MS-Forwarded-Client-IP", "X-Vercel-Forwarded-For", "Incap-Client-IP"),
    *("X-Remote-Addr", "X-BlueCoat-Via", "X-Varnish", "CDN-Loop", "Proxy-Connection"),
)


@pytest.mark.parametrize(
    "header", ["host", "origin", "authorization", "accept", "user-agent", "x-access-code", "cookie"]
)
def test_what_clients_send_shows_no_proxy(header: str) -> None:
    assert not forwards([header, header.title()])


@pytest.mark.anyio
@pytest.mark.parametrize("header", PROXIES)
@pytest.mark.parametrize("path", ["/runs/x", "/metrics", "/docs", "/openapi.json", "/nothing"])
async def test_without_tokens_nothing_is_served_through_a_proxy(open_lab: Served, header: str, path: str) -> None:
    """A proxy on this machine makes everyone look local. The sentence says what to set."""
    response = await open_lab.client.get(path, headers={header: "for=127.0.0.1"})
    assert is_refusal(response, 403, "not_local")
    assert "GATEWAY_TOKENS" in response.json()["error"]["hint"]
    assert (await open_lab.client.get("/healthz", headers={header: "x"})).status_code == 200


@pytest.mark.anyio
async def test_the_gates_hold_for_every_address(open_lab: Served) -> None:
    """Host and Origin are looked at before anything else."""
    assert is_refusal(await open_lab.client.get("/docs", headers={"host": "evil.example"}), 403, "foreign_host")
    response = await open_lab.client.post("/chat", json={"message": "hi"}, headers={"origin": "http://evil.example"})
    assert is_refusal(response, 403, "foreign_origin")
    assert open_lab.engine.runs.started == 0


@pytest.mark.anyio
async def test_a_listed_origin_may_read_and_sees_the_headers_it_needs(lab: Served) -> None:
    """CORS: the preflight and the answer; an origin that is not listed gets neither."""
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    preflight = await lab.client.options("/chat", headers={"origin": ORIGIN} | asking)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    answer = await lab.client.post("/runs", json={"message": "hi"}, headers={"origin": ORIGIN} | BEARER)
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-expose-headers"] == EXPOSED
    foreign = await lab.client.options("/chat", headers={"origin": "https://evil.example"} | asking)
    assert is_refusal(foreign, 403, "foreign_origin")
    assert "access-control-allow-origin" not in foreign.headers


EXPOSED = "X-Run-Id, Location, Retry-After, X-Request-Id, X-Should-Retry"


# Access tokens


@pytest.mark.parametrize("authorization", [f"Bearer {SECRET}", f"bearer {SECRET}", f"Bearer  {SECRET} "])
def test_a_token_has_a_name(authorization: str) -> None:
    """By which its use is counted."""
    assert CLOSED.identify(Caller("10.0.0.1", authorization=authorization)) == Grant("ada")


@given(st.text() | st.sampled_from([f"Basic {SECRET}", SECRET, "Bearer", f"Bearer {SECRET}x", f"Bearer ada:{SECRET}"]))
def test_nothing_else_is_a_token(authorization: str) -> None:
    """Whatever is sent, it is refused without being repeated."""
    with pytest.raises(Refusal) as caught:
        CLOSED.identify(Caller("127.0.0.1", "localhost", authorization=authorization))
    assert (caught.value.status, caught.value.code) in [(401, "invalid_access_token"), (401, "unauthorized")]
    assert SECRET not in str(caught.value.as_json())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[
            ("POST", "/chat"),
            ("POST", "/runs"),
            ("GET", "/runs/{}"),
            ("GET", "/runs/{}/events"),
            ("DELETE", "/runs/{}"),
        ],
        *[("POST", "/runs/{}/token"), ("DELETE", "/runs/{}/token"), ("GET", "/metrics")],
    ],
)
async def test_every_route_asks_for_a_token(lab: Served, method: str, path: str) -> None:
    """Also on loopback, once tokens are set; a wrong one is no better than none."""
    path = path.format(lab.log(*ending("")).run_id)
    body = {"message": "hi"} if method == "POST" and not path.endswith("token") else None
    for headers, code in (({}, "unauthorized"), ({"authorization": "Bearer no"}, "invalid_access_token")):
        response = await lab.client.request(method, path, headers=headers, json=body)
        assert is_refusal(response, 401, code)
        assert response.headers["www-authenticate"] == "Bearer"
    response = await lab.client.request(method, path, headers=BEARER, json=body)
    assert response.status_code < 300


@pytest.mark.anyio
async def test_health_and_the_description_are_for_everyone(lab: Served) -> None:
    """They tell nothing that is not in the documentation."""
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert (await lab.client.get(path)).status_code == 200


# What is logged


@pytest.mark.anyio
async def test_no_secret_and_no_content_reaches_a_log(lab: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Not even at debug; each delivery says at its end what it was, and each event its type."""
    caplog.set_level(logging.DEBUG, logger="streamlab")
    log = lab.log(delta("very private"), *ending("very private"))
    token = await issue(lab, log.run_id)
    await lab.get(log, token=token)
    await lab.client.get("/metrics", headers={"authorization": f"Bearer {OTHER}x"})
    for secret in ("private", token, SECRET, OTHER):
        assert secret not in caplog.text
    assert f"run {log.run_id} sse events=3 bytes=" in caplog.text
    assert "reason=ended" in caplog.text
    assert f"run {log.run_id} text_delta\n" in caplog.text


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/runs/x/ws?token=abc.def&after=1", "/api/runs/x/ws?token=…&after=1"),
        ("/api/runs/x/events?after=1&token=abc", "/api/runs/x/events?after=1&token=…"),
        ("/api/runs/x", "/api/runs/x"),
    ],
)
def test_the_web_servers_log_shows_no_token(path: str, shown: str) -> None:
    """uvicorn writes addresses as they came."""
    record = logging.LogRecord(
        "uvicorn.error", logging.INFO, "", 0, '%s - "WebSocket %s" %d', ("1.2.3.4", path, 1), None
    )
    assert hide_tokens_of(record)
    assert record.getMessage() == f'1.2.3.4 - "WebSocket {shown}" 1'


# Limits of one caller


@pytest.mark.anyio
async def test_each_token_has_limits_of_its_own() -> None:
    """Live runs and runs in a minute: 429 says when to come back, and what one uses up the other still has."""
    tokens: Any = (SecretStr(f"ada:{SECRET}"), SecretStr(OTHER))
    async with served(gateway_tokens=tokens, gateway_max_runs=1, gateway_runs_per_minute=2) as lab:

        async def ask(secret: str, model: str) -> Any:
            body = {"message": "hi", "model": model}
            return await lab.client.post("/runs", json=body, headers={"authorization": f"Bearer {secret}"})

        first = await ask(SECRET, "demo?fault=silent")
        assert first.status_code == 201
        second = await ask(SECRET, "demo")
        assert is_refusal(second, 429, "too_many_live_runs")
        assert int(second.headers["retry-after"]) >= 1
        assert (await ask(OTHER, "demo")).status_code == 201
        run = f"/runs/{first.json()['id']}"
        assert (await lab.client.delete(run, headers=BEARER)).status_code == 202
        log = lab.engine.hub.log(first.json()["id"])
        await until(lambda: log.done is not None)
        assert (await lab.client.delete(run, headers=BEARER)).status_code == 204
        assert (await ask(SECRET, "demo")).status_code == 201
        await until(lambda: lab.engine.runs.live == 0)
        await asyncio.sleep(0)
        third = await ask(SECRET, "demo")
        assert is_refusal(third, 429, "too_many_runs")
        assert 1 <= int(third.headers["retry-after"]) <= 60
