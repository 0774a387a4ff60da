"""The page about chunks over AppTest: how it is used, and what stands on it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components.chunks.views import PARSERS
from components.page.texts import LANGUAGES, texts
from streamlab.chunks.captures import CaptureSet
from streamlab.chunks.modes import TOPICS, CaptureTopic, ReadMode
from streamlab.engine import Engine
from tests.pages import checked, serving
from tests.present import present

FAST = "demo?first=0&seed=1"
CUT = "demo?first=0&fault=cut&after=5&chunks=50"
EMPTY = "demo?first=0&fault=empty"
ENDLESS = "demo?first=0&chunks=100000&size=5"

LIMIT = 60.0  # seconds

topics = pytest.mark.parametrize("topic", TOPICS)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with serving(lab_models=(FAST, CUT, EMPTY, ENDLESS, "acme-1")) as engine:
        yield engine


def choose(app: AppTest, *, topic: CaptureTopic = "parsers", model: str = FAST, rate: int = 500) -> AppTest:
    if topic != "parsers":
        checked(app.button_group(key="chunks.topic").set_value(topic).run())
    checked(app.selectbox(key="settings.model").set_value(model).run())
    if app.select_slider:
        checked(app.select_slider(key="chunks.rate").set_value(rate).run())
    return app


def address(app: AppTest) -> str:
    """The id of the captures that it names."""
    value = app.query_params["reading"]
    return value if isinstance(value, str) else value[0]


def read(app: AppTest, engine: Engine) -> CaptureSet:
    """Press the button, wait for the end, and let the page show it."""
    checked(app.button(key="chunks.start").click().run())
    return shown(app, engine)


def shown(app: AppTest, engine: Engine) -> CaptureSet:
    found = ended(engine, address(app))
    checked(app.run())
    return found


def ended(engine: Engine, capture_id: str) -> CaptureSet:
    deadline = time.monotonic() + LIMIT
    while (found := present(engine.captures.find(capture_id))).running:
        assert time.monotonic() < deadline, "the captures did not end"
        time.sleep(0.02)
    return found


def remarks(app: AppTest) -> list[str]:
    """What is said of the captures; the lesson says whether its task was done in the same way."""
    return [info.value for info in app.info if info.value not in {texts(each)["lesson.open"] for each in LANGUAGES}]


def tiles(app: AppTest) -> list[dict[str, Any]]:
    """What each column of tiles is told to show."""
    (drawn,) = (each for each in app.get("bidi_component") if each.proto.component_name == "chunk_tiles")
    captures: list[dict[str, Any]] = json.loads(drawn.proto.json)["captures"]
    return captures


def said(app: AppTest) -> str:
    """All sentences of the page."""
    kinds = (app.markdown, app.caption, app.info, app.error, app.warning, app.code)
    return "\n".join(str(element.value) for elements in kinds for element in elements)


def named(words: dict[str, str], mode: ReadMode) -> str:
    return PARSERS.get(mode) or words[f"chunks.way_{mode}"]


def open_at(app: AppTest, number: int) -> str:
    """Join the first so many chunks, and return all that is said then."""
    (slider,) = (each for each in app.slider if str(each.key).startswith("chunks.join."))
    checked(slider.set_value(number).run())
    return said(app)
