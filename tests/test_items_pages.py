"""Runs, trials and measurements that a browser comes back to, as each page shows them, over AppTest."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components.page.texts import LANGUAGES, texts
from streamlab.browsers.items import LOST, Item, Items
from streamlab.chats.chat import Chat
from streamlab.engine import Engine
from streamlab.events.event import Done, FinalAnswer, StreamEvent, TextDelta
from streamlab.events.recording import write_recording
from streamlab.faults.trials import Policy, Trial, _written
from streamlab.hub import HubUnreachable
from streamlab.latency.measurement import write_measurement
from streamlab.latency.plan import order
from streamlab.models.options import Options
from tests.observations import plan_of, streamed
from tests.pages import checked, serving, visit
from tests.shared import name

languages = pytest.mark.parametrize("language", LANGUAGES)

FAST = "demo?first=0&rate=2000"
EVENTS: list[StreamEvent] = [
    TextDelta("東京", seq=1, at=0.1, step=1),
    FinalAnswer("東京", seq=2, at=0.2, step=1),
    Done("completed", seq=3, at=0.2, step=1),
]
TRIAL = Trial("東京の質問", Options(FAST), "cut", 1, Policy())
SEEN = (streamed([0.5]),)


@dataclass(frozen=True)
class Page:
    """A page with items: its name, its address parameter, and the files of one that is whole and one that was lost."""

    name: str
    parameter: str
    store: Callable[[Engine], Items]
    whole: bytes
    lost: bytes

    def visit(self, language: str, browser: str | None, id: str | None = None) -> AppTest:
        return visit(self.name, language, browser, **({self.parameter: id} if id else {}))

    def listed(self, app: AppTest) -> list[str]:
        return [each.label for each in app.button if str(each.key).startswith(f"{self.name}.open.")]


def measured(*, complete: bool) -> bytes:
    return write_measurement(SEEN, plan_of(models=(FAST,)), datetime(2026, 11, 30, tzinfo=UTC), complete=complete)


PAGES = [
    Page(
        "timeline",
        "run",
        lambda engine: engine.agents.recordings,
        write_recording(EVENTS),
        write_recording(LOST),
    ),
    Page(
        "faults",
        "trial",
        lambda engine: engine.trials.items,
        _written(TRIAL) + write_recording(EVENTS),
        _written(TRIAL) + write_recording(LOST),
    ),
    Page(
        "latency",
        "measurement",
        lambda engine: engine.kept_measurements.items,
        measured(complete=True),
        measured(complete=False),
    ),
]
pages = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with serving(lab_models=(FAST,)) as engine:
        yield engine


def keep(engine: Engine, page: Page, item: Item) -> str:
    id = name()
    engine.portal.call(page.store(engine).keep, id, item)
    return id


def warnings(app: AppTest) -> list[str]:
    return [each.value for each in app.warning]


def captions(app: AppTest) -> list[str]:
    return [each.value for each in app.caption]


@languages
@pages
def test_a_browser_finds_what_it_made_again(engine: Engine, page: Page, language: str) -> None:
    """In another session, by day and by words; deleted, it is gone for everybody, and says so, until that is undone."""
    me, words = name(), texts(language)
    id = keep(engine, page, Item(me, "東京の実行", page.whole, "a run"))
    app = page.visit(language, me)
    assert page.listed(app) == ["東京の実行"]
    assert words["history.today"] in captions(app)
    assert [each for each in captions(app) if re.fullmatch(r"\d\d:\d\d:\d\d", each)]
    for given, expected in (("大阪", []), ("東京", ["東京の実行"])):
        checked(app.text_input(key=f"{page.name}.words").set_value(given).run())
        assert page.listed(app) == expected
    for browser in (name(), None):
        assert page.listed(page.visit(language, browser)) == []
        assert warnings(page.visit(language, browser, id)) == []
    app = page.visit(language, me, id)
    checked(app.button(key=f"{page.name}.delete.{id}").click().run())
    assert page.listed(app) == []
    assert warnings(app) == []
    for browser in (name(), me):
        assert warnings(page.visit(language, browser, id)) == [words[f"{page.name}.gone"]]
    checked(app.button(key=f"{page.name}.undo").click().run())
    assert page.listed(page.visit(language, me)) == ["東京の実行"]
    assert warnings(page.visit(language, name(), id)) == []
    assert warnings(page.visit(language, me, name())) == [words[f"{page.name}.unknown"]]


@languages
@pages
def test_who_keeps_no_cookie_has_a_list_of_the_tab(engine: Engine, page: Page, language: str) -> None:
    """And is told so; what was seen is at its address for every session."""
    words, ids = texts(language), [keep(engine, page, Item("", title, page.whole, "a run")) for title in ("one", "two")]
    app = page.visit(language, None)
    assert words["history.session_only"] in captions(app)
    assert words[f"{page.name}.kept_empty"] in captions(app)
    for id in ids:
        app.query_params[page.parameter] = id
        checked(app.run())
    assert page.listed(app) == ["two", "one"]
    assert not [each for each in app.button if str(each.key).startswith(f"{page.name}.delete.")]
    assert page.listed(page.visit(language, None, ids[0])) == ["one"]
    assert words["history.session_only"] not in captions(page.visit(language, name()))


@languages
@pages
def test_what_was_lost_can_be_asked_again(engine: Engine, page: Page, language: str) -> None:
    """With one click, as it was asked; what was whole has no such button."""
    me = name()
    run, until = ("", engine.hub.shared.now() - 1) if page.name == "latency" else ("a run", 0.0)
    lost = keep(engine, page, Item(me, "東京の質問", page.lost, run, until))
    whole = keep(engine, page, Item(me, "東京の質問", page.whole, "a run"))
    again = f"{page.name}.again"
    assert again not in [each.key for each in page.visit(language, me, whole).button]
    app = page.visit(language, me, lost)
    told = {
        "latency": texts(language)["latency.lost"].format(done=len(SEEN), expected=len(order(plan_of(models=(FAST,))))),
        "faults": texts(language)["error.producer_lost"],
        "timeline": texts(language)["error.producer_lost"],
    }[page.name]
    assert any(told in each.value for kind in (app.error, app.info) for each in kind)
    checked(app.button(key=again).click().run())
    new = app.query_params[page.parameter]
    id = new if isinstance(new, str) else new[0]
    assert id != lost
    assert len(engine.portal.call(page.store(engine).entries, me, "", 10)) == 3
    if page.name == "latency":
        assert engine.measurements.find(id)
        engine.measurements.stop(id)
    else:
        assert texts(language)["chat.stop"] not in [each.label for each in app.button]


@languages
@pages
def test_a_store_that_does_not_answer_is_told(
    engine: Engine, page: Page, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is claimed to be gone, and nothing to be empty; what was asked meanwhile is refused with a sentence."""
    words, me = texts(language), name()
    app = page.visit(language, me)
    items = page.store(engine)

    async def away(*values: Any, **options: Any) -> Any:
        raise HubUnreachable("away")

    for method in ("find", "entries", "keep", "delete", "restore"):
        monkeypatch.setattr(items, method, away)
    monkeypatch.setattr(items.documents, "add", away)
    checked(app.run())
    assert words["history.away"] in captions(app)
    assert words[f"{page.name}.kept_empty"] not in captions(app)
    assert warnings(page.visit(language, me, name())) == [words["history.away"]]
    key = {"timeline": "timeline.suggestion.failing", "faults": "faults.start", "latency": "latency.start"}[page.name]
    checked(app.button(key=key).click().run())
    assert warnings(app) == [words["notice.not_asked"]]
    assert page.parameter not in app.query_params


# A run of a conversation


@pytest.fixture
def chat(engine: Engine) -> Chat:
    asked = engine.portal.call(engine.chats.ask, None, "What is 17 * 23?", Options(FAST, tools=True), (), name())
    list(engine.follow(asked.turns[0].run_id, 0.1))
    return asked


@languages
def test_a_run_of_a_conversation_opens_on_the_timeline(engine: Engine, chat: Chat, language: str) -> None:
    """For whoever has its address, as long as the conversation is there; it is none of one's own runs."""
    run_id, words = chat.turns[0].run_id, texts(language)
    app = visit("timeline", language, chat.browser, run=run_id)
    assert warnings(app) == []
    assert "What is 17 * 23?" in [each.value for each in app.text]
    assert PAGES[0].listed(app) == []
    assert "timeline.again" not in [each.key for each in app.button]
    (link,) = visit("chat", language, None, chat=chat.id).get("page_link")
    assert link.proto.label == words["chat.timeline"]
    engine.portal.call(engine.history.delete, chat.browser, chat.id)
    assert warnings(visit("timeline", language, None, run=run_id)) == [words["timeline.gone"]]
    assert engine.portal.call(engine.history.restore, chat.id)
    assert warnings(visit("timeline", language, None, run=run_id)) == []
