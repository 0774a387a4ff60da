"""The access code for models that cost money: its form, and the check before a model is used."""

from collections.abc import Iterable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page.lab import engine
from components.page.session import session
from components.page.texts import t
from streamlab.access_code import LONGEST, AccessCode, TooManyGuesses
from streamlab.models.catalog import cost_money

CODE = "access.code"
COOKIE = "streamlab_access"

# A cookie is there again after a reload, when Streamlit begins a new session; it goes when the browser is
# closed, and what it holds is good for a day.
_JS = f"""
export default function({{ data }}) {{
    const secure = location.protocol === 'https:' ? '; Secure' : '';
    document.cookie = `{COOKIE}=${{data}}; Path=/; SameSite=Strict${{secure}}`;
}}
"""

_keep_ticket = st.components.v2.component("keep_access_ticket", js=_JS)


def is_needed(models: Iterable[str]) -> bool:
    """Tell whether one of these models costs money and this session has not given the code."""
    code = engine().access_code
    return code is not None and cost_money(models) and not _admitted(code)


def draw(models: Iterable[str], place: DeltaGenerator) -> None:
    """Draw the form for the code if these models need it. It has a container of its own, so nothing below it moves."""
    needed, state = is_needed(models), session()
    with place.container():
        if needed:
            _draw_box()
        elif state.ticket:
            _keep_ticket(data=state.ticket, height=0)


def _draw_box() -> None:
    with st.form("access.form"):
        st.markdown(f":material/lock: {t('access.why')}")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(
                t("access.code"),
                key=CODE,
                max_chars=LONGEST,
                type="password",  # the screen may be shown to a room
                autocomplete="one-time-code",  # no browser offers to save it
                width=200,  # with the button beside it on a phone
            )
            st.form_submit_button(t("access.enter"), key="access.enter", type="primary", on_click=_enter)
        if refusal := session().refusal:
            st.error(t(f"access.refused_{refusal}"), icon=":material/error:")


def _enter() -> None:
    """Admit the session, or note why not."""
    state, code, typed = session(), engine().access_code, st.session_state[CODE] or ""
    if code is None:
        return
    try:
        if not typed.strip():
            state.refusal = "empty"
        elif code.fits(typed):
            state.admitted, state.refusal, state.ticket = True, None, code.issue()
            st.toast(t("access.given"), icon=":material/lock_open:")
        else:
            state.refusal = "wrong"
    except TooManyGuesses:
        state.refusal = "too_many"


def _admitted(code: AccessCode) -> bool:
    state = session()
    if not state.admitted:
        state.admitted = code.knows(st.context.cookies.get(COOKIE))
    return state.admitted
