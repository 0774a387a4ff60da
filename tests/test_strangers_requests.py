"""Requests as nobody here would send them: handshakes that are none, what a person typed, ids that lead nowhere."""

import base64
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio.to_thread
import grpc
import httpx2
import pytest
from pydantic import SecretStr

from streamlab.access_code import GUESSES
from streamlab.demo_model.process import DemoModel
from streamlab.prompts.nunjucks import NotPlain, parse
from streamlab.prompts.promptfoo_config import open_set
from streamlab.prompts.serialization import BrokenSet
from tests import access
from tests.access import BEARER
from tests.conftest import demo_model
from tests.gateway import Served, is_refusal, parse_stream, served
from tests.grpc_gateway import Lab, lab_of, refused
from tests.half_requests import connected, received

lab = access.lab  # fixtures are found by their names

UPGRADE = b"host: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
KEY = b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ODD_HANDSHAKES = {
    "long": b"GET /api/runs/x/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"x-y: " + b"z" * 9_000 + b"\r\n\r\n",
    "many": b"GET /api/runs/x/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"x: y\r\n" * 200 + b"\r\n",
    "no key": b"GET /api/runs/x/ws HTTP/1.1\r\n" + UPGRADE + b"\r\n",
    "with a body": b"GET /api/runs/x/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"content-length: 5\r\n\r\nhello",
    "chunked": b"GET /api/runs/x/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.fixture(scope="module")
async def open_lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served() as lab:
        yield lab


@pytest.fixture(scope="module")
async def grpc_lab(anyio_backend: str) -> AsyncIterator[Lab]:
    async with lab_of() as lab:
        yield lab


def answered(port: int, sent: bytes) -> bytes:
    with connected(port, sent + b"GET /api/healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n") as client:
        return received(client)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ODD_HANDSHAKES)
async def test_a_handshake_that_is_none_is_answered_and_closed(open_lab: Served, name: str) -> None:
    """It does not stay open with nobody who waits for it."""
    answer = await anyio.to_thread.run_sync(answered, open_lab.port, ODD_HANDSHAKES[name])
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ", b"HTTP/1.1 426 "))


@pytest.mark.anyio
async def test_what_is_answered_before_its_body_came_leaves_a_good_connection(lab: Served) -> None:
    """Clients use it for their next request, and do not ask a question twice when it breaks then."""

    def talk() -> tuple[bytes, bytes]:
        with connected(lab.port, b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n") as client:
            first = client.recv(65_536)
            client.sendall(b"hello" + b"GET /api/healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return first, received(client)

    first, second = await anyio.to_thread.run_sync(talk)
    assert first.startswith(b"HTTP/1.1 401 ")
    assert b"HTTP/1.1 200 " in second


@pytest.mark.anyio
@pytest.mark.parametrize("upgrades", [b"websocket", b"h2c\r\nupgrade: websocket", b"h2c, websocket", b"WebSocket"])
async def test_a_post_keeps_its_body_whatever_it_would_upgrade_to(open_lab: Served, upgrades: bytes) -> None:
    body = b'{"message":"hi","model":"%s"}' % demo_model().encode()
    head = b"POST /api/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: Upgrade\r\n"
    sent = head + b"upgrade: %s\r\ncontent-length: %d\r\n\r\n%s" % (upgrades, len(body), body)
    answer = await anyio.to_thread.run_sync(answered, open_lab.port, sent)
    assert answer.startswith(b"HTTP/1.1 201 ")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "typed"),
    [("パスワード123", "パスワード123"), ("opensesame", "ｏｐｅｎｓｅｓａｍｅ"), ("clé-secrète", "clé-secrète")],
)
@pytest.mark.parametrize("header", ["x-access-code", "authorization"])
async def test_a_code_of_any_script_opens_the_gateway(demo: DemoModel, code: str, typed: str, header: str) -> None:
    """As UTF-8, in which people and their programs write; a right one is never counted as wrong."""
    sent = typed.encode() if header == "x-access-code" else b"Bearer " + typed.encode()
    paid = "demo-paid?first=0&rate=5000"
    settings: dict[str, Any] = {"openai_base_url": demo.base_url, "openai_api_key": "test", "lab_models": (paid,)}
    async with served(**settings, lab_access_code=SecretStr(code)) as lab:
        for _ in range(GUESSES + 1):
            response = await lab.client.post("/runs", json={"message": "q"}, headers={header.encode(): sent})
            assert response.status_code == 201


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["gpt-4o?x=1", "gpt-4o?", "gpt-4o?demo", "?", "demo-x?y", "gpt-4o demo?"])
async def test_options_make_no_model_that_is_offered_of_a_real_one(demo: DemoModel, name: str) -> None:
    """Only a scripted model has options behind its name."""
    settings: dict[str, Any] = {
        "openai_base_url": demo.base_url,
        "openai_api_key": "test",
        "lab_models": ("gpt-4o", "demo"),
    }
    async with served(**settings) as lab:
        response = await lab.client.post("/runs", json={"message": "q", "model": name})
    assert is_refusal(response, 422, "unknown_model")


