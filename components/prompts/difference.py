"""The difference between two answers to a case, word by word."""

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from components.page.texts import t
from streamlab.prompts.comparison import Comparison
from streamlab.prompts.diff import Change, word_diff

MARKS: Mapping[Change, tuple[str, str]] = {
    "same": ("", ""),
    "removed": ('<del style="background: rgba(210, 59, 59, 0.28)">', "</del>"),
    "added": ('<ins style="background: rgba(46, 160, 90, 0.30)">', "</ins>"),
}


def draw_difference(found: Comparison, case: int) -> None:
    """Draw it folded, of any two that have a text."""
    texts = {(cell.variant, cell.repeat): cell.text for cell in found.cells() if cell.case == case and cell.text}
    if len(texts) < 2:
        return
    names = [variant.name for variant in found.prompts.variants]
    label = {
        (variant, repeat): t("prompts.variant_repeat", variant=names[variant], number=repeat + 1)
        if found.prompts.repeats > 1
        else names[variant]
        for variant, repeat in texts
    }
    with st.expander(t("prompts.difference"), icon=":material/difference:", type="compact"):
        left, right = st.columns(2)
        options, look = list(texts), dict[str, Any](format_func=label.__getitem__)
        first = left.selectbox(t("prompts.before"), options, key=f"prompts.before.{found.id}.{case}", **look)
        variants = [variant for variant, _ in options]
        other = next((at for at, variant in enumerate(variants) if variant != variants[0]), 1)
        second = right.selectbox(t("prompts.after"), options, other, key=f"prompts.after.{found.id}.{case}", **look)
        st.html(diff_html(texts[first], texts[second]))
        st.caption(t("prompts.difference_what"))


def diff_html(before: str, after: str) -> str:
    """Mark the changes with `ins` and `del`, which work without colours, too."""
    parts = []
    for segment in word_diff(before, after):
        begin, end = MARKS[segment.kind]
        parts.append(f"{begin}{escape(segment.text)}{end}")
    return f'<div style="white-space: pre-wrap; overflow-wrap: anywhere">{"".join(parts)}</div>'
