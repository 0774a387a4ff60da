"""A real browser and a real server for the tests that need them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from benchmarks.harness import CHROMIUM, ROOT, chromium, free_port, streamlit_server
from streamlab.demo_model.process import DemoModel
from tests.pages import LOCALE

PATIENCE = 30_000  # milliseconds

# What the shared app offers, the default first. All are models of its provider but `demo?…`, which are its own.
MODELS = {
    "fast": "demo?first=0&rate=500",
    "short": "demo-short?chunks=120&rate=40&first=2&paragraph=150",
    "quick": "demo-quick?chunks=120&rate=200&first=0.3&paragraph=150",
    "long": "demo-long?chunks=4000&rate=40&first=0&paragraph=400",
    "cut": "demo-cut?chunks=120&rate=40&first=0&fault=cut&after=60&times=1",
    "limit": "demo-limit?chunks=20&fault=rate_limit&retry_after=2&times=1",
    "broken": "demo-broken?chunks=20&fault=error",
    "key": "demo-key?fault=key",
    "odd": "demo-odd?first=0&rate=150&usage=0&empty_first=1&crlf=1&comments=1&blocks=1&reasoning=1&split=1",
    "scripted": "demo?rate=200",
    "steady": "demo?first=0.2&rate=100",
}

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


@pytest.fixture(scope="session")
def shared_app(demo: DemoModel) -> Iterator[str]:
    """Serve the app once for all tests that need no settings of their own: to start it costs more than most of them.

    The demo model is its provider, so that what it was asked can be read.
    """
    environment = {
        "OPENAI_BASE_URL": demo.base_url,
        "OPENAI_API_KEY": "test",
        "LAB_MODELS": ",".join((*MODELS.values(), "demo-provider")),
        "LAB_GRPC_PORT": str(free_port()),
    }
    with streamlit_server(ROOT / "app.py", environment=environment) as server:
        yield server.url


@contextmanager
def browsing(url: str) -> Iterator[Site]:
    """Start a browser for an app that is served already."""
    expect.set_options(timeout=PATIENCE)
    with chromium() as browser:
        yield Site(browser, url)


@contextmanager
def site(**environment: str) -> Iterator[Site]:
    """Serve the app with these settings, and start a browser."""
    variables = {"LAB_GRPC_PORT": "0", **environment}
    with streamlit_server(ROOT / "app.py", environment=variables) as server, browsing(server.url) as found:
        yield found


@contextmanager
def opened(script: Path) -> Iterator[Page]:
    """Open the page that ``streamlit run script`` serves, in Chromium."""
    with streamlit_server(script) as server, chromium() as browser:
        page = browser.new_page()
        page.goto(server.url)
        yield page


def button(place: Page | Locator, text: str) -> Locator:
    return place.get_by_role("button", name=text, exact=True)


def choose_variant(page: Page, words: dict[str, str], name: str) -> None:
    """Pick one of the demo model's variants among MODELS."""
    options = MODELS[name].partition("?")[2].replace("&", ", ")
    page.locator(".st-key-settings-model").get_by_role("combobox").click()
    page.get_by_role("option", name=words["settings.demo_variant"].format(options=options), exact=True).click()


def is_error(message: ConsoleMessage) -> bool:
    # On a deep link, Streamlit's page looks for its server beneath that address first.
    probe = "404" in message.text and "/_stcore/" in message.location.get("url", "")
    return message.type == "error" and not probe
