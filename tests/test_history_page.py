"""The list of conversations in the sidebar, over AppTest."""

from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from components.page.conversations import FEW
from components.page.texts import LANGUAGES, texts
from streamlab.chats.history import CONVERSATIONS
from streamlab.engine import Engine
from streamlab.hub.listing import Entry
from tests import chat_page
from tests.chat_page import FAST, ask, checked, choose, click
from tests.pages import new_question, new_session
from tests.shared import name

engine = chat_page.engine  # a fixture is found by its name
languages = pytest.mark.parametrize("language", LANGUAGES)


def visit(language: str, browser: str | None, **address: str) -> AppTest:
    return checked(new_session(language, browser, **address).switch_page("../pages/chat.py").run())


def asked(language: str, browser: str | None, question: str) -> AppTest:
    return ask(choose(visit(language, browser), FAST), question)


def listed(app: AppTest) -> list[str]:
    return [each.label for each in app.button if str(each.key).startswith("history.open.")]


def edit(app: AppTest, chat: str, option: str) -> None:
    """Choose in the menu of a conversation."""
    checked(app.menu_button(key=f"history.edit.{chat}").click(option).run())


def undone(app: AppTest) -> list[str]:
    return [str(each.key) for each in app.button if str(each.key).startswith("history.undo")]


def address_of(app: AppTest) -> str:
    found = app.query_params["chat"]
    return found if isinstance(found, str) else found[0]


@languages
def test_a_browser_finds_its_conversations_again(language: str) -> None:
    """In another tab and after a reload, by day; another browser and one without cookies see none."""
    me, question = name(), new_question(language)
    app = asked(language, me, question)
    assert listed(app) == [question]
    for _ in range(2):
        app = visit(language, me)
        assert listed(app) == [question]
        assert texts(language)["history.today"] in [each.value for each in app.caption]
    key = next(str(each.key) for each in app.button if each.label == question)
    click(app, key)
    assert [each.value for each in app.text if each.value == question] == [question]
    chat = address_of(app)
    for browser in (name(), None):
        assert listed(visit(language, browser)) == []
        app = visit(language, browser, chat=chat)
        assert [each.value for each in app.text if each.value == question] == [question]
        assert listed(app) == []
    assert listed(asked(language, None, question)) == []


@languages
def test_each_deleted_conversation_can_be_brought_back(language: str) -> None:
    """In another tab and after a reload, and at its address; by nobody else. Nothing is said of a search by nobody."""
    me, words, chats = name(), texts(language), []
    for question in (new_question(language), new_question(language), new_question(language)):
        app = asked(language, me, question)
        chats.append(address_of(app))
    for chat in chats:
        edit(app, chat, "delete")
    assert words["history.nothing"] not in [each.value for each in app.caption]
    assert not [each for each in app.text_input if each.key == "history.words"]
    for tab in (app, visit(language, me)):
        assert undone(tab) == [f"history.undo.{chat}" for chat in reversed(chats)]
    assert undone(visit(language, name(), chat=chats[0])) == []
    app = visit(language, me, chat=chats[0])
    assert [each.value for each in app.warning] == [words["history.gone"]]
    click(app, "history.undo")
    assert [address_of(app), len(listed(app)), len(undone(app))] == [chats[0], 1, 2]
    click(app, f"history.undo.{chats[2]}")
    assert [address_of(app), len(listed(app)), len(undone(app))] == [chats[2], 2, 1]
    click(tab, f"history.undo.{chats[2]}")
    assert [address_of(tab), len(tab.warning)] == [chats[2], 0]


def test_the_open_conversation_is_marked_on_the_way_back(engine: Engine) -> None:
    """From another page to the chat, whose address says nothing of it at first."""
    app = asked("en", name(), new_question())
    chat = address_of(app)
    app.switch_page("../pages/faults.py").run()
    app.query_params.clear()
    checked(app.switch_page("../pages/chat.py").run())
    assert address_of(app) == chat
    assert app.button(key=f"history.open.{chat}").proto.type == "secondary"


@languages
def test_conversations_are_listed_by_day(language: str, engine: Engine) -> None:
    """The newest first; few at first, more when they are asked for, and as they are searched."""
    me, now, words = name(), datetime.now(UTC), texts(language)
    days = [now - timedelta(days=number) for number in (0, 0, 1, 1, 40, 41, 42)]
    for number, day in enumerate(days):
        entry = Entry(f"key-{number}", f"title {number}", day.timestamp() - number)
        engine.portal.call(engine.hub.shared.listing.put, me, CONVERSATIONS, entry, f"text {number} 東京")
    app = visit(language, me)
    assert listed(app) == [f"title {number}" for number in range(FEW)]
    click(app, "history.more")
    assert listed(app) == [f"title {number}" for number in range(len(days))]
    old = [words["history.day"].format(year=day.year, month=day.month, day=day.day) for day in days[4:]]
    captions = [each.value for each in app.caption]
    shown = [words["history.today"], words["history.yesterday"], *old]
    assert [each for each in captions if each in shown] == shown
    for typed, expected in (("東京 3", ["title 3"]), ("大阪", []), ("", [f"title {number}" for number in range(7)])):
        checked(app.text_input(key="history.words").set_value(typed).run())
        assert listed(app) == expected
        assert (words["history.nothing"] in [each.value for each in app.caption]) == (not expected)
