"""Files that are to go with the next question: they wait above its box until it is asked."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components.page.session import session
from components.page.texts import plain, t
from streamlab.attachments.files import BYTES, FILES, AttachmentRefused, File, check_size, read_files
from streamlab.text.sizes import readable_size


def take(uploaded: Sequence[UploadedFile]) -> None:
    """Keep the files for the next question beside those that wait already, or tell why they may not go with it."""
    state = session()
    sent = [File(each.name, each.type, each.getvalue()) for each in uploaded]
    try:
        new = read_files(sent)
        if len(state.attached) + len(new) > FILES:
            raise AttachmentRefused("too_many")
        check_size([*state.attached, *new])
    except AttachmentRefused as refused:
        state.notice = said(refused)
    else:
        state.attached += new


def said(refused: AttachmentRefused) -> str:
    """Say why a file may not go with a question."""
    size, name = readable_size(BYTES), plain(refused.name)
    return t(f"unfit.{refused.code}", number=FILES, size=size, name=name)


def draw(place: DeltaGenerator) -> None:
    """Draw those that wait, each to be taken away again."""
    state = session()
    if not state.attached:
        return
    with place.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(t("files.waiting"), width="content")
        for number, file in enumerate(state.attached):
            label = f"{plain(file.name)} · {readable_size(len(file.data))}"
            look: dict[str, Any] = {"icon": ":material/close:", "help": t("files.remove")}
            st.button(label, key=f"files.waiting.{number}", on_click=partial(_remove, number), **look)


def _remove(number: int) -> None:
    state = session()
    state.attached = tuple(file for place, file in enumerate(state.attached) if place != number)
