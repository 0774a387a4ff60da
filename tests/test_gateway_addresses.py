"""Where to go on: what the gateway's own address answers, and every address that it names exists, wherever it is."""

import re
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.addresses import is_base
from tests.gateway import is_refusal, parse_stream, served_at

ROOT = Path(__file__).parents[1]
PLACES = ("/lab/api", "/api", "")
ADDRESS = re.compile(r"(?<![\w.:/<{}])(/[\w./-]*\w)")

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def url(anyio_backend: str) -> AsyncIterator[str]:
    """One gateway, at each of the places: by itself, as in the app, and beneath a folder of pages."""
    async with served_at(*PLACES) as url:
        yield url


@asynccontextmanager
async def at(url: str, place: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=url + place) as client:
        yield client


places = pytest.mark.parametrize("place", PLACES)


@places
async def test_the_gateways_own_address_says_the_way_to_go_on(url: str, place: str) -> None:
    """With and without a slash: programs get JSON, and a browser the page; also to HEAD, and no other method."""
    async with at(url, place) as client:
        for own in (url + place, f"{url}{place}/"):
            answer = await client.get(own)
            assert answer.status_code == 200
            told = answer.json()
            assert told["docs"] == f"{place}/docs"
            assert f" {url}{place}/chat " in told["ask"]
            for address in (each for name, each in told.items() if name not in ("name", "ask")):
                assert (await client.get(url + address)).status_code == 200
            head = await client.head(own)
            assert (head.status_code, head.content) == (200, b"")
            page = await client.get(own, headers={"accept": "text/html,*/*;q=0.8"}, follow_redirects=True)
            assert page.headers["content-type"].startswith("text/html")
            assert page.url.path == f"{place}/docs"
            assert is_refusal(await client.post(own), 405, "method_not_allowed")


@places
async def test_its_line_for_the_terminal_works(url: str, place: str) -> None:
    """As it stands, in a shell's words."""
    async with at(url, place) as client:
        line = (await client.get("/")).json()["ask"]
    done = await anyio.run_process(["curl", "-s", *shlex.split(line)[1:]])
    assert parse_stream(done.stdout)[-1].type == "done"


def named(value: Any) -> Iterator[str]:
    """List the addresses that stand in any text of an answer."""
    match value:
        case str():
            yield from ADDRESS.findall(value)
        case dict():
            for each in value.values():
                yield from named(each)
        case list():
            for each in value:
                yield from named(each)


WRONG = [
    ("GET", "/v1/chat/completions"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/docs/"),
    ("GET", "/redoc"),
    ("GET", "/runs"),
    ("GET", "/runs/"),
    ("GET", "/runs/nobody"),
    ("GET", "/runs/nobody/events?after=x"),
    ("GET", "/runs/nobody/unheard-of"),
    ("GET", "/runs/nobody/events?limit=0"),
    ("PUT", "/chat"),
    ("GET", "/chat"),
    ("POST", "/chat"),
    ("POST", "/healthz"),
    ("DELETE", "/runs/nobody/token"),
    ("OPTIONS", "/runs"),
    ("GET", "//"),
    ("GET", "/%2e%2e/x"),
    ("GET", "/favicon.ico"),
]


@places
async def test_every_address_that_a_refusal_names_is_there(url: str, place: str) -> None:
    """Whatever was asked in vain: what the hint names can be asked for, at the place where it was said."""
    hinted: set[str] = set()
    async with at(url, place) as client:
        for method, path in WRONG:
            response = await client.request(method, url + place + path)
            assert 400 <= response.status_code < 500
            error = response.json()["error"]
            hinted |= set(named(error))
            if error["code"] in ("not_found", "method_not_allowed", "invalid_request"):
                assert list(named(error["hint"])) == [f"{place}/docs"]
        for address in hinted:
            assert (await client.get(url + address)).status_code == 200


async def test_no_refusal_names_an_address_of_one_place_only() -> None:
    """A path in the source's own words would be wrong at another place."""
    texts = [path.read_text("utf-8") for path in (ROOT / "streamlab/gateway").rglob("*.py")]
    calls = [call for text in texts for call in re.findall(r"Refusal\((?:[^()]|\([^()]*\))*\)", text)]
    assert len(calls) > 20
    assert [call for call in calls for _ in ADDRESS.findall(call)] == []


@pytest.mark.parametrize(
    "page", ["README.md", "README.ja.md", "deploy/README.md", "deploy/README.ja.md", "docs/protocol.md"]
)
async def test_every_address_of_the_documents_is_there(url: str, page: str) -> None:
    """What people read, and type: there is something, though it may want another method or a token."""
    told = set(re.findall(r"(?<=/api)/[\w/.-]*\w", (ROOT / page).read_text("utf-8")))
    assert told
    async with at(url, "/api") as client:
        missing = [path for path in told if (await client.get(path)).status_code == 404]
    assert [path for path in missing if not is_base(path)] == []
