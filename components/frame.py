"""The script that the server runs for every page: page table, language, sidebar, then the page itself."""

from importlib.resources import files
from urllib.parse import unquote, urlsplit

import streamlit as st

from components.middleware.deep_addresses import ADDRESS
from components.page import conversations, desk, providers, seat, settings, sidebar, storage
from components.page.address import CHAT, TEACH, VIEW
from components.page.composition import keep_composition
from components.page.connection import tell_of_connection
from components.page.folder import folder
from components.page.pages import GROUPS, HOME, PAGES
from components.page.session import session
from components.page.texts import plain, t
from components.rooms import line, presenting

ASSETS = files("assets")

st.set_page_config(page_icon=str(ASSETS / "icon.png"), layout="wide")
st.logo(str(ASSETS / "logo.svg"), size="large")
sidebar.choose_language()
pages = {
    name: st.Page(
        f"../pages/{name}.py",
        title=t(f"{name}.title"),
        icon=f":material/{icon}:",
        url_path=name,
        default=name == HOME,
    )
    for name, icon in PAGES.items()
}


def lead() -> None:
    """Lead from an address that is no page's, where Streamlit runs the default page, to the root, and tell of it.

    A conversation's address may be one from when the chat was at the root.
    """
    query, state = st.query_params.to_dict(), session()
    nothing_at = query.pop(ADDRESS, None) or unknown_address()
    told = nothing_at == state.led_from  # the browser says the former address once more
    if nothing_at and not told:
        state.led_from, state.notice = nothing_at, t("app.no_page", address=plain(nothing_at))
    if CHAT in query:
        st.switch_page(pages["chat"], query_params=query)
    if nothing_at and not told:
        st.switch_page(pages[HOME], query_params=query)


def unknown_address() -> str | None:
    """Return the address that the browser was at, if it is neither the root's nor a page's.

    Streamlit leads from `/nowhere/` to `/nowhere`.
    """
    path = unquote(urlsplit(st.context.url or "").path)
    known = (f"{folder()}/{name}" for name in ("", *PAGES))
    return None if path.endswith("/") or path == folder() or path in known else path


settings.restore()
groups = {t(f"navigation.{group}"): [pages[name] for name in names] for group, names in GROUPS.items()}
page = st.navigation({"": [pages[HOME]], **groups}, expanded=True)
if page == pages[HOME]:
    st.set_page_config(page_title=t("app.title"))
    lead()
else:
    st.set_page_config(page_title=f"{page.title} · {t('app.title')}")
if page == pages["chat"]:
    with st.sidebar:
        conversations.draw()
sidebar.draw()
with st.sidebar:
    keep_composition()
    tell_of_connection()
# A chat opens at its end, the other pages at their beginning.
above = st.bottom if page is pages["chat"] else st
providers.draw(above.container())
storage.draw(above.container())
room_line = above.container()
here = next(name for name, each in pages.items() if each == page)
place = seat.find()
if place:
    presenting.lead(place, here)
    with room_line:
        line.draw(place)
    seat.arrive(place, here)
if not {TEACH, VIEW} & {*st.query_params} and (teacher := desk.find()):
    with room_line:
        presenting.draw_line(teacher, here)
page.run()
