import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from benchmarks.harness import ROOT
from components.middleware.content_policy import POLICY
from components.page.texts import texts
from tests.browser import Site, browsing, button, is_error, needs_chromium
from tests.pages import heading, languages, path_of

PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def app(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


class Watch:
    """Every address that a page asks for, and what its console says is wrong."""

    def __init__(self, page: Page) -> None:
        self.addresses: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.addresses.append(request.url))
        page.on("websocket", lambda socket: self.addresses.append(socket.url))
        page.on("console", self._listen)

    def _listen(self, message: ConsoleMessage) -> None:
        if is_error(message) or "Content Security Policy" in message.text:
            self.errors.append(message.text)

    def elsewhere(self, host: str) -> set[str]:
        hosts = {urlsplit(address).netloc for address in self.addresses if not re.match("(?:data|blob):", address)}
        return hosts - {host}


def use(page: Page, name: str, words: dict[str, str]) -> None:
    """Have a page load what it loads only when it is used: charts, components, the code of an answer."""
    begin = {"chunks": "chunks.start", "faults": "faults.start", "relay": "relay.start"}
    if name in begin:
        button(page, words[begin[name]]).click()
        page.wait_for_timeout(1_000)
    elif name in ("chat", "timeline"):
        suggestion = next(
            text for key, text in words.items() if key.startswith(("suggestions.", "timeline.suggestion_"))
        )
        box = page.get_by_role("textbox", name=words[f"{name}.input"])
        box.fill(suggestion)
        box.press("Enter")
        expect(page.get_by_text(words["figures.total"]).first).to_be_visible()


@pytest.mark.soak
@languages
def test_no_page_loads_anything_from_another_host(app: Site, language: str) -> None:
    """And nothing that a page needs is against the policy, in either language, also when the page is used."""
    words = texts(language)
    with app.opened("/about", language) as page:
        for name in PAGES:
            watch = Watch(page)
            page.goto(app.url + path_of(name))
            expect(page.get_by_role("heading", name=heading(name, language), exact=True)).to_be_visible()
            if language == "en":
                use(page, name, words)
            assert (name, watch.elsewhere(urlsplit(app.url).netloc), watch.errors) == (name, set(), [])


def test_a_page_that_was_told_to_load_from_elsewhere_does_not(app: Site) -> None:
    """The policy comes with the page, and the browser keeps it."""
    with app.opened("/about") as page:
        response = page.reload()
        assert response
        assert response.headers["content-security-policy"] == POLICY
        told = page.evaluate(
            """() => new Promise(resolve => {
                document.addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective));
                document.body.append(Object.assign(new Image(), {src: 'https://elsewhere.example/x.png'}));
            })"""
        )
        assert told == "img-src"


def test_the_gateway_has_rules_of_its_own(app: Site) -> None:
    """Its description and its example are pages of their own."""
    with app.opened("/about") as page:
        policy = page.request.get(f"{app.url}/api/docs").headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
