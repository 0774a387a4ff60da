"""The doors that strangers try: Streamlit's own addresses, and what browsers are told to do with an answer."""

import re
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest

from benchmarks.harness import ROOT, streamlit_server
from components.middleware.content_policy import HEADERS as PAGE_HEADERS
from components.middleware.doors import is_open
from streamlab.gateway.headers import HEADERS, POLICY
from tests.access import SECRET

# Every route of the app, with all of Streamlit's switches on, and whether it may be reached. One that is not here is
# new: decide it in components/middleware/doors.py, and then here.
ROUTES = {
    "/api": True,  # the gateway, with rules of its own
    "/changes": True,
    "/_stcore/health": True,
    "/_stcore/metrics": False,
    "/_stcore/host-config": True,
    "/media/{file_id:path}": True,
    "/_stcore/upload_file/{session_id}/{file_id}": True,
    "/component/{path:path}": False,
    "/_stcore/bidi-components/{path:path}": True,
    "/_stcore/stream": True,
    "/auth/login": False,
    "/auth/logout": False,
    "/oauth2callback": False,
    "/_stcore/agent/interact": False,
    "/_stcore/agent/openapi.json": False,
    "/_stcore/agent/mcp": False,
    "/app/static/{path:path}": False,
    "/_stcore/script-health-check": False,
    "": True,  # the pages and what they are made of
}
SWITCHES = ("enableStaticServing", "scriptHealthCheckEnabled", "enableAgentApi")
CLOSED = [path for path, reached in ROUTES.items() if not reached]


@pytest.fixture(scope="module")
def closed_app() -> Iterator[str]:
    """Serve the app with every one of those switches on."""
    names = [re.sub("([A-Z])", r"_\1", switch).upper() for switch in SWITCHES]
    environment = {f"STREAMLIT_SERVER_{name}": "true" for name in names}
    with streamlit_server(ROOT / "app.py", environment=environment) as server:
        yield server.url


def test_every_route_of_the_app_is_decided() -> None:
    """Those of the installed Streamlit, as the real app builds them."""
    on = "".join(f"config.set_option('server.{switch}', True);" for switch in SWITCHES)
    listed = "print(*[route.path for route in app.app._build_starlette_app().routes])"
    script = f"from streamlit import config; {on} import app; {listed}"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    routes = set(found.stdout.decode()[:-1].split(" "))
    assert routes == set(ROUTES), "decide the new ones"
    assert {path: is_open(path) for path in ROUTES} == ROUTES


def spelled(path: str) -> list[str]:
    """Write a path in the ways that a stranger tries."""
    plain = path.replace("{path:path}", "x").replace("{file_id:path}", "x")
    return [plain, f"{plain}/", f"{plain}?families=x", f"/{plain}", plain.replace("e", "%65"), f"/x/..{plain}"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT"])
@pytest.mark.parametrize("path", CLOSED)
def test_a_closed_door_is_no_door(closed_app: str, path: str, method: str) -> None:
    """Whatever is switched on, however it is spelled."""
    with httpx2.Client() as client:
        for each in spelled(path):
            url = httpx2.URL(closed_app)
            request = client.build_request(method, url.copy_with(raw_path=each.encode()), headers={"accept": "*/*"})
            answer = client.send(request)
            page = each.startswith("/x/") and method in ("GET", "HEAD")  # as any address: the pages' document
            assert answer.status_code in ((200, 400, 404, 405) if page else (400, 404, 405)), each
            assert not any(told in answer.text for told in ("# TYPE", "session", "openapi"))


def test_what_pages_need_is_open(closed_app: str) -> None:
    """And tells nothing of this server."""
    assert httpx2.get(f"{closed_app}/_stcore/health").text == "ok"
    assert httpx2.get(f"{closed_app}/_stcore/host-config").status_code == 200
    assert httpx2.put(f"{closed_app}/_stcore/upload_file/nobody/x").status_code == 403


@pytest.mark.parametrize("path", ["/", "/chat", "/_stcore/health", "/_stcore/metrics", "/static/nothing", "/media/x"])
def test_pages_are_shown_in_no_other_page(closed_app: str, path: str) -> None:
    """And everything that Streamlit serves is taken for what it says it is."""
    answer = httpx2.get(f"{closed_app}{path}")
    assert {name: answer.headers.get(name) for name in PAGE_HEADERS} == PAGE_HEADERS
    assert "frame-ancestors 'none'" in PAGE_HEADERS["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/metrics",
        "/runs/x",
        "/runs/x/events",
        "/nothing",
        "/openapi.json",
        "/docs",
        "/examples/browser",
    ],
)
@pytest.mark.parametrize("headers", [{}, {"host": "evil.example"}, {"authorization": f"Bearer {SECRET}"}])
def test_an_answer_of_the_gateway_is_data_and_nothing_else(closed_app: str, path: str, headers: dict[str, str]) -> None:
    """Also where it refuses; its two pages are in no other page."""
    answer = httpx2.get(f"{closed_app}/api{path}", headers=headers)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    if not answer.headers["content-type"].startswith("text/html"):
        assert policy == POLICY
    elif path == "/examples/browser":
        assert "default-src 'none'; script-src 'sha256-" in policy
