"""An address for others: to copy, and as a QR code."""

from urllib.parse import urlsplit

import segno
import streamlit as st

from components.page.texts import t


def draw_link(link: str) -> None:
    """Draw the address, and say where it leads nobody else."""
    st.code(link, language=None, wrap_lines=True)
    code = segno.make(link, micro=False).svg_inline(scale=5, border=4, dark="#000", light="#fff")
    st.image(code, alt=t("link.qr_alt", link=link))
    if urlsplit(link).hostname in ("localhost", "127.0.0.1", "::1"):
        st.info(t("link.local"), icon=":material/info:")
