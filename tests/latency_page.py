"""The latency page over AppTest, and measurements to open on it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from streamlab.engine import Engine
from streamlab.latency.measurement import write_measurement
from streamlab.latency.observation import Observation, write_lines
from streamlab.latency.plan import Plan
from tests.pages import checked, serving, visit

FIRST, RATE, CHUNKS = 0.05, 100, 20
KNOWN = f"demo?first={FIRST}&rate={RATE}&jitter=0&chunks={CHUNKS}"
FAILING = "demo?fault=key"

PLAN = Plan(models=("acme-1",), prompt="What is streaming?", pairs=6, ways=("invoke", "stream"), warm_ups=0)


def streamed(pair: int, *, first: float = 0.5, gap: float = 0.075, late: float = 0.001, **fields: Any) -> Observation:
    """Make 21 chunks that take half a second each to read. The server wrote each a millisecond before it was seen."""
    times = tuple(round(first + number * gap, 6) for number in range(21))
    values: dict[str, Any] = {
        "pair": pair, "way": "stream", "model": "acme-1", "warm_up": pair == 0, "ttfe": first, "ttft": first,
        "e2e": times[-1], "chunk_times": times, "chunk_characters": (5,) * 21, "tokens": 21, "tokens_estimated": False,
        "reading": 10.5, "streamed": True, "waits": 21, "error": None, "late": late,
        "written": tuple(round(at - 0.001, 6) for at in times),
    }  # fmt: skip
    return Observation(**values | fields)


def invoked(pair: int, e2e: float = 2.0, **fields: Any) -> Observation:
    whole: dict[str, Any] = {
        "way": "invoke", "ttfe": e2e, "ttft": e2e, "e2e": e2e, "chunk_times": (e2e,), "chunk_characters": (105,),
        "streamed": False, "waits": 1, "written": (e2e - 0.001,),
    }  # fmt: skip
    return streamed(pair, **whole | fields)


def pairs(**fields: Any) -> list[Observation]:
    """Make as many as can be sure of something: 2 s whole, and streamed from 0.5 to 2 s."""
    return [call for pair in range(1, 7) for call in (invoked(pair), streamed(pair, **fields))]


def document(seen: Sequence[Observation], *, complete: bool = True) -> bytes:
    return write_measurement(seen, PLAN, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), complete=complete)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with serving(lab_models=(KNOWN, FAILING, "acme-1")) as engine:
        yield engine


def upload(app: AppTest, data: bytes, name: str = "former.json") -> AppTest:
    return checked(app.file_uploader(key="latency.upload").set_value((name, data, "application/json")).run())


def opened_file(language: str, seen: Sequence[Observation], *, complete: bool = True) -> AppTest:
    return upload(visit("latency", language), document(seen, complete=complete))


def warned(app: AppTest) -> str:
    return "\n".join(warning.value for warning in app.warning)


LINES = write_lines(pairs()[:3])
