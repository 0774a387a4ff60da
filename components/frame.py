"""The script that the server runs for every page: the page table, the language, the sidebar, the page itself."""

from importlib.resources import files

import streamlit as st

from components.page import sidebar
from components.page.texts import t

ASSETS = files("assets")

st.set_page_config(page_title=t("app.title"), page_icon=str(ASSETS / "icon.png"), layout="wide")
st.logo(str(ASSETS / "logo.svg"), size="large")
sidebar.choose_language()
chat = st.Page("../pages/chat.py", title=t("chat.title"), icon=":material/chat:", url_path="chat")
timeline = st.Page(
    "../pages/timeline.py", title=t("timeline.title"), icon=":material/view_timeline:", url_path="timeline"
)
latency = st.Page("../pages/latency.py", title=t("latency.title"), icon=":material/timer:", url_path="latency")
prompts = st.Page("../pages/prompts.py", title=t("prompts.title"), icon=":material/compare:", url_path="prompts")
chunks = st.Page("../pages/chunks.py", title=t("chunks.title"), icon=":material/grain:", url_path="chunks")
faults = st.Page(
    "../pages/faults.py", title=t("faults.title"), icon=":material/electrical_services:", url_path="faults"
)
relay = st.Page("../pages/relay.py", title=t("relay.title"), icon=":material/lan:", url_path="relay")
about = st.Page("../pages/about.py", title=t("about.title"), icon=":material/schema:", url_path="about")


def start() -> None:
    """The root. Streamlit serves a default page at the root only, but `/chat` is to be an address as well."""
    st.switch_page(chat, query_params=st.query_params.to_dict())


root = st.Page(start, url_path="start", default=True, visibility="hidden")
page = st.navigation({"": [root], t("app.title"): [chat, timeline, latency, prompts, chunks, faults, relay, about]})
sidebar.draw()
page.run()
