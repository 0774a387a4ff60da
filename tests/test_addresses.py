"""Every address that a text, a hint or a document names is there."""

import re
from pathlib import Path

import pytest
from starlette.routing import BaseRoute, Match

from components.page.pages import PAGES
from streamlab.gateway.http import create_app
from streamlab.settings import Settings
from tests.addresses import is_base
from tests.gateway import served

ROOT = Path(__file__).parent.parent
TEXTS = sorted(
    path
    for pattern in (
        "*.md",
        ".env.example",
        "deploy/*.md",
        "docs/*.md",
        "examples/**/*.md",
        "examples/*.html",
        "clients/**/*.md",
        "locales/*.toml",
        "pages/*.py",
        "components/**/*.py",
        "streamlab/**/*.py",
        "streamlab/demo_model/notes/*/*.md",
    )
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
BENEATH = re.compile(r"(?<![\w.{/-])/api((?:/[\w{}.-]*[\w}])+)(?!…)")  # what stands beneath the gateway's address
OF_THE_APP = re.compile(r"localhost:(?:8501|8080)(/[\w/.-]*\w)?")
PAGE = re.compile(r"`/([a-z]+)`")


def routes() -> list[BaseRoute]:
    return list(create_app(Settings()).routes)


def is_served(path: str) -> bool:
    """Whether the gateway has a route for it; the method does not matter."""
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "root_path": ""}
    websocket = {"type": "websocket", "path": path, "headers": [], "root_path": ""}
    found = {route.matches(each)[0] for route in routes() for each in (scope, websocket)}
    return bool(found - {Match.NONE})


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_text_names_is_served(path: Path) -> None:
    """Beneath `/api` by the gateway, and beside it a page."""
    text = path.read_text("utf-8")
    beneath = set(BENEATH.findall(text))
    for address in OF_THE_APP.findall(text):
        if address.startswith("/api/"):
            beneath.add(address.removeprefix("/api"))
        else:
            assert address in ("", "/api", *(f"/{page}" for page in PAGES)), address
    assert [address for address in sorted(beneath) if not is_served(address) and not is_base(address)] == []


@pytest.mark.parametrize("name", ["README.md", "README.ja.md", "ARCHITECTURE.md"])
def test_every_page_that_is_named_is_one(name: str) -> None:
    """By its address, such as `/chat`."""
    assert set(PAGE.findall((ROOT / name).read_text("utf-8"))) - {"api"} <= PAGES.keys()


@pytest.mark.anyio
async def test_every_hint_leads_to_a_page() -> None:
    """What is refused says where it is described, and that address answers, wherever the gateway is mounted."""
    async with served() as lab:
        refusals = [
            await lab.client.get("/nothing"),
            await lab.client.delete("/chat"),
            await lab.client.post("/chat", json={"message": 1}),
            await lab.client.post("/chat", content=b"{", headers={"content-type": "application/json"}),
        ]
        for refusal in refusals:
            hint = refusal.json()["error"]["hint"]
            named = re.search(r"See (\S+) ", hint)
            assert named, hint
            origin = lab.url.removesuffix("/api")
            described = await lab.client.get(f"{origin}{named[1]}")
            assert described.status_code == 200, named[1]
