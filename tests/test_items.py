"""Recordings and measurements that a browser comes back to, over AppTest and wherever they are kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from components.latency import measurements
from components.latency.measurements import SavedMeasurement
from components.page.texts import LANGUAGES, texts
from components.timeline import recordings
from components.timeline.recordings import Recording
from streamlab.browsers.items import RECORDING, Item, Items
from streamlab.engine import Engine
from streamlab.events.event import Done, FinalAnswer, StreamEvent, TextDelta
from streamlab.hub import Hub
from streamlab.latency.measurement import Measurement
from tests.observations import plan_of, streamed
from tests.pages import checked, serving, visit
from tests.shared import name

languages = pytest.mark.parametrize("language", LANGUAGES)

EVENTS: list[StreamEvent] = [
    TextDelta("東京", seq=1, at=0.1, step=1),
    FinalAnswer("東京", seq=2, at=0.2, step=1),
    Done("completed", seq=3, at=0.2, step=1),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with serving() as engine:
        yield engine


@pytest.fixture
async def items(any_hub: Hub) -> Items:
    return Items(RECORDING, any_hub.shared)


@pytest.mark.anyio
async def test_an_item_is_its_browsers(items: Items) -> None:
    """Whoever knows its id can read it; nobody else lists, replaces or deletes it."""
    me, other, id = name(), name(), name()
    mine = Item(me, "東京 \n a name", b"\nbody\n\xff")
    await items.keep(id, mine)
    await items.keep(id, Item(other, "of somebody else", b""))
    assert await items.find(id) == mine
    assert [entry.title for entry in await items.entries(me, "東京", 10)] == ["東京 a name"]
    assert await items.entries(other, "", 10) == []
    assert await items.delete(other, id) is None
    assert await items.find(id) == mine
    assert await items.delete(me, id) == mine
    assert await items.find(id) is None
    assert await items.entries(me, "", 10) == []
    await items.keep(id, mine)
    assert await items.find(id) == mine


def test_what_is_kept_is_read_as_it_was() -> None:
    recording = Recording("name", list(EVENTS))
    assert recordings.CODEC.read("name", recordings.CODEC.write(recording)) == recording
    made_at = datetime(2026, 11, 30, tzinfo=UTC)
    for known in (Measurement((streamed([0.5]),)), Measurement((streamed([0.5]),), plan_of(), made_at, complete=True)):
        read = measurements.CODEC.read("name", measurements.CODEC.write(SavedMeasurement("name", known)))
        assert read == SavedMeasurement("name", replace(known, machine=read.measurement.machine))


def listed(app: AppTest) -> list[str]:
    return [each.label for each in app.button if str(each.key).startswith("timeline.open.")]


@languages
def test_a_browser_finds_its_runs_again(engine: Engine, language: str) -> None:
    """In another session, by day and by words; deleted, it is gone for everybody until that is undone."""
    me, id = name(), name()
    item = Item(me, "東京の実行", recordings.CODEC.write(Recording("", list(EVENTS))))
    engine.portal.call(engine.items[RECORDING].keep, id, item)
    app = visit("timeline", language, me)
    assert listed(app) == [item.name]
    assert texts(language)["history.today"] in [each.value for each in app.caption]
    for words, expected in (("大阪", []), ("東京", [item.name])):
        checked(app.text_input(key="timeline.words").set_value(words).run())
        assert listed(app) == expected
    for browser in (name(), None):
        assert listed(visit("timeline", language, browser)) == []
        other = visit("timeline", language, browser, run=id)
        assert item.name in [each.value for each in other.text]
    checked(app.button(key=f"timeline.delete.{id}").click().run())
    assert listed(app) == []
    gone = visit("timeline", language, name(), run=id)
    assert texts(language)["timeline.unknown"] in [each.value for each in gone.warning]
    checked(app.button(key="timeline.undo").click().run())
    assert listed(visit("timeline", language, me)) == [item.name]
    assert item.name in [each.value for each in app.text]
