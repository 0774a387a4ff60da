"""The relay page over AppTest, with the engine and the gateway that it finds."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from streamlab.engine import Engine
from streamlab.gateway.gateway import Gateway, open_gateway
from streamlab.hub import Log
from tests.pages import LIMIT, checked, serving

FAST = "demo?first=0&rate=5000"
STEADY = "demo?first=0&rate=60&chunks=600"


@contextmanager
def lab(**settings: Any) -> Iterator[tuple[Engine, Gateway]]:
    """Run the engine and the gateway that the page finds, as it does in the server."""
    before = Gateway.running
    with (
        serving(lab_models=(FAST, STEADY, "demo"), **settings) as engine,
        engine.portal.wrap_async_context_manager(open_gateway(engine)) as gateway,
    ):
        Gateway.running = gateway
        try:
            yield engine, gateway
        finally:
            Gateway.running = before


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Engine, Gateway]]:
    with lab() as found:
        yield found


def run_of(app: AppTest) -> str:
    """Return the id that the address names."""
    value = app.query_params["run"]
    return value if isinstance(value, str) else value[0]


def start(app: AppTest, model: str) -> str:
    checked(app.selectbox(key="settings.model").set_value(model).run())
    checked(app.button(key="relay.start").click().run())
    return run_of(app)


def ended(log: Log) -> str | None:
    """Return how the run ended, once it has."""
    deadline = time.monotonic() + LIMIT
    while not log.done:
        assert time.monotonic() < deadline, "the run does not end"
        time.sleep(0.02)
    return log.done.status


def told(template: str, text: str) -> dict[str, str]:
    """Return what stands in a text at the places of its template."""
    found = re.fullmatch(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(template)), text)
    assert found, text
    return found.groupdict()
