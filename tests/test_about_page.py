"""The page that tells how it works, over AppTest, and the stations that a run notes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components.page.texts import texts
from streamlab.engine import Engine
from streamlab.events.event import Done, Retry, StreamEvent, TextDelta, Thinking, Usage
from streamlab.models.options import Options
from streamlab.runs.journey import Journey
from tests.pages import languages, serving, visit
from tests.present import present

FAST = "demo?first=0&rate=500"
BROKEN = "demo?fault=key"


@pytest.fixture
def engine() -> Iterator[Engine]:
    with serving(lab_models=(FAST, BROKEN)) as engine:
        yield engine


def told(app: AppTest) -> dict[str, Any]:
    """What the picture is told to show."""
    (drawn,) = (each for each in app.get("bidi_component") if each.proto.component_name == "way_of_an_answer")
    data: dict[str, Any] = json.loads(drawn.proto.json)
    return data


def run(engine: Engine, model: str) -> Journey:
    """Ask, and follow to the end as a page does."""
    chat = engine.portal.call(engine.chats.ask, None, "What is streaming?", Options(model))
    for _ in engine.follow(chat.turns[-1].run_id, 0.1):
        pass
    return present(engine.runs.last)


@languages
def test_the_times_are_those_of_the_last_run(engine: Engine, language: str) -> None:
    """None are shown before there is any; then those that the run noted, in the order of the way."""
    words = texts(language)
    before = told(visit("about", language))
    assert (before["said"], before["times"], before["run"]) == (words["about.none"], {}, None)
    last = run(engine, FAST)
    data = told(visit("about", language))
    times = data["times"]
    assert times == {"question": 0, "run": last.read, "log": last.written, "page": last.followed}
    assert 0 < times["run"] <= times["log"] <= times["page"]
    assert f"{last.chunks}" in data["said"]
    assert not data["live"]
    run(engine, BROKEN)
    data = told(visit("about", language))
    assert data["said"] == words["about.told_failed"]
    assert data["times"] == {"question": 0, "run": None, "log": None, "page": None}


BEGUN = Thinking("", state="begun", at=0.0)
TEXT = TextDelta("a", at=0.1)


@pytest.mark.parametrize(
    ("events", "read", "chunks", "total"),
    [
        ([], None, 0, None),
        ([BEGUN], None, 0, None),
        ([BEGUN, Thinking("hm", at=0.05), TEXT, TextDelta("b", at=0.2)], 0.1, 3, None),
        ([BEGUN, TEXT, Retry("timeout", at=0.3)], None, 0, None),
        ([BEGUN, TEXT, Retry("timeout", at=0.3), TextDelta("c", at=0.4)], 0.4, 1, None),
        ([BEGUN, TEXT, Done("completed", None, Usage(1, 1), at=0.5)], 0.1, 1, 0.5),
    ],
)
def test_a_run_notes_its_first_text(
    events: list[StreamEvent], read: float | None, chunks: int, total: float | None
) -> None:
    """Of the attempt that counts; a page that reads on before there is any has none."""
    journey = Journey("a", began=0.0)
    journey.follow()
    for event in events:
        journey.observe(event)
    assert journey.followed is None
    assert (journey.read, journey.chunks, journey.total) == (read, chunks, total)
    assert (journey.written is None) == (read is None)
    journey.follow()
    assert (journey.followed is None) == (read is None)
