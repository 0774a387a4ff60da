"""A teacher shows pages and asks for guesses, and participants follow, on the pages without a browser."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from streamlit.testing.v1 import AppTest

from components.page import desk, presented, seat
from components.page.address import CHAT, RACE, RUN, TEACH
from components.page.pages import PAGES
from components.page.texts import texts
from components.rooms import asking
from components.rooms.questions import LESSON
from streamlab.engine import Engine
from streamlab.models.options import Options
from streamlab.rooms.board import Board, Guess
from streamlab.rooms.event import GuessAsked, Guessed, Presented, Revealed
from tests.chat_page import checked
from tests.conftest import demo_model
from tests.pages import languages, serving
from tests.test_rooms_pages import call, code_of, joined, opened, said, submitted, visit

WORDS = texts("en")


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[Engine]:
    with serving() as engine:
        yield engine


class Class:
    """A room with its teacher's browser and one participant's."""

    def __init__(self, engine: Engine, language: str = "en") -> None:
        self.engine = engine
        self.language = language
        self.teacher = opened()
        self.code = code_of(self.teacher)
        self.desk, self.browser = uuid4().hex, uuid4().hex
        token = self.teacher.query_params[TEACH]
        call(engine, engine.rooms.teach, self.desk, token if isinstance(token, str) else token[0])
        self.app = joined(self.code, "Ken", self.browser, language)

    @property
    def board(self) -> Board:
        board: Board = call(self.engine, self.engine.rooms.board, self.code)
        return board

    @property
    def question(self) -> Guess:
        question = self.board.question
        assert question
        return question

    def at_desk(self, page: str, **address: str) -> AppTest:
        """Open a page in the teacher's browser."""
        return visit(page, self.desk, **address)

    def participant(self, page: str, **address: str) -> AppTest:
        return visit(page, self.browser, self.language, **address)

    def ask(self, **fields: Any) -> str:
        board: Board = call(self.engine, self.engine.rooms.add, self.code, GuessAsked(**fields))
        assert board.question
        assert board.question.asked
        return board.question.asked.id

    def guess(self, typed: str | int) -> AppTest:
        """Guess as the participant does, and return the page."""
        app = checked(self.app.run())
        key = f"room.guess.{self.question.asked.id if self.question.asked else ''}"
        if isinstance(typed, str):
            app.text_input(key=key).set_value(typed)
        else:
            app.radio(key=key).set_value(typed)
        known = "room.guess_change" if self.question.guesses else "room.guess_send"
        return submitted(app, known, self.language)

    def asking(self) -> AppTest:
        """Open what asks on the teacher's page."""
        self.teacher.session_state["room.ask"] = True
        return checked(self.teacher.run())

    def revealing(self, page: str, **address: str) -> AppTest:
        """Open a page in the teacher's browser, and there what reveals."""
        app = self.at_desk(page, **address)
        app.session_state["room.reveal"] = True
        return checked(app.run())

    def reveal(self, truth: object) -> None:
        page = self.revealing("about")
        asked = self.question.asked
        assert asked
        (box,) = [each for each in (*page.text_input, *page.selectbox) if str(each.key).startswith("room.truth.")]
        box.set_value(truth)
        checked(page.button(key="room.reveal_it").click().run())


def labels(app: AppTest) -> list[str]:
    return [popover.proto.popover.label for popover in app.get("popover")]


def links(app: AppTest) -> list[str]:
    return [link.proto.url for link in app.get("link_button")]


def wall(group: Class) -> AppTest:
    return visit(code=group.code, view="projector")


def live_chat(engine: Engine) -> Any:
    chat: Any = call(engine, engine.chats.ask, None, uuid4().hex, Options(demo_model(rate=1, chunks=500)))
    return chat


@pytest.mark.parametrize("page", [page for page in PAGES if page != "room"])
def test_each_page_can_be_presented(engine: Engine, page: str) -> None:
    """With what its address names, and nothing else of the teacher's address."""
    group = Class(engine)
    state = {name: f"some-{name}" for name in presented.STATE[page] if page != "chat"}
    teacher = group.at_desk(page, lang="en", **state)
    if page == "relay":  # shows none that it does not know
        teacher.query_params[RUN] = state[RUN]
    checked(teacher.button(key="room.show_invite").click().run())
    shown = presented.shown_now(group.board)
    assert shown
    assert (shown.page, dict(shown.state)) == (page, state)
    assert WORDS["room.shown_now"].format(page=WORDS[f"{page}.title"]) in said(checked(teacher.run()))
    (link,) = links(group.participant("about"))
    assert link.split("?")[0] == ("/" if page == "home" else f"/{page}")
    checked(teacher.button(key="room.show_end").click().run())
    assert links(group.participant("about")) == []


