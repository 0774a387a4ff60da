"""The teacher asks for a guess, reveals it together with the truth, and puts it away; nobody sees one before."""

import streamlit as st

from components.page import desk
from components.page.session import session
from components.page.texts import plain, t
from components.page.widgets import button
from components.rooms import questions
from components.rooms.histogram import draw_guesses, truth_text
from components.rooms.questions import LESSON, choices_of, text_of, unit_of
from components.rooms.truths import measured
from streamlab.rooms.board import Board, Guess
from streamlab.rooms.event import GuessAsked, PutAway, Revealed
from streamlab.rooms.guesses import TEXT_CHARACTERS, UNIT_CHARACTERS, number_text, read_choices, read_number
from streamlab.rooms.names import display_name

WHICH = "room.ask_which"
TEXT = "room.ask_text"
CHOICES = "room.ask_choices"
UNIT = "room.ask_unit"
OWN = "own"


def draw(teacher: desk.Desk) -> None:
    """Draw a button for what comes next: to ask, to reveal, or to put away."""
    guess = teacher.board.question
    if guess is None:
        with st.popover(t("room.ask"), icon=":material/quiz:", key="room.ask", on_change="rerun") as popover:
            if popover.open:
                _draw_asking(teacher.room.code)
    elif guess.revealed is None:
        # What is measured is looked up when it is wanted, and anew each time.
        icon = ":material/lightbulb:"
        with st.popover(t("room.reveal"), icon=icon, key="room.reveal", on_change="rerun") as popover:
            if popover.open:
                _draw_revealing(teacher, guess)
    else:
        with st.popover(t("room.revealed"), icon=":material/lightbulb:"):
            _draw_question(guess)
            st.markdown(t("room.truth_is", truth=plain(truth_text(guess))))
            draw_guesses(guess, "teacher")
            _draw_away(teacher.room.code, guess)


def draw_now(board: Board, *, large: bool = False) -> None:
    """Draw the question with the number of guesses, and what was guessed once that is revealed."""
    guess = board.question
    if not guess or not guess.asked:
        return
    with st.container(border=True, key="room.question"):
        (st.title if large else st.subheader)(plain(text_of(guess.asked)), anchor=False)
        if guess.revealed:
            truth = t("room.truth_is", truth=plain(truth_text(guess)))
            st.markdown(f"## {truth}" if large else truth)
            draw_guesses(guess, "wall" if large else "now")
        else:
            _draw_choices(guess.asked)
            number, all = len(guess.guesses), max(len(board.present), len(guess.guesses))
            (st.header if large else st.text)(t("room.guesses", number=number, all=all))
            st.progress(number / all if all else 0.0)


def _draw_asking(code: str) -> None:
    which = st.selectbox(t(WHICH), [*LESSON, OWN], key=WHICH, format_func=_option)
    if which != OWN:
        known = LESSON[which]
        asked = GuessAsked(lesson=which, choices=known.choices)
        _draw_choices(asked)
        st.caption(t("room.ask_where", page=t(f"{known.page}.title")))
        button("room.ask_it", "send", desk.say, code, asked, type="primary")
        return
    with st.form("room.form_ask", border=False):
        st.text_input(t(TEXT), key=TEXT, max_chars=TEXT_CHARACTERS)
        st.text_area(t(CHOICES), key=CHOICES, help=t("room.ask_choices_help"), height=100)
        st.text_input(t(UNIT), key=UNIT, max_chars=UNIT_CHARACTERS, placeholder=t("room.ask_unit_placeholder"))
        st.form_submit_button(t("room.ask_it"), on_click=_ask_own, args=(code,), type="primary")


def _option(which: str) -> str:
    return t("room.ask_own") if which == OWN else questions.title(which)


def _ask_own(code: str) -> None:
    given = st.session_state
    text, choices = display_name(given[TEXT] or "", TEXT_CHARACTERS), read_choices(given[CHOICES] or "")
    unit = "" if choices else display_name(given[UNIT] or "", UNIT_CHARACTERS)
    if not text or choices is None:
        session().notice = t("room.ask_choices_help" if text else "room.ask_no_text")
    elif desk.say(code, GuessAsked(text=text, unit=unit, choices=choices)):
        given[TEXT] = given[CHOICES] = given[UNIT] = ""


def _draw_question(guess: Guess) -> None:
    if guess.asked:
        st.markdown(f"**{plain(text_of(guess.asked))}**")


def _draw_choices(asked: GuessAsked) -> None:
    if choices := choices_of(asked):
        st.markdown("\n".join(f"{number}. {plain(choice)}" for number, choice in enumerate(choices, 1)))


def _draw_revealing(teacher: desk.Desk, guess: Guess) -> None:
    asked, code = guess.asked, teacher.room.code
    if asked is None:
        return
    _draw_question(guess)
    st.caption(t("room.guesses", number=len(guess.guesses), all=max(len(teacher.board.present), len(guess.guesses))))
    found = measured(asked.lesson, teacher.board) if asked.lesson in LESSON else None
    if asked.lesson in LESSON:
        page = t(f"{LESSON[asked.lesson].page}.title")
        st.caption(t("room.truth_none" if found is None else "room.truth_measured", page=page))
    key = f"room.truth.{asked.id}.{found}"  # what is measured later takes the place of what stood there
    if choices := choices_of(asked):
        look, at = [plain(choice) for choice in choices], None if found is None else int(found)
        st.selectbox(t("room.truth"), range(len(choices)), at, key=key, format_func=look.__getitem__)
    else:
        unit = unit_of(asked)
        label = t("room.truth_in", unit=plain(unit)) if unit else t("room.truth")
        st.text_input(label, "" if found is None else number_text(found), key=key, autocomplete="off")
    button("room.reveal_it", "lightbulb", _reveal, code, asked, key, type="primary")
    _draw_away(code, guess)


def _draw_away(code: str, guess: Guess) -> None:
    if guess.asked:
        button("room.put_away", "close", desk.say, code, PutAway(question=guess.asked.id))


def _reveal(code: str, asked: GuessAsked, key: str) -> None:
    given = st.session_state[key]
    if asked.choices or not given:
        value = None if given in (None, "") else float(given)
    elif (value := read_number(given, unit_of(asked))) is None:
        session().notice = t("room.refused_no_guess")
        return
    desk.say(code, Revealed(question=asked.id, value=value))
