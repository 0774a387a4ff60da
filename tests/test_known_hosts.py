"""The pages answer to the names that they are meant to be reached by, and to pages that came from there."""

import httpx2
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from components.middleware.known_hosts import KnownHosts
from components.page.texts import LANGUAGES, texts

LOCAL = ("localhost", "localhost:8501", "LOCALHOST:8501", "localhost.", "127.0.0.1:8501", "127.8.8.8", "[::1]:8501")
OURS = ("lab.example.com", "Lab.Example.com:8443", "192.168.0.7:8501", "[fd00::7]:8501", "10.0.0.1")
FOREIGN = (
    "evil.example",
    "localhost.evil.example:8501",
    "lab.example.com.evil.example",
    "evil.example:8501",
    "",
    "a b",
    "[x",
)


async def _page(request: object) -> PlainTextResponse:
    return PlainTextResponse("here")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


@pytest.fixture
def client() -> TestClient:
    routes = [
        Route("/chat", _page, methods=["GET", "POST"]),
        Route("/api/healthz", _page),
        WebSocketRoute("/_stcore/stream", _socket),
    ]
    return TestClient(KnownHosts(Starlette(routes=routes), ["lab.example.com"]), base_url="http://localhost")


def answered(client: TestClient, host: str, method: str = "GET", path: str = "/chat", **headers: str) -> bool:
    response = client.request(method, path, headers={"host": host, **headers})
    assert response.status_code in (200, 421)
    return response.status_code == 200


def connected(client: TestClient, host: str, **headers: str) -> bool:
    try:
        with client.websocket_connect("/_stcore/stream", headers={"host": host, **headers}):
            return True
    except WebSocketDisconnect as left:
        return left.code == 1000


@pytest.mark.parametrize("host", [*LOCAL, *OURS])
def test_known_names_and_addresses_are_served(client: TestClient, host: str) -> None:
    """With any port; an address is no name that somebody could have lead here."""
    assert answered(client, host)
    assert connected(client, host, origin=f"http://{host}")


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_refused(client: TestClient, host: str) -> None:
    """In words, and whatever the page that asks says of itself."""
    assert not answered(client, host)
    assert not connected(client, host, origin=f"http://{host}")
    told = client.get("/chat", headers={"host": host}).text
    assert all(texts(language)["app.unknown_host"] in told for language in LANGUAGES)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3000", "http://127.0.0.1:3000", "null", "x"]
)
def test_pages_from_elsewhere_ask_nothing(client: TestClient, origin: str) -> None:
    """Another port is another page."""
    assert not connected(client, "localhost:8501", origin=origin)
    assert not answered(client, "localhost:8501", "POST", origin=origin)
    assert answered(client, "localhost:8501", origin=origin), "a link may lead here from anywhere"


def test_a_proxy_may_say_another_host(client: TestClient) -> None:
    """Where the name that people see is one of LAB_HOSTS."""
    assert connected(client, "127.0.0.1:8501", origin="https://lab.example.com")
    assert answered(client, "127.0.0.1:8501", "POST", origin="https://lab.example.com:8443")


def test_the_gateway_has_its_own_rule(client: TestClient) -> None:
    """With tokens it answers to any name."""
    assert answered(client, "evil.example", path="/api/healthz")


@pytest.mark.parametrize(("address", "known"), [("lab.internal", True), ("localhost", False), ("", False)])
def test_the_address_that_the_server_listens_on_is_known(
    monkeypatch: pytest.MonkeyPatch, address: str, *, known: bool
) -> None:
    """By its name, if it has one."""
    monkeypatch.setattr(st, "get_option", {"server.address": address, "server.baseUrlPath": ""}.__getitem__)
    served = TestClient(KnownHosts(Starlette(routes=[Route("/chat", _page)])), base_url="http://localhost")
    assert answered(served, "lab.internal:8501") is known


def test_the_app_itself_answers_to_no_other_name(shared_app: str) -> None:
    """Over its real server, pages and their WebSocket."""
    for path in ("/", "/chat", "/_stcore/health", "/_stcore/host-config", "/static/nothing"):
        assert httpx2.get(shared_app + path, headers={"host": "evil.example"}).status_code == 421
    assert httpx2.get(f"{shared_app}/chat", headers={"host": "localhost:1"}).status_code == 200
