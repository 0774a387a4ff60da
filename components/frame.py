"""The script that the server runs for every page: page table, language, sidebar, then the page itself."""

from importlib.resources import files

import streamlit as st

from components.page import conversations, providers, sidebar
from components.page.composition import keep_composition
from components.page.pages import PAGES
from components.page.texts import t

ASSETS = files("assets")

st.set_page_config(page_title=t("app.title"), page_icon=str(ASSETS / "icon.png"), layout="wide")
st.logo(str(ASSETS / "logo.svg"), size="large")
sidebar.choose_language()
pages = {
    name: st.Page(f"../pages/{name}.py", title=t(f"{name}.title"), icon=f":material/{icon}:", url_path=name)
    for name, icon in PAGES.items()
}


def start() -> None:
    """Lead from the root to the chat: a default page is served at the root only, and `/chat` must work too."""
    st.switch_page(pages["chat"], query_params=st.query_params.to_dict())


root = st.Page(start, url_path="start", default=True, visibility="hidden")
page = st.navigation({"": [root], t("app.title"): [*pages.values()]})
if page == pages["chat"]:
    with st.sidebar:
        conversations.draw()
sidebar.draw()
with st.sidebar:
    keep_composition()
providers.draw()
page.run()
