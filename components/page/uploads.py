"""A place to open a file, with the size that it may have, and what is told of one that cannot be read in time."""

from collections.abc import Callable, Sequence

import streamlit as st

from components.page.session import session
from components.page.texts import t

MB = 1024 * 1024  # bytes, as Streamlit counts them


def uploader(label: str, types: Sequence[str], key: str, on_change: Callable[[], None], megabytes: int) -> None:
    """Draw it. What Streamlit says of a larger file is English, so the page says it before."""
    st.file_uploader(label, types, key=key, on_change=on_change, max_upload_size=megabytes)
    st.caption(t("upload.limit", megabytes=megabytes))


def tell_too_slow() -> None:
    """Say so as the page's next notice."""
    session().notice = t("upload.too_slow")