@pytest.mark.anyio
async def test_an_id_that_leads_nowhere_asks_nothing_whatever_key_comes_with_it(open_lab: Served) -> None:
    """The run of a key that is known is gone on with, as the id would have."""
    body = {"message": "q", "model": demo_model()}
    nowhere = {"last-event-id": "f" * 16 + "-3"}
    before = open_lab.engine.runs.started
    fresh = await open_lab.client.post("/chat", json=body, headers=nowhere | {"idempotency-key": "new"})
    assert is_refusal(fresh, 404, "unknown_run")
    assert open_lab.engine.runs.started == before
    first = await open_lab.client.post("/chat", json=body, headers={"idempotency-key": "known"})
    again = await open_lab.client.post("/chat", json=body, headers=nowhere | {"idempotency-key": "known"})
    assert again.headers["x-run-id"] == first.headers["x-run-id"]
    assert [sent.type for sent in parse_stream(again.content)][-1] == "done"
    assert open_lab.engine.runs.started == before + 1


@pytest.mark.anyio
async def test_what_a_proxy_in_front_asked_for_hides_no_follow_token(lab: Served) -> None:
    """Basic authorization is not a word to the gateway."""
    made = (await lab.client.post("/runs", json={"message": "q", "model": demo_model()}, headers=BEARER)).json()
    token = (await lab.client.post(f"/runs/{made['id']}/token", headers=BEARER)).json()["token"]
    basic = {"authorization": f"Basic {base64.b64encode(b'a:b').decode()}"}
    response = await lab.client.get(f"/runs/{made['id']}", params={"token": token}, headers=basic)
    assert response.status_code == 200
    assert is_refusal(await lab.client.get(f"/runs/{made['id']}", headers=basic), 401, "unauthorized")


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["Chat", "Start", "Follow", "Look", "Stop"])
async def test_bytes_that_are_no_message_are_a_wrong_request(grpc_lab: Lab, method: str) -> None:
    channel: Any = grpc_lab.channel
    kind = channel.unary_stream if method in ("Chat", "Follow") else channel.unary_unary
    made = kind(f"/streamlab.v1.Streamlab/{method}")(b"\xff\xff\xff")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await (made.read() if method in ("Chat", "Follow") else made)
    assert refused(error.value) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")


@pytest.mark.anyio
@pytest.mark.parametrize(("path", "methods"), [("/docs", {"GET", "HEAD"}), ("/runs/x", {"DELETE", "GET"})])
async def test_an_address_says_all_that_may_be_asked_of_it(open_lab: Served, path: str, methods: set[str]) -> None:
    response: httpx2.Response = await open_lab.client.put(path)
    assert is_refusal(response, 405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == methods


@pytest.mark.parametrize(
    "template",
    [
        *("{{" * 100_000, "{{" + " " * 200_000 + "x", "{% raw %}" * 20_000, "{#" * 100_000, "{{ a | " * 30_000),
        *("{{ " + "'" * 200_000 + "}}", "{%- " + " " * 200_000, ("{% raw" + " " * 50) * 4_000, "{{-" * 60_000),
    ],
    ids=range(9),
)
def test_a_template_is_read_in_one_pass(template: str) -> None:
    """What never ends is looked through once, not once from each of its places: that would take hours."""
    read = ""
    with suppress(NotPlain):
        read = "".join(literal for literal, _ in parse(template))
    assert read in ("", template)


@pytest.mark.parametrize("template", ["{{" * 16_100, "x" * 32_100], ids=["braces", "text"])
def test_a_prompt_that_is_too_long_is_told_as_what_it_is(template: str) -> None:
    """Also one that became so on the way from promptfoo's form to ours."""
    with pytest.raises(BrokenSet):
        open_set(f"prompts: ['{template}']".encode(), "demo")
