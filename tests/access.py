"""Gateways with and without access tokens."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from streamlab.gateway.access import Access
from tests.gateway import Served, served

SECRET = "swordfish-0123456789"
OTHER = "herring-0123456789"
ORIGIN = "https://friend.example"
BEARER = {"authorization": f"Bearer {SECRET}"}

CLOSED = Access({"ada": SECRET, "bob": OTHER}, (ORIGIN,))


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    """Serve a gateway that has tokens."""
    tokens = (SecretStr(f"ada:{SECRET}"), SecretStr(OTHER))
    async with served(gateway_tokens=tokens, gateway_origins=(ORIGIN,)) as lab:
        yield lab


@pytest.fixture(scope="module")
async def open_lab(anyio_backend: str) -> AsyncIterator[Served]:
    """Serve a gateway without, whose follow tokens live for three seconds."""
    async with served(gateway_follow_token_seconds=3) as lab:
        yield lab


async def issue(lab: Served, run_id: str) -> str:
    response = await lab.client.post(f"/runs/{run_id}/token", headers=BEARER)
    assert response.status_code == 201
    token: str = response.json()["token"]
    return token
