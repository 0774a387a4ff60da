"""The lesson beside every page's title: what the page shows, the code that ran, and something to try."""

from collections.abc import Sequence

import streamlit as st

from components.page import seat
from components.page.excerpts import SourceObject, excerpt_of
from components.page.presented import is_guest
from components.page.session import session
from components.page.texts import t


def draw_title(page: str, code: Sequence[SourceObject], *, tried: bool, heading: str | None = None) -> None:
    """Draw the page's title with its lesson. `page` is the section of its texts: `title`, `what` and `try`;
    `heading` takes the place of the first.

    `code` are the functions that the page has run. `tried` says that the proposed task is done; that holds for the rest
    of the session. What the teacher has done is nobody else's.
    """
    done = session().tried
    if tried and page not in done and not is_guest(page):
        done.add(page)
        seat.report()
        st.toast(t("lesson.done"), icon=":material/task_alt:")
    icon = ":material/task_alt:" if page in done else ":material/assignment:"
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.title(heading or t(f"{page}.title"), width="stretch")
        with st.container(horizontal=True, width="content", gap="xsmall"):
            with st.popover(t("lesson.what"), icon=":material/info:"):
                st.markdown(t(f"{page}.what"))
            with st.popover(t("lesson.code"), icon=":material/code:"):
                st.caption(t("lesson.code_what"))
                for part in code:
                    excerpt_of(part).draw()
            with st.popover(t("lesson.try"), icon=icon):
                st.markdown(t(f"{page}.try"))
                if page in done:
                    st.caption(f":material/task_alt: {t('lesson.done')}")
                else:
                    st.caption(f":material/radio_button_unchecked: {t('lesson.open')}")
