"""The pages of a room: opened, joined, left; who is somebody's seat says so on every page."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from benchmarks.harness import wait_until
from components.page.pages import PAGES
from components.page.texts import texts
from components.rooms import entrance, forms, line, teaching
from components.rooms.entrance import entrance_of
from streamlab.engine import Engine
from streamlab.rooms.board import Board
from streamlab.rooms.room import Room
from tests.chat_page import checked
from tests.pages import LIMIT, languages, new_session, serving
from tests.redis_server import RedisServer

WORDS = texts("en")
HOSTILE = [
    "<b>Ken</b>",
    "**Ken**",
    ":red[Ken] $x$",
    "![](http://x.test)",
    "محمد علي",
    "\u202eKen",
    "\N{FAMILY}" * 50,
    "x" * 200,
]


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[Engine]:
    with serving() as engine:
        yield engine


def visit(page: str = "room", browser: str = "", language: str = "en", **address: str) -> AppTest:
    app = new_session(language, browser or uuid4().hex, **address)
    return checked(app.switch_page(f"../pages/{page}.py").run())


def call(engine: Engine, work: Any, *args: object) -> Any:
    return engine.portal.call(work, *args)


def opened(name: str = "Class 3b", **fields: Any) -> AppTest:
    """Open a room as a teacher does."""
    app = visit()
    app.text_input(key=forms.OPEN_NAME).set_value(name)
    for key, value in fields.items():
        app.number_input(key=f"room.open_{key}").set_value(value)
    return submitted(app, "room.open_it")


def submitted(app: AppTest, label: str, language: str = "en") -> AppTest:
    (button,) = [each for each in app.button if each.label == texts(language)[label]]
    return checked(button.click().run())


def code_of(app: AppTest) -> str:
    token = app.query_params["teach"]
    return (token if isinstance(token, str) else token[0]).partition("-")[0]


def joined(code: str, name: str, browser: str = "", language: str = "en", pin: str = "") -> AppTest:
    app = visit(browser=browser, language=language, code=code)
    app.text_input(key=forms.JOIN_NAME).set_value(name)
    app = submitted(app, "room.join_in", language)
    if pin:
        app.text_input(key=forms.JOIN_PIN).set_value(pin)
        app = submitted(app, "room.join_in", language)
    return app


def errors(app: AppTest) -> list[str]:
    return [error.value for error in app.error]


def said(app: AppTest) -> str:
    return "\n".join(each.value for each in (*app.markdown, *app.caption, *app.subheader, *app.title))


@languages
def test_a_class_from_the_first_door_to_the_board(engine: Engine, language: str) -> None:
    words = texts(language)
    teacher = opened()
    code = code_of(teacher)
    assert teacher.title[0].value == "Class 3b"
    app = visit(language=language)
    app.text_input(key=forms.JOIN_CODE).set_value(f" {code.lower()} ")
    app.text_input(key=forms.JOIN_NAME).set_value("Ken")
    app = submitted(app, "room.join_in", language)
    assert words["room.mine"].format(name="\u2068Ken\u2069", room="Class 3b") in said(app)
    app.text_input(key=line.WORD).set_value("stuck")
    app = submitted(app, "room.raise", language)
    teacher = checked(teacher.run())
    assert "**\u2068Ken\u2069** \u2068stuck\u2069" in said(teacher)
    assert [metric.value for metric in teacher.metric] == ["1 / 30", "1", "0"]
    checked(teacher.button(key=f"room.lower.{who(engine, code)}").click().run())
    assert not call(engine, engine.rooms.board, code).hands
    checked(app.button(key="room.leave").click().run())
    assert not call(engine, engine.rooms.board, code).present
    assert words["room.join"] in said(app)


def who(engine: Engine, code: str) -> str:
    (person,) = call(engine, engine.rooms.board, code).participants
    return str(person.id)


def test_every_page_says_who_one_is_and_tells_the_room_where(engine: Engine) -> None:
    code, browser = code_of(opened()), uuid4().hex
    joined(code, "Ken", browser)
    for page in PAGES:
        app = visit(page, browser)
        assert WORDS["room.hand"] in [popover.proto.popover.label for popover in app.get("popover")] or app.button
        (person,) = call(engine, engine.rooms.board, code).participants
        assert person.page == page


def test_the_room_knows_which_tasks_are_done(engine: Engine) -> None:
    """Also those that were done before one joined; who comes back has done them already."""
    code, browser = code_of(opened()), uuid4().hex
    app = visit(browser=browser, code=code)
    app.session_state["session"].tried.add("latency")
    app.text_input(key=forms.JOIN_NAME).set_value("Ken")
    app = submitted(app, "room.join_in")
    app.session_state["session"].tried.add("chat")
    checked(app.run())
    (person,) = call(engine, engine.rooms.board, code).participants
    assert person.done == frozenset(("chat", "latency"))
    again = visit("chat", browser)
    assert again.session_state["session"].tried == set(person.done)
    assert not list(again.toast)


def test_who_goes_to_another_room_leaves_the_first(engine: Engine) -> None:
    first, second, browser = code_of(opened()), code_of(opened()), uuid4().hex
    joined(first, "Ken", browser)
    joined(second, "Ken", browser)
    assert [len(call(engine, engine.rooms.board, code).present) for code in (first, second)] == [0, 1]
    assert call(engine, engine.rooms.seat, browser).code == second


def test_the_same_name_in_another_browser_needs_its_pin(engine: Engine) -> None:
    code = code_of(opened())
    joined(code, "Hana")
    room: Room = call(engine, engine.rooms.find, code)
    pin = room.pin(who(engine, code))
    assert errors(joined(code, "hana")) == [WORDS["room.refused_taken"]]
    wrong = joined(code, "hana", pin=f"{(int(pin) + 1) % 10_000:04}")
    assert errors(wrong) == [WORDS["room.refused_wrong_pin"]]
    assert f"**{pin}**" in said(joined(code, "hana", pin=pin))


@pytest.mark.soak
def test_while_the_store_is_away_a_room_says_so_and_goes_on_afterwards(own_redis: RedisServer) -> None:
    """Nothing fails, and nothing is lost but what could not be saved, which is told."""
    with serving(redis_url=own_redis.url) as engine:
        teacher = opened()
        code = code_of(teacher)
        app = joined(code, "Ken")
        own_redis.pause()
        app.text_input(key=line.WORD).set_value("stuck")
        app = submitted(app, "room.raise")
        assert WORDS["notice.unreachable"] in [warning.value for warning in app.warning]
        assert WORDS["room.unreachable"] in [warning.value for warning in checked(teacher.run()).warning]
        own_redis.resume()
        wait_until(lambda: bool(teacher.run().metric), LIMIT)
        checked(app.run()).text_input(key=line.WORD).set_value("stuck")
        submitted(app, "room.raise")
        assert [person.hand for person in call(engine, engine.rooms.board, code).hands] == ["stuck"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text_wherever_it_is_shown(engine: Engine, name: str) -> None:
    """On the board, in the line of each page, and as a room's name."""
    teacher = opened(name)
    code = code_of(teacher)
    app = joined(code, name)
    assert errors(app) == []
    app.text_input(key=line.WORD).set_value(name)
    submitted(app, "room.raise")
    teacher.toggle(key="room.names").set_value(True)
    shown = said(checked(teacher.run()))
    shown += "".join(each.proto.popover.label for each in app.get("popover"))
    for markup in ("<b>", "**Ken**", ":red[Ken]", "![](", "\u202e"):
        assert markup not in shown.replace("**\u2068", "").replace("\u2069**", "")


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "\u3164"])
def test_a_name_that_cannot_be_seen_is_none(name: str) -> None:
    assert errors(joined(code_of(opened()), name)) == [WORDS["room.refused_no_name"]]


