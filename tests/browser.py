"""A real browser and a real server for the tests that need them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from benchmarks.harness import CHROMIUM, ROOT, chromium, streamlit_server
from tests.pages import LOCALE

PATIENCE = 30_000  # milliseconds

needs_chromium = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs {CHROMIUM}")


@dataclass(frozen=True)
class Site:
    """The app on a server of its own, and a browser."""

    browser: Browser
    url: str

    @contextmanager
    def opened(self, path: str, language: str = "en", height: int = 1000) -> Iterator[Page]:
        """Open a page in a profile of its own. `path` may be a whole address."""
        context = self.browser.new_context(locale=LOCALE[language], viewport={"width": 1280, "height": height})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(path if path.startswith("http") else self.url + path)
        yield page
        context.close()


@contextmanager
def site(**environment: str) -> Iterator[Site]:
    """Serve the app with these settings, and start a browser."""
    expect.set_options(timeout=PATIENCE)
    variables = {"LAB_GRPC_PORT": "0", **environment}
    with streamlit_server(ROOT / "app.py", environment=variables) as server, chromium() as browser:
        yield Site(browser, server.url)


@contextmanager
def opened(script: Path) -> Iterator[Page]:
    """Open the page that ``streamlit run script`` serves, in Chromium."""
    with streamlit_server(script) as server, chromium() as browser:
        page = browser.new_page()
        page.goto(server.url)
        yield page


def button(place: Page | Locator, text: str) -> Locator:
    return place.get_by_role("button", name=text, exact=True)


def is_error(message: ConsoleMessage) -> bool:
    # On a deep link, Streamlit's page looks for its server beneath that address first.
    probe = "404" in message.text and "/_stcore/" in message.location.get("url", "")
    return message.type == "error" and not probe
