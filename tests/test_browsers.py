"""Which browser is which, as the server knows it."""

import time

import httpx2
import pytest

from streamlab.browsers.browsers import RENEWED, SECONDS, Browsers, cookie_name
from streamlab.hub import MemoryHub
from streamlab.hub.shared import Shared

pytestmark = pytest.mark.anyio


@pytest.fixture
def shared() -> Shared:
    return MemoryHub().shared


async def test_a_browser_is_known_by_its_ticket(shared: Shared) -> None:
    """Each has an id of its own, and none can be made up."""
    browsers = Browsers(shared)
    first, second = await browsers.renewed(None), await browsers.renewed(None)
    assert first
    assert second
    ids = [await browsers.find(first), await browsers.find(second)]
    assert all(ids)
    assert len(set(ids)) == 2
    assert await browsers.renewed(first) is None
    for forged in (None, "", "x", first[:-1], first + "x", first.replace(".", "", 1), f"{first.split('.')[0]}.a.b"):
        assert await browsers.find(forged) is None
        assert await browsers.renewed(forged)
    assert await Browsers(MemoryHub().shared).find(first) is None


@pytest.mark.parametrize("age", [RENEWED + 1, SECONDS - 1])
async def test_a_browser_that_comes_again_keeps_its_id(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, age: float
) -> None:
    """For a year after its last visit."""
    browsers = Browsers(shared)
    ticket = await browsers.renewed(None)
    now = _clock(monkeypatch)
    now.append(age)
    renewed = await browsers.renewed(ticket)
    assert renewed
    assert renewed != ticket
    assert await browsers.find(renewed) == await browsers.find(ticket)
    now.append(age + SECONDS)
    assert await browsers.find(ticket) is None
    assert await browsers.find(renewed)


def _clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the last entry of the list be the seconds that have passed."""
    began, passed = time.time(), [0.0]
    monkeypatch.setattr("time.time", lambda: began + passed[-1])
    return passed


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (None, "streamlab_browser"),
        ("lab.example", "streamlab_browser"),
        ("localhost:8501", "streamlab_browser_8501"),
        ("[::1]:8502", "streamlab_browser_8502"),
        ("[::1]", "streamlab_browser"),
        ("localhost:x; a=b", "streamlab_browser"),
    ],
)
def test_two_labs_on_one_machine_have_cookies_of_their_own(host: str | None, name: str) -> None:
    """A browser sends the cookies of a host to each of its ports."""
    assert cookie_name(host) == name


@pytest.mark.parametrize("path", ["/", "/chat", "/prompts?set=x"])
def test_a_page_brings_the_cookie(shared_app: str, path: str) -> None:
    """No script can read it, no other site makes a browser send it, and no proxy keeps the page for others."""
    with httpx2.Client(base_url=shared_app) as client:
        answer = client.get(path)
        (cookie,) = answer.headers.get_list("set-cookie")
        assert "private" in answer.headers["cache-control"]
        assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={SECONDS}"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert "set-cookie" not in client.get(path).headers, "it has one"
        unchanged = {"if-none-match": answer.headers["etag"], "accept": "text/html,*/*"}
        assert "set-cookie" in httpx2.get(f"{shared_app}{path}", headers=unchanged).headers
        encrypted = httpx2.get(f"{shared_app}{path}", headers={"x-forwarded-proto": "https"})
        assert "Secure" in encrypted.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/api/healthz", "/api/docs", "/_stcore/health"])
def test_what_is_no_page_brings_none(shared_app: str, path: str) -> None:
    assert "streamlab_browser" not in httpx2.get(shared_app + path).headers.get("set-cookie", "")