@pytest.mark.parametrize("typed", ["", "  ", "HKL", "HKLMQRT", "123456", "教室"])
def test_what_can_be_no_code_is_told_so(engine: Engine, typed: str) -> None:
    """Rather than that its room is gone."""
    assert errors(joined(typed, "Hana")) == [WORDS["room.refused_no_code"]]


def test_who_comes_too_late_or_to_nothing_is_told_so(engine: Engine) -> None:
    code = code_of(opened(limit=1))
    joined(code, "Ken")
    assert errors(joined(code, "Hana")) == [WORDS["room.refused_full"]]
    assert errors(joined("HHHHHH", "Hana")) == [WORDS["room.refused_unknown"]]
    call(engine, engine.rooms.set_limit, code, 3)
    call(engine, engine.rooms.end, code)
    assert errors(joined(code, "Hana")) == [WORDS["room.refused_ended"]]
    assert errors(visit(teach=f"{code}-wrong")) == [WORDS["room.refused_unknown"]]


def test_the_teacher_sets_the_limit_ends_and_deletes(engine: Engine) -> None:
    """When the room is gone a participant's page says so once, and goes on alone."""
    teacher, browser = opened(), uuid4().hex
    code = code_of(teacher)
    app = joined(code, "Ken", browser)
    checked(teacher.number_input(key=teaching.LIMIT).set_value(12).run())
    checked(teacher.button(key="room.end").click().run())
    board: Board = call(engine, engine.rooms.board, code)
    assert (board.limit, board.ended) == (12, True)
    assert WORDS["room.ended"] in said(checked(app.run()))
    assert teacher.button(key="room.delete").disabled
    checked(teacher.checkbox(key=teaching.SURE).check().run())
    checked(teacher.button(key="room.delete").click().run())
    assert WORDS["room.deleted"] in [warning.value for warning in teacher.warning]
    assert WORDS["room.gone"] in [warning.value for warning in checked(app.run()).warning]
    assert WORDS["room.join"] in said(visit(browser=browser))


