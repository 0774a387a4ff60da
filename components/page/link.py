"""An address for others: to copy, and as a QR code."""

from urllib.parse import urlsplit

import segno
import streamlit as st

from components.page.texts import t

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def draw_link(link: str) -> None:
    """Draw the address, and say where it leads nobody else."""
    st.code(link, language=None, wrap_lines=True)
    draw_qr(link)
    if urlsplit(link).hostname in LOOPBACK:
        st.info(t("link.local"), icon=":material/info:")


def draw_qr(link: str, scale: int = 5) -> None:
    """Draw the address as a QR code, dark on light in both themes, as cameras want it."""
    code = segno.make(link, micro=False).svg_inline(scale=scale, border=4, dark="#000", light="#fff")
    st.image(code, alt=t("link.qr_alt", link=link))
