"""Saving, opening and sharing a set of prompts, and the downloads of its results."""

import streamlit as st

from components.page.session import session
from components.page.settings import options
from components.page.texts import plain, t
from components.page.uploads import MB, tell_too_slow, uploader
from components.page.widgets import download
from components.prompts import comparison, saved
from components.prompts.draft import draft
from components.prompts.left_out import left_out_lines
from streamlab.prompts.comparison import Comparison
from streamlab.prompts.exports import to_csv, to_markdown
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.promptfoo import to_promptfoo
from streamlab.prompts.promptfoo_config import open_set
from streamlab.prompts.serialization import MAX_BYTES, BrokenSet, from_address, to_address, to_yaml
from streamlab.text.reader import TooSlow, read_apart

SHARED, UPLOAD, OPEN = "set", "prompts.upload", "prompts.open"


def open_shared() -> None:
    """Load the set that the address holds into the editor, and remove it from the address."""
    if shared := st.query_params.pop(SHARED, None):
        try:
            saved.take(from_address(shared), "shared")
        except BrokenSet as error:
            _refuse(error)


def draw(prompts: PromptSet | None, found: Comparison | None) -> None:
    place = st.container(horizontal=True, vertical_alignment="bottom")
    with place:
        saved.draw(place)
        comparison.HISTORY.draw(found.id if found else None)
        with st.popover(t("prompts.open"), icon=":material/upload:", key=OPEN, on_change="rerun"):
            uploader(t("prompts.open_what"), ["yaml", "yml", "json"], UPLOAD, _upload, MAX_BYTES // MB)
        if prompts:
            with st.popover(t("prompts.save"), icon=":material/save:"):
                _draw_saves(prompts)
        if found and found.done:
            with st.popover(t("prompts.export"), icon=":material/download:"):
                _draw_exports(found)
    st.caption(saved.describe())
    if left_out := draft().left_out:
        with st.expander(t("prompts.left_out", number=len(left_out)), icon=":material/rule:", expanded=True):
            st.markdown("\n".join(f"- {line}" for line in left_out_lines(left_out)))


def _draw_saves(prompts: PromptSet) -> None:
    download("prompts.save_yaml", to_yaml(prompts), "prompts.yaml", "application/yaml")
    download("prompts.save_promptfoo", to_promptfoo(prompts), "promptfooconfig.yaml", "application/yaml")
    if address := to_address(prompts):
        st.caption(t("prompts.share"))
        page = (st.context.url or "").partition("?")[0]
        st.code(f"{page}?{SHARED}={address}", language=None, wrap_lines=True)
    else:
        st.caption(t("prompts.too_long_to_share"))


def _draw_exports(found: Comparison) -> None:
    cells = found.cells()
    download("prompts.save_csv", to_csv(found.prompts, cells), "results.csv", "text/csv")
    summary = to_markdown(found.prompts, cells, comparison.markdown_words())
    download("prompts.save_markdown", summary, "results.md", "text/markdown")


def _upload() -> None:
    """Load the uploaded set into the editor; a broken one changes nothing."""
    if file := st.session_state[UPLOAD]:
        try:
            opened = read_apart(open_set, file.getvalue(), options().model)
            saved.take(opened.prompts, "file", opened.left_out)
            st.session_state[OPEN] = False  # it would stand above what was opened
        except BrokenSet as error:
            _refuse(error)
        except TooSlow:
            tell_too_slow()


def _refuse(error: BrokenSet) -> None:
    lines = (t(f"prompts.set_{error.code}", detail=plain(error.detail)), *left_out_lines(error.left_out))
    session().notice = "\n- ".join(lines)
