"""The answer by which Streamlit's error dialogs are turned off, in forms that it might have one day."""

import json
import logging
from typing import Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from components.middleware.host_config import PATH, SWITCH, HostConfig


def answered(body: bytes, status: int = 200) -> httpx2.Response:
    """Ask an application that gives this answer, through the change."""

    async def give(request: Request) -> Response:
        return Response(body, status, {"cache-control": "no-cache"}, "application/json")

    async def ask() -> httpx2.Response:
        app: Any = HostConfig(Starlette(routes=[Route(PATH, give)]))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://app") as client:
            return await client.get(PATH)

    return anyio.run(ask)


def test_one_value_changes_and_all_others_stay() -> None:
    config = {"allowedOrigins": ["https://例.test"], SWITCH: False, "metricsUrl": ""}
    answer = answered(json.dumps(config).encode())
    assert answer.json() == config | {SWITCH: True}
    assert answer.headers["cache-control"] == "no-cache"
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"null", b"{}", b'{"blockErrorDialogs": "no"}', b"\xff"])
def test_another_form_passes_as_it_is_and_is_logged(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert answered(body).content == body
    assert "another form" in caplog.text


def test_a_refusal_passes_as_it_is() -> None:
    answer = answered(b'{"blockErrorDialogs": false}', 503)
    assert (answer.status_code, answer.content) == (503, b'{"blockErrorDialogs": false}')
