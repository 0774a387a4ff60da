"""The gateway is never more open than the pages: without tokens, what costs money needs the pages' access code."""

import string
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from benchmarks.harness import free_port, listens
from streamlab.access_code import GUESSES
from streamlab.demo_model.process import DemoModel
from tests.gateway import Served, is_refusal, served
from tests.stack import NGINX, needs_nginx

pytestmark = pytest.mark.anyio

CODE = "Room-swordfish"
FREE = "demo?first=0&rate=5000"
PAID = "demo-paid?first=0&rate=5000"  # a name of the provider's, who happens to be the demo model
WAYS: list[dict[str, str]] = [{"x-access-code": CODE}, {"authorization": f"Bearer {CODE}"}]

BARE = """
daemon off; pid $folder/nginx.pid; error_log stderr; events {}
http { access_log off; server { listen 127.0.0.1:$port; location / { proxy_pass http://127.0.0.1:$upstream; } } }
"""


@asynccontextmanager
async def guarded(demo: DemoModel, code: str | None = CODE, **settings: Any) -> AsyncIterator[Served]:
    code_ = SecretStr(code) if code else None
    names = (FREE, PAID)
    async with served(
        openai_base_url=demo.base_url, openai_api_key="test", lab_models=names, lab_access_code=code_, **settings
    ) as lab:
        yield lab


@pytest.fixture(scope="module")
async def lab(anyio_backend: str, demo: DemoModel) -> AsyncIterator[Served]:
    async with guarded(demo) as lab:
        yield lab


async def ask(lab: Served, model: str, **headers: Any) -> httpx2.Response:
    return await lab.client.post("/runs", json={"message": "q", "model": model}, headers=headers)


async def test_the_demo_model_is_for_everybody(lab: Served) -> None:
    """Also its runs, and a conversation with it."""
    made = (await ask(lab, FREE)).json()
    assert (await lab.client.get(f"/runs/{made['id']}")).status_code == 200
    goes_on = {"message": "q", "model": FREE, "conversation": made["conversation"]}
    await lab.client.get(f"/runs/{made['id']}/events")
    assert (await lab.client.post("/runs", json=goes_on)).status_code == 201
    goes_on["model"] = PAID
    assert is_refusal(await lab.client.post("/runs", json=goes_on), 401, "access_code_needed")


@pytest.mark.parametrize("agent", [False, True])
async def test_what_costs_money_needs_the_code(lab: Served, *, agent: bool) -> None:
    """In either header; the refusal says so and does not name the code."""
    body = {"message": "q", "model": PAID, "agent": agent}
    for path in ("/runs", "/chat"):
        refused = await lab.client.post(path, json=body)
        assert is_refusal(refused, 401, "access_code_needed")
        assert CODE not in refused.text
    for headers in WAYS:
        assert (await lab.client.post("/runs", json=body, headers=headers)).status_code == 201
    assert lab.engine.access_code
    ticket = {"x-access-code": lab.engine.access_code.issue()}
    assert (await lab.client.post("/runs", json=body, headers=ticket)).status_code == 201


async def test_wrong_codes_are_counted_with_the_pages(demo: DemoModel) -> None:
    """Whoever guesses is not heard for a while, and neither is the right one."""
    async with guarded(demo) as lab:
        for number in range(GUESSES):
            refused = await ask(lab, PAID, **{"x-access-code": f"guess-{number}"})
            assert is_refusal(refused, 401, "wrong_access_code")
        refused = await ask(lab, PAID, **WAYS[0])
        assert is_refusal(refused, 429, "too_many_guesses")
        assert int(refused.headers["retry-after"]) > 0
        assert (await ask(lab, FREE)).status_code == 201


async def test_without_a_code_it_is_as_open_as_the_pages(demo: DemoModel) -> None:
    """On this machine."""
    async with guarded(demo, None) as lab:
        assert (await ask(lab, PAID)).status_code == 201


async def test_with_tokens_the_token_is_what_counts(demo: DemoModel) -> None:
    """It opens every model; the code opens nothing beside them."""
    async with guarded(demo, gateway_tokens=(SecretStr("ada:swordfish-0123456789"),)) as lab:
        assert (await ask(lab, PAID, authorization="Bearer swordfish-0123456789")).status_code == 201
        for headers in WAYS:
            assert (await ask(lab, FREE, **headers)).status_code == 401


@pytest.mark.parametrize(
    ("settings", "is_open"),
    [({"code": None}, True), ({}, False), ({"code": None, "gateway_metrics_token": SecretStr("only-figures")}, False)],
)
async def test_the_figures_need_their_token_as_soon_as_anything_does(
    demo: DemoModel, settings: dict[str, Any], *, is_open: bool
) -> None:
    """Whoever has the code may read them, too."""
    async with guarded(demo, **settings) as lab:
        response = await lab.client.get("/metrics")
        assert response.status_code == (200 if is_open else 401)
        token = settings.get("gateway_metrics_token") or SecretStr(CODE)
        sent = {"authorization": f"Bearer {token.get_secret_value()}"}
        assert (await lab.client.get("/metrics", headers=sent)).status_code == 200


@contextmanager
def bare_nginx(folder: Path, upstream: int) -> Iterator[str]:
    """Run nginx with nothing but `proxy_pass`, as it stands in many a guide."""
    assert NGINX
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(string.Template(BARE).substitute(folder=folder, port=port, upstream=upstream))
    process = subprocess.Popen([NGINX, "-e", "stderr", "-c", config], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        process.terminate()
        process.wait()


@needs_nginx
async def test_a_proxy_that_says_nothing_of_itself_is_seen(demo: DemoModel, tmp_path: Path) -> None:
    """It makes everybody look local, and asks in HTTP/1.0."""
    async with guarded(demo, None) as lab:
        with bare_nginx(tmp_path, lab.port) as url:
            async with httpx2.AsyncClient() as client:
                for path in ("/runs", "/chat"):
                    refused = await client.post(url + path, json={"message": "q", "model": FREE})
                    assert is_refusal(refused, 403, "not_local")
                assert is_refusal(await client.get(f"{url}/metrics"), 403, "not_local")
                assert (await client.get(f"{url}/healthz")).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-Anything", "X-FORWARDED-SERVER", "CF-Connecting-IP", "True-Client-IP"])
async def test_whatever_shows_a_proxy_counts(lab: Served, header: str) -> None:
    """In any writing."""
    assert is_refusal(await ask(lab, FREE, **{header: "x"}), 403, "not_local")
