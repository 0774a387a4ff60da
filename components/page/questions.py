"""The question box and suggestions, and the one gate through which pages start runs."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.typing import ChatInputValue

from components.page import access, attached, settings
from components.page.lab import engine
from components.page.session import session
from components.page.slots import draw_notice
from components.page.texts import plain, t
from components.page.unsent import keep_unsent
from streamlab.attachments.files import AttachmentRefused
from streamlab.chats.chat import Busy, UnknownChat
from streamlab.hub import HubFull, HubUnreachable
from streamlab.models.options import QUESTION_CHARACTERS, InvalidQuestion
from streamlab.runs.run import Closing, TooManyRuns

T = TypeVar("T")


def started(models: Iterable[str], start: Callable[[], T]) -> T | None:
    """Call `start`, which asks these models, and return its result; on a refusal set a notice and return None.

    Every run that a page starts must go through here: this checks that the models are offered, for a name may have
    come by an address, by a file, or by a message that no page of ours sent; and the access code.
    """
    lab, asked = engine(), tuple(models)
    if access.is_needed(asked):
        session().notice = t("access.needed")
        return None
    if refused := lab.portal.call(lab.models.not_offered, asked):
        session().notice = t("notice.not_offered", model=plain(refused))
        return None
    try:
        return start()
    except InvalidQuestion as error:
        session().notice = t(f"notice.{error.code}", length=f"{error.length:,}", limit=f"{QUESTION_CHARACTERS:,}")
    except UnknownChat:
        session().notice = t("notice.read_only")
    except AttachmentRefused as unfit:
        session().notice = attached.said(unfit)
    except Busy:
        session().notice = t("notice.busy")
    except Closing:
        session().notice = t("notice.closing")
    except (TooManyRuns, HubFull):
        session().notice = t("notice.too_many")
    except HubUnreachable:
        session().notice = t("notice.not_asked")
    return None


def draw_input(
    key: str,
    placeholder: str,
    ask: Callable[[str], None],
    notices: DeltaGenerator,
    models: Callable[[], Iterable[str]] = lambda: [settings.options().model],
    *,
    files: bool = False,
) -> None:
    """Draw the question box, and in `notices` the pending notice and the access form that `models` need.

    A question that was refused is put back into the box; with `files` some may go with it, and they wait above the box
    then. A server that was started anew knows of no callback of a page
    that was open before; then the question is only found when the box is drawn.
    """
    state = session()

    def take(question: str) -> None:
        if not state.notice:  # of a file that may not go with it
            ask(question)
        if state.notice:
            st.session_state[key] = question

    def submit() -> None:
        state.submitted = True
        take(sent(st.session_state[key]))

    def sent(given: str | ChatInputValue) -> str:
        """Take the files, and return the text; what is wrong with the files is told with the text in the box."""
        if isinstance(given, str):
            return given
        attached.take(given.files)
        return given.text

    if found := state.found:
        state.found = None
        take(found)
        st.rerun()
    draw_notice(notices)
    access.draw(models(), notices)
    if files:
        attached.draw(notices)
    question = st.chat_input(placeholder, key=key, on_submit=submit, accept_file="multiple" if files else False)
    with notices:
        keep_unsent()
    if question and not state.submitted:
        state.found = sent(question)
        st.rerun()
    state.submitted = False


def draw_suggestions(prefix: str, texts: dict[str, str], ask: Callable[[str], None]) -> None:
    st.caption(t("chat.suggest"))
    with st.container(horizontal=True):
        for name, text in texts.items():
            st.button(text, key=f"{prefix}.{name}", on_click=ask, args=(text,), wrap=True)


def draw_question(question: str) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(question)  # as typed: no Markdown, no formulas
