"""A participant's guess, on whichever page: asked for, changed, and put beside the truth."""

from collections.abc import Callable
from typing import Literal

import streamlit as st

from components.page.lab import engine
from components.page.seat import Place
from components.page.session import session
from components.page.texts import plain, t
from components.rooms.histogram import draw_guesses, truth_text
from components.rooms.questions import choices_of, text_of, unit_of, value_text
from streamlab.hub import HubUnreachable
from streamlab.rooms.board import Guess
from streamlab.rooms.event import GuessAsked, Guessed
from streamlab.rooms.guesses import number_text, read_number
from streamlab.rooms.room import RoomRefused


def draw(place: Place) -> None:
    """Draw the question, if there is one; when it is revealed, the truth and the own guess."""
    guess = place.board.question
    if not guess or not guess.asked:
        return
    own = guess.guesses.get(place.seat.who)
    if guess.revealed:
        with st.popover(_result(guess, own), icon=":material/lightbulb:", key=f"room.result.{guess.asked.id}"):
            st.markdown(f"**{plain(text_of(guess.asked))}**")
            st.markdown(_difference(guess, own))
            draw_guesses(guess, "mine")
    elif not place.board.ended:
        label = t("room.my_guess", guess=plain(value_text(guess.asked, own.value))) if own else t("room.guess_asked")
        look: Literal["primary", "secondary"] = "secondary" if own else "primary"
        with st.popover(label, icon=":material/quiz:", type=look, key=f"room.question.{guess.asked.id}"):
            _draw_form(place, guess.asked, own)


def _result(guess: Guess, own: Guessed | None) -> str:
    """Return the truth and the own guess, in few words: a phone has room for no more."""
    asked, truth = guess.asked, guess.revealed.value if guess.revealed else None
    if asked is None or own is None:
        return t("room.truth_is", truth=plain(truth_text(guess)))
    said, mine = plain(truth_text(guess)), plain(value_text(asked, own.value))
    return t("room.my_guess", guess=mine) if truth is None else t("room.truth_and_guess", truth=said, guess=mine)


def _difference(guess: Guess, own: Guessed | None) -> str:
    """Say all that there is to say of the own guess."""
    asked, truth = guess.asked, guess.revealed.value if guess.revealed else None
    said = _result(guess, own)
    if asked is None or own is None or truth is None:
        return said
    if own.value == truth:
        return f"{said}  \n{t('room.truth_right')}"
    off = plain(value_text(asked, abs(own.value - truth)))
    return said if asked.choices else f"{said}  \n{t('room.truth_off', off=off)}"


def _draw_form(place: Place, asked: GuessAsked, own: Guessed | None) -> None:
    key = f"room.guess.{asked.id}"
    with st.form(f"{key}.form", border=False):
        question, choices = plain(text_of(asked)), choices_of(asked)
        read: Callable[[], float | None]
        if choices:
            at = int(own.value) if own else None
            look = [plain(choice) for choice in choices]
            st.radio(question, range(len(choices)), at, key=key, format_func=look.__getitem__)
            read = lambda: st.session_state[key]  # noqa: E731
        else:
            unit = unit_of(asked)
            label = t("room.guess_in", question=question, unit=plain(unit)) if unit else question
            written = number_text(own.value) if own else ""
            st.text_input(label, written, key=key, placeholder=t("room.guess_placeholder"), autocomplete="off")
            read = lambda: read_number(st.session_state[key] or "", unit)  # noqa: E731
        st.caption(t("room.guess_what"))
        label = t("room.guess_change" if own else "room.guess_send")
        st.form_submit_button(label, on_click=_guess, args=(place, asked.id, read), type="primary")


def _guess(place: Place, question: str, read: Callable[[], float | None]) -> None:
    state, lab, value = session(), engine(), read()
    if value is None:
        state.notice = t("room.refused_no_guess")
        return
    event = Guessed(who=place.seat.who, question=question, value=float(value))
    try:
        lab.portal.call(lab.rooms.add, place.room.code, event)
    except RoomRefused as refusal:
        state.notice = t(f"room.refused_{refusal.code}")
    except HubUnreachable:
        state.notice = t("notice.unreachable")
