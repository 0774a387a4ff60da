"""Captures of the demo model or of raw bytes, and waiting for their ends."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from streamlab.chunks.capture import Capture, Question
from streamlab.chunks.captures import Captures
from streamlab.chunks.modes import CaptureTopic, ReadMode
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.settings import Settings
from tests.conftest import PATIENCE, provider, raw_endpoint
from tests.present import present

ENDLESS = {"chunks": 100_000, "rate": 50}

modes = pytest.mark.parametrize("as_json", [False, True])


@pytest.fixture
def captures(models: Models) -> Iterator[Captures]:
    with closing(Captures(Settings(_env_file=None), models)) as captures:
        yield captures


@contextmanager
def captures_of(*answers: bytes, **settings: Any) -> Iterator[Captures]:
    """Make captures of an endpoint that sends these bytes."""
    with raw_endpoint(*answers) as endpoint:
        chosen = Settings(_env_file=None, **settings)
        with provider(endpoint.base_url) as models, closing(Captures(chosen, models)) as captures:
            yield captures


def ended(captures: Captures, capture_id: str) -> dict[ReadMode, Capture]:
    deadline = time.monotonic() + PATIENCE
    while (found := present(captures.find(capture_id))).running:
        assert time.monotonic() < deadline, "the captures did not end"
        time.sleep(0.01)
    return {capture.mode: capture for capture in found.captures}


def read(
    captures: Captures, topic: CaptureTopic, model: str, text: str = "What is streaming?", *, as_json: bool = False
) -> dict[ReadMode, Capture]:
    return ended(captures, captures.start(Question(topic, text, Options(model), as_json)))


def states(found: dict[ReadMode, Capture]) -> set[tuple[str, str | None]]:
    return {(each.state, each.code) for each in found.values()}
