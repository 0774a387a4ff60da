"""Which browser the page is shown in."""

import streamlit as st

from components.page.lab import engine
from components.page.session import session
from streamlab.browsers.browsers import cookie_name
from streamlab.hub import HubUnreachable


def browser() -> str | None:
    """Return the id of the browser; None for one that keeps no cookies, for which nothing can be listed."""
    state = session()
    if state.browser is None:
        lab = engine()
        ticket = st.context.cookies.get(cookie_name(st.context.headers.get("Host")))
        try:
            state.browser = lab.portal.call(lab.browsers.find, ticket) if ticket else None
        except HubUnreachable:
            return None  # asked again at the next drawing
    return state.browser
