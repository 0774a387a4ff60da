"""The question box and suggestions, and the one gate through which pages start runs."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page import access, sidebar
from components.page.session import session
from components.page.slots import draw_notice
from components.page.texts import t
from components.page.unsent import keep_unsent
from streamlab.chats import Busy
from streamlab.hub import HubFull, HubUnreachable
from streamlab.models.options import QUESTION_CHARACTERS, InvalidQuestion
from streamlab.runs.run import TooManyRuns

T = TypeVar("T")


def started(models: Iterable[str], start: Callable[[], T]) -> T | None:
    """Call `start`, which asks these models, and return its result; on a refusal set a notice and return None.

    Every run that a page starts must go through here: this checks the access code.
    """
    if access.is_needed(models):
        session().notice = t("access.needed")
        return None
    try:
        return start()
    except InvalidQuestion as error:
        session().notice = t(f"notice.{error.code}", length=f"{error.length:,}", limit=f"{QUESTION_CHARACTERS:,}")
    except Busy:
        session().notice = t("notice.busy")
    except (TooManyRuns, HubFull):
        session().notice = t("notice.too_many")
    except HubUnreachable:
        session().notice = t("notice.unreachable")
    return None


def draw_input(key: str, placeholder: str, ask: Callable[[str], None], notices: DeltaGenerator) -> None:
    """Draw the question box, and in `notices` the pending notice and the access form.

    A question that was refused is put back into the box.
    """

    def submit() -> None:
        question = st.session_state[key]
        ask(question)
        if session().notice:
            st.session_state[key] = question

    draw_notice(notices)
    access.draw([sidebar.options().model], notices)
    st.chat_input(placeholder, key=key, on_submit=submit)
    with notices:
        keep_unsent()


def draw_suggestions(prefix: str, texts: dict[str, str], ask: Callable[[str], None]) -> None:
    st.caption(t("chat.suggest"))
    with st.container(horizontal=True):
        for name, text in texts.items():
            st.button(text, key=f"{prefix}.{name}", on_click=ask, args=(text,), wrap=True)


def draw_question(question: str) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(question)  # as typed: no Markdown, no formulas