def test_the_projector_shows_no_name() -> None:
    code = code_of(opened())
    joined(code, "Ken Secret")
    wall = visit(code=code, view=teaching.WALL)
    assert "Secret" not in "".join(str(element) for element in wall.main)
    assert [title.value for title in wall.title] == ["Class 3b"]


@pytest.mark.parametrize(
    ("url", "listening", "host", "alone"),
    [
        ("http://localhost:8501/room", "localhost", "localhost", True),
        ("http://127.0.0.1:8501/lab/room", "127.0.0.1", "127.0.0.1", True),
        ("http://localhost:8501/room", "192.168.1.7", "192.168.1.7", False),
        ("http://localhost:8501/room", "", "10.1.2.3", False),
        ("http://localhost:8501/room", "0.0.0.0", "10.1.2.3", False),
        ("http://192.168.1.7:8501/room", "0.0.0.0", "192.168.1.7", False),
        ("https://lab.example.com/room", "localhost", "lab.example.com", False),
        ("http://[fd00::1]:8501/room", "::", "[fd00::1]", False),
    ],
)
def test_the_address_is_one_that_the_class_reaches(
    monkeypatch: pytest.MonkeyPatch, url: str, listening: str, host: str, alone: bool
) -> None:
    monkeypatch.setattr(st, "context", SimpleNamespace(url=url))
    monkeypatch.setattr(st, "get_option", lambda name: listening)
    monkeypatch.setattr(entrance, "network_address", lambda: "10.1.2.3")
    found = entrance_of(Room("HKLMQR", "", "ja", "lesson", "", "", 0.0))
    port = ":8501" if ":8501" in url else ""
    path = url.rpartition("/room")[0].partition("//")[2].partition("/")[1:]
    assert found.link == f"{url.partition(':')[0]}://{host}{port}{''.join(path)}/room?code=HKLMQR&lang=ja"
    assert found.alone is alone