def test_a_conversation_is_presented_to_be_read(engine: Engine) -> None:
    """Live, and late ones see it too; the teacher stops it, and nobody else can."""
    group = Class(engine)
    chat = live_chat(engine)
    call(engine, engine.rooms.add, group.code, Presented(address=presented_chat(engine, chat.id)))
    shown = presented.shown_now(group.board)
    assert shown
    assert chat.id not in group.board.last_presented.address  # type: ignore[union-attr]
    assert call(engine, engine.readers.chat_id, shown.state[CHAT]) == chat.id
    call(engine, engine.chats.stop, chat.id)
    page = group.participant("chat", **shown.state)
    assert WORDS["chat.read_only"] in [info.value for info in page.info]


def presented_chat(engine: Engine, id: str) -> str:
    return presented.Shown("chat", {CHAT: call(engine, engine.readers.share, id)}).written


def test_a_participant_stops_nothing_that_was_presented(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when something else is presented by now; who is in no room, and the teacher, may."""
    group = Class(engine)
    for address in (f"home?{RACE}=one", f"timeline?{RUN}=two&with=three", ""):
        call(engine, engine.rooms.add, group.code, Presented(address=address))
    board = group.board
    known = call(engine, engine.rooms.seat, group.browser)
    room = call(engine, engine.rooms.find, group.code)
    monkeypatch.setattr(seat, "find", lambda: seat.Place(room, board, known))
    monkeypatch.setattr(desk, "find", lambda: None)
    assert [presented.may_stop(id) for id in ("one", "two", "three", "four")] == [False, False, False, True]
    monkeypatch.setattr(desk, "find", lambda: desk.Desk(room, board, ""))
    assert presented.may_stop("one")
    monkeypatch.setattr(seat, "find", lambda: None)
    assert presented.may_stop("one")


@languages
def test_who_is_led_there_at_once_finds_the_way_back(engine: Engine, language: str) -> None:
    group, words = Class(engine, language), texts(language)
    call(engine, engine.rooms.add, group.code, Presented(address="faults?trial=some", at_once=True))
    app = checked(group.app.run())
    assert words["faults.title"] in said(app)
    assert app.query_params["trial"] in ("some", ["some"])
    app = checked(app.button(key="room.back").click().run())
    assert words["faults.title"] not in [title.value for title in app.title]
    assert words["room.open_shown"].format(page=words["faults.title"]) in [
        link.proto.label for link in app.get("link_button")
    ]
    assert words["about.title"] in said(group.participant("about"))  # a page that is opened is not led away


def test_what_the_teacher_did_is_no_task_of_a_participant(engine: Engine) -> None:
    group = Class(engine)
    race = call(engine, engine.races.start, uuid4().hex, Options(demo_model(rate=100, chunks=20)))
    call(engine, engine.rooms.add, group.code, Presented(address=f"home?{RACE}={race.id}"))
    group.participant("home", race=race.id)
    group.participant("home", race=race.id)
    (person,) = group.board.participants
    assert person.done == frozenset()


@pytest.mark.parametrize("address", ["nowhere", "room?teach=x", "//evil.test", "chat?teach=x&lang=ja", "../home", "%"])
def test_an_address_leads_only_to_pages_and_their_state(address: str) -> None:
    shown = presented.read(address)
    assert shown is None or (shown.page, dict(shown.state)) == ("chat", {})


@languages
def test_a_number_is_guessed_changed_and_revealed(engine: Engine, language: str) -> None:
    group, words = Class(engine, language), texts(language)
    group.ask(lesson="sooner")
    assert words["room.guess_asked"] in labels(checked(group.app.run()))
    assert words["guess.sooner"] in str(group.app.text_input[0].label)
    unit = words["guess.sooner_unit"]
    assert words["room.my_guess"].format(guess=f"12\u00a0{unit}") in labels(group.guess("１２"))
    assert words["room.my_guess"].format(guess=f"7.5\u00a0{unit}") in labels(group.guess("7,5"))
    for wrong in ("nan", "1e308", "<b>", ""):
        assert words["room.my_guess"].format(guess=f"7.5\u00a0{unit}") in labels(group.guess(wrong))
        assert words["room.refused_no_guess"] in str([each.value for each in group.app.warning])
    group.reveal("7.7")
    said_of_it = words["room.truth_and_guess"].format(truth=f"7.7\u00a0{unit}", guess=f"7.5\u00a0{unit}")
    assert said_of_it in labels(checked(group.app.run()))
    assert words["room.truth_off"].format(off=f"0.2\u00a0{unit}") in said(group.app)
    (chart,) = group.app.get("vega_lite_chart")
    assert f"7.7\u00a0{unit}" in chart.proto.alt


def test_nobody_sees_a_guess_before_it_is_revealed(engine: Engine) -> None:
    """Neither the teacher nor the wall: how many there are is all that shows."""
    group = Class(engine)
    group.ask(text="How many <b>x</b>?", unit="m")
    group.guess("4217")
    for page in (checked(group.teacher.run()), wall(group), group.revealing("about")):
        assert "4217" not in "".join(str(element) for element in page.main)
        assert "<b>" not in said(page)
    assert "Ken" not in "".join(str(element) for element in wall(group).main)
    assert WORDS["room.guesses"].format(number=1, all=1) in [header.value for header in wall(group).header]
    group.reveal("")
    shown = wall(group)
    assert "Ken" not in "".join(str(element) for element in shown.main)
    assert len(shown.get("vega_lite_chart")) == 1
    assert WORDS["room.truth_is"].format(truth=WORDS["room.no_truth"]) in said(shown)


@pytest.mark.parametrize("lesson", LESSON)
def test_the_teacher_asks_what_comes_with_the_lesson(engine: Engine, lesson: str) -> None:
    group = Class(engine)
    checked(group.asking().selectbox(key=asking.WHICH).set_value(lesson).run())
    checked(group.teacher.button(key="room.ask_it").click().run())
    asked = group.question.asked
    assert asked
    assert (asked.lesson, asked.text, asked.choices) == (lesson, "", LESSON[lesson].choices)


@pytest.mark.parametrize("lesson", [lesson for lesson, question in LESSON.items() if question.choices])
@languages
def test_the_lesson_asks_each_participant_in_their_language(engine: Engine, lesson: str, language: str) -> None:
    group, words = Class(engine, language), texts(language)
    choices = LESSON[lesson].choices
    group.ask(lesson=lesson, choices=choices)
    (radio,) = checked(group.app.run()).radio
    assert radio.label == words[f"guess.{lesson}"]
    assert radio.options == [words[f"guess.{lesson}_{choice}"] for choice in choices]
    group.guess(1)
    group.reveal(0)
    truth, guess = (words[f"guess.{lesson}_{choices[number]}"] for number in (0, 1))
    assert words["room.truth_and_guess"].format(truth=truth, guess=guess) in labels(checked(group.app.run()))
    checked(group.revealing("about").button(key="room.put_away").click().run())
    assert group.board.question is None
    assert words["room.guess_asked"] not in labels(checked(group.app.run()))


def test_the_teacher_asks_in_own_words(engine: Engine) -> None:
    group = Class(engine)
    teacher = checked(group.asking().selectbox(key=asking.WHICH).set_value(asking.OWN).run())
    teacher.text_input(key=asking.TEXT).set_value("  **What** <i>now</i>? ")
    teacher.text_area(key=asking.CHOICES).set_value("<b>a</b>")
    teacher = submitted(teacher, "room.ask_it")
    assert WORDS["room.ask_choices_help"] in [warning.value for warning in teacher.warning]
    teacher.text_area(key=asking.CHOICES).set_value("<b>a</b>\n:red[b]")
    submitted(teacher, "room.ask_it")
    asked = group.question.asked
    assert asked
    assert (asked.text, asked.choices) == ("**What** <i>now</i>?", ("<b>a</b>", ":red[b]"))
    group.guess(1)
    group.reveal(1)
    assert "<b>" not in said(checked(group.app.run()))


def test_who_floods_is_told_so_and_the_others_guesses_count(engine: Engine) -> None:
    group = Class(engine)
    id = group.ask(text="?")
    (person,) = group.board.participants
    for number in range(70):
        try:
            call(engine, engine.rooms.add, group.code, Guessed(who=person.id, question=id, value=float(number)))
        except Exception:
            continue
    app = group.guess("3")
    assert WORDS["room.refused_too_fast"] in [warning.value for warning in app.warning]
    other = joined(group.code, "Hana")
    other.text_input(key=f"room.guess.{id}").set_value("5")
    submitted(other, "room.guess_send")
    assert sorted(guess.value for guess in group.question.guesses.values())[0] == 5.0


def test_the_truth_is_what_was_measured(engine: Engine) -> None:
    """Of a race that the teacher ran or presented; before it has ended there is none."""
    group = Class(engine)
    race = call(engine, engine.races.start, uuid4().hex, Options(demo_model(rate=100, chunks=20)))
    group.ask(lesson="sooner")
    checked(group.at_desk("home", race=race.id))  # to its end
    page = group.revealing("home", race=race.id)
    (box,) = [each for each in page.text_input if str(each.key).startswith("room.truth.")]
    measured = float(box.value or "nan")
    checked(page.button(key="room.reveal_it").click().run())
    revealed = group.question.revealed
    assert isinstance(revealed, Revealed)
    assert revealed.value == measured
    assert measured > 0
