"""A real browser and a real server for the tests that need them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page

from benchmarks.harness import CHROMIUM, chromium, streamlit_server

needs_chromium = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs {CHROMIUM}")

# In the second language as `make soak`: what differs there, the words, AppTest looks at in both.
languages_in_browser = pytest.mark.parametrize("language", ["en", pytest.param("ja", marks=pytest.mark.soak)])


@contextmanager
def opened(script: Path) -> Iterator[Page]:
    """The page that ``streamlit run script`` serves, in Chromium."""
    with streamlit_server(script) as server, chromium() as browser:
        page = browser.new_page()
        page.goto(server.url)
        yield page


__all__ = ["chromium", "languages_in_browser", "needs_chromium", "opened", "streamlit_server"]
