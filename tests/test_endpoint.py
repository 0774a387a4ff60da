"""The address of a compatible server: mended where the server answers at another, else told as it was given."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from streamlab.demo_model.process import DemoModel
from streamlab.demo_model.server import create_app
from streamlab.models.endpoint import Endpoint, candidates, shown_address
from streamlab.models.options import DEFAULT_TEMPERATURE
from tests.conftest import MakeLab, demo_model, http, provider, raw_endpoint
from tests.events import end
from tests.proxies import far_server

FAR = demo_model().replace("demo?", "demo-elsewhere?")


@contextmanager
def endpoint_at(given: str, key: str = "sk-secret") -> Iterator[Endpoint]:
    with httpx2.Client(follow_redirects=True, trust_env=False) as client:
        yield Endpoint(given, key, client)


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http://", "", "HTTP://"])
@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v1/", "/v1/chat/completions", "/v1/chat/completions/", "/v1/models", "/chat/completions"]
)
async def test_an_address_is_mended_where_the_server_answers(
    demo: DemoModel, make_lab: MakeLab, scheme: str, path: str
) -> None:
    """The list of models and the answers come from there, over the client of threads and that of the event loop."""
    given = demo.base_url.replace("http://", scheme).removesuffix("/v1") + path
    with provider(given) as models:
        assert await models.names() == ("demo",)
        assert not models._unlisted
        assert end(await make_lab(models).run(FAR)).status == "completed"
        assert (await models.chat_model(FAR, DEFAULT_TEMPERATURE).ainvoke("hi")).text


@pytest.mark.anyio
async def test_an_answer_comes_also_when_the_list_was_never_asked_for(demo: DemoModel, make_lab: MakeLab) -> None:
    """As with LAB_MODELS."""
    with provider(demo.base_url.removesuffix("/v1")) as models:
        assert end(await make_lab(models).run(FAR)).status == "completed"


def test_a_complete_address_is_not_tried() -> None:
    """It costs no request."""
    with raw_endpoint(http(b"no", "404 Not Found")) as server, endpoint_at(server.base_url) as endpoint:
        assert endpoint.address() == server.base_url
        assert server.headers == []


def test_what_answers_nowhere_is_used_as_it_was_given() -> None:
    """A server need not have a list of models; it is asked for one once."""
    with raw_endpoint(http(b"no", "404 Not Found")) as server:
        given = server.base_url.removesuffix("/v1")
        with endpoint_at(given) as endpoint:
            assert endpoint.address() == endpoint.address() == endpoint.shown == given
        assert [head.split()[1] for head in server.headers] == ["/models", "/v1/models"]


def test_a_server_that_comes_later_is_found(demo: DemoModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """After none answered, it is tried again, but not at each question."""
    now = 1_000.0
    monkeypatch.setattr("streamlab.models.endpoint.time.monotonic", lambda: now)
    with raw_endpoint(http(b"", "503 Service Unavailable")) as gone, endpoint_at(gone.base_url[:-3]) as endpoint:
        tried = [endpoint.address() for _ in range(3)]
        assert tried == [gone.base_url.removesuffix("/v1")] * 3
        assert len(gone.headers) == 2
        now += 31
        endpoint.address()
        assert len(gone.headers) == 4


@pytest.mark.parametrize(
    ("status", "body", "compatible"),
    [
        ("200 OK", {"object": "list", "data": [{"id": "a"}]}, True),
        ("200 OK", {"object": "list", "data": None}, True),
        ("200 OK", [{"id": "a"}], True),
        ("401 Unauthorized", {"error": {"message": "no"}}, True),
        ("403 Forbidden", {"detail": "no"}, True),
        ("200 OK", {"error": "Unexpected endpoint"}, False),
        ("200 OK", "Ollama is running", False),
        ("404 Not Found", {"detail": "Not Found"}, False),
        ("500 Internal Server Error", {"error": {}}, False),
    ],
)
def test_what_a_compatible_server_answers(status: str, body: object, compatible: bool) -> None:
    """A list, or the refusal of one; a friendly page is none."""
    answer = http(json.dumps(body).encode(), status, "application/json")
    other = http(b"{}", "404 Not Found", "application/json")
    with raw_endpoint(other, answer, other) as server, endpoint_at(server.base_url[:-3]) as endpoint:
        assert (endpoint.address() == server.base_url) == compatible


@pytest.mark.parametrize(
    "given", ["http://h", "h.example:80", "https://h/v1?key=secret", "user.example/a/chat/completions"]
)
def test_candidates_are_addresses_of_the_same_host(given: str) -> None:
    """The key goes to nobody else."""
    hosts = {httpx2.URL(each).host for each in candidates(given)}
    assert len(hosts) == 1


@pytest.mark.parametrize(
    ("given", "schemes"),
    [
        ("localhost:1", ["http", "https"]),
        ("192.168.1.5:1/v1", ["http", "https"]),
        ("[::1]:1", ["http", "https"]),
        ("ollama:1", ["http", "https"]),
        ("gpu.local/v1", ["http", "https"]),
        ("api.example.com/v1", ["https", "http"]),
        ("8.8.8.8", ["https", "http"]),
        ("http://api.example.com", ["http"]),
    ],
)
def test_which_scheme_is_tried_first(given: str, schemes: list[str]) -> None:
    """Near servers mostly have no certificate, far ones do."""
    assert list(dict.fromkeys(httpx2.URL(each).scheme for each in candidates(given))) == schemes


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://ada:word@h:1/v1?key=secret#x", "http://h:1/v1"),
        ("h.example/v1/", "h.example/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_an_address_is_shown_without_secrets(address: str, shown: str) -> None:
    """Neither user nor query."""
    assert shown_address(address) == shown


def redirecting() -> Starlette:
    """Send every request to the same path beneath /new, as a server behind another would."""

    async def elsewhere(request: Request) -> Response:
        return RedirectResponse(str(request.url.replace(path=f"/new{request.url.path}")), 301)

    async def root(request: Request) -> Response:
        return PlainTextResponse("hello")

    return Starlette(
        routes=[
            Route("/", root),
            Mount("/new", create_app()),
            Route("/v1/{rest:path}", elsewhere, methods=["GET", "POST"]),
            Route("/models", lambda request: JSONResponse({"detail": "no"}, 404)),
        ]
    )


@pytest.mark.anyio
async def test_a_redirect_on_the_same_host_is_followed_once_and_for_all(make_lab: MakeLab) -> None:
    """A question that is redirected as 301 says would arrive without its words."""
    with far_server(redirecting()) as url, provider(url.removesuffix("/v1")) as models:
        assert end(await make_lab(models).run(FAR)).status == "completed"
