"""The script that the server runs for every page: page table, language, sidebar, then the page itself."""

from importlib.resources import files
from urllib.parse import unquote, urlsplit

import streamlit as st

from components.middleware.deep_addresses import ADDRESS
from components.page import conversations, providers, settings, sidebar, storage
from components.page.composition import keep_composition
from components.page.connection import tell_of_connection
from components.page.folder import folder
from components.page.pages import PAGES
from components.page.session import session
from components.page.texts import plain, t

ASSETS = files("assets")

st.set_page_config(page_title=t("app.title"), page_icon=str(ASSETS / "icon.png"), layout="wide")
st.logo(str(ASSETS / "logo.svg"), size="large")
sidebar.choose_language()
pages = {
    name: st.Page(f"../pages/{name}.py", title=t(f"{name}.title"), icon=f":material/{icon}:", url_path=name)
    for name, icon in PAGES.items()
}


def start() -> None:
    """Lead from the root to the chat: a default page is served at the root only, and `/chat` must work too.

    Streamlit leads here from an address that is no page's, too.
    """
    query = st.query_params.to_dict()
    if nothing_at := query.pop(ADDRESS, None) or unknown_address():
        session().notice = t("app.no_page", address=plain(nothing_at))
    st.switch_page(pages["chat"], query_params=query)


def unknown_address() -> str | None:
    """Return the address if it is not the root's, which that of a proxy's folder may be, too.

    Streamlit leads from `/nowhere/` to `/nowhere`.
    """
    path = unquote(urlsplit(st.context.url or "").path)
    return None if path.endswith("/") or path == folder() else path


root = st.Page(start, url_path="start", default=True, visibility="hidden")
settings.restore()
page = st.navigation({"": [root], t("app.title"): [*pages.values()]})
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
page.run()
