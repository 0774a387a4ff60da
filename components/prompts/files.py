"""Saving, opening and sharing a set of prompts, and the downloads of its results."""

import streamlit as st

from components.page.address import COMPARISON
from components.page.lab import engine
from components.page.link import draw_link
from components.page.session import session
from components.page.settings import options
from components.page.texts import plain, t
from components.page.uploads import MB, tell_too_slow, uploader
from components.page.widgets import download
from components.prompts import comparison, conclusion, saved
from components.prompts.draft import draft
from components.prompts.left_out import left_out_lines
from streamlab.prompts.comparison import Comparison
from streamlab.prompts.exports import to_csv, to_markdown
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.promptfoo import to_promptfoo
from streamlab.prompts.promptfoo_config import open_set
from streamlab.prompts.serialization import MAX_BYTES, BrokenSet, from_address, to_address, to_yaml
from streamlab.text.reader import TooSlow, read_apart

SHARED, SAVED, UPLOAD, OPEN = "set", "saved", "prompts.upload", "prompts.open"


def open_shared() -> None:
    """Load the set that the address names or holds into the editor, and remove it from the address."""
    shared, saved_id = st.query_params.pop(SHARED, None), st.query_params.pop(SAVED, None)
    if saved_id:
        saved.take_shared(saved_id)
    if shared:
        try:
            saved.take(from_address(shared), "shared")
        except BrokenSet as error:
            _refuse(error)


def draw(prompts: PromptSet | None, found: Comparison | None) -> None:
    place = st.container(horizontal=True, vertical_alignment="bottom")
    with place:
        saved.draw(place)
        comparison.HISTORY.draw(found.id if found else None)
        with st.popover(t("prompts.open"), icon=":material/folder:", key=OPEN, on_change="rerun"):
            uploader(t("prompts.open_what"), ["yaml", "yml", "json"], UPLOAD, _upload, MAX_BYTES // MB)
            if prompts:
                st.caption(t("prompts.save"))
                download("prompts.save_yaml", to_yaml(prompts), "prompts.yaml", "application/yaml")
                written = to_promptfoo(prompts, engine().models.places())
                download("prompts.save_promptfoo", written, "promptfooconfig.yaml", "application/yaml")
            if found and found.done:
                st.caption(t("prompts.export"))
                _draw_exports(found)
        if prompts:
            with st.popover(t("prompts.share"), icon=":material/share:"):
                _draw_shares(prompts, found)
    if left_out := draft().left_out:
        with st.expander(t("prompts.left_out", number=len(left_out)), icon=":material/rule:", expanded=True):
            st.markdown("\n".join(f"- {line}" for line in left_out_lines(left_out)))


def _draw_shares(prompts: PromptSet, found: Comparison | None) -> None:
    """Draw the addresses of what is shown: of a comparison, and of the set, short where it is saved."""
    page = (st.context.url or "").partition("?")[0]
    if found:
        st.markdown(t("prompts.share_comparison"))
        draw_link(f"{page}?{COMPARISON}={found.id}")
    if set_id := saved.saved_id():
        st.markdown(t("prompts.share_saved"))
        draw_link(f"{page}?{SAVED}={set_id}")
    elif address := to_address(prompts):
        st.markdown(t("prompts.share_whole"))
        st.code(f"{page}?{SHARED}={address}", language=None, wrap_lines=True)
    else:
        st.caption(t("prompts.too_long_to_share"))


def _draw_exports(found: Comparison) -> None:
    cells = found.cells()
    download("prompts.save_csv", to_csv(found.prompts, cells), "results.csv", "text/csv")
    summary = to_markdown(found.prompts, cells, conclusion.markdown_words())
    download("prompts.save_markdown", summary, "results.md", "text/markdown")


def _upload() -> None:
    """Load the uploaded set into the editor; a broken one changes nothing."""
    if file := st.session_state[UPLOAD]:
        try:
            opened = read_apart(open_set, file.getvalue(), options().model, engine().models.places())
            saved.take(opened.prompts, "file", opened.left_out)
            st.session_state[OPEN] = False  # it would stand above what was opened
        except BrokenSet as error:
            _refuse(error)
        except TooSlow:
            tell_too_slow()


def _refuse(error: BrokenSet) -> None:
    lines = (t(f"prompts.set_{error.code}", detail=plain(error.detail)), *left_out_lines(error.left_out))
    session().notice = "\n- ".join(lines)
