"""Streamlit interrupts a script wherever it likes, for instance for a click: the next run finds nothing half done."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.runtime.scriptrunner_utils.exceptions import StopException
from streamlit.runtime.state import SessionStateProxy

from components.page.pages import PAGES
from tests.pages import checked, new_session, serving

MOMENTS = 3  # of each page's first drawing


class Interruption:
    """Ends a script when it has written to the session's state so many times; counts how often it does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes = 0
        self.at: int | None = None
        write = SessionStateProxy.__setitem__

        def counted(state: SessionStateProxy, key: str, value: Any) -> None:
            self.writes += 1
            if self.writes == self.at:
                raise StopException
            write(state, key, value)

        monkeypatch.setattr(SessionStateProxy, "__setitem__", counted)


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    """Run one for all pages."""
    with serving():
        yield


@pytest.mark.parametrize("page", PAGES)
def test_a_first_drawing_may_end_anywhere(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two things that it remembers."""
    interruption = Interruption(monkeypatch)
    checked(new_session("en", "browser").switch_page(f"../pages/{page}.py").run())
    writes = interruption.writes
    assert writes > 1
    for moment in sorted(random.sample(range(1, writes + 1), min(MOMENTS, writes))):
        app = new_session("en", "browser").switch_page(f"../pages/{page}.py")
        interruption.writes, interruption.at = 0, moment
        app.run()
        interruption.at = None
        app.run()
        assert not app.exception, (moment, [error.message for error in app.exception])
