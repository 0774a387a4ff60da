"""Text areas that send their text while it is typed; Streamlit sends it when the area is left, or at Ctrl+Enter."""

import streamlit as st

PAUSE_MS = 400  # without a key

# The same Ctrl+Enter, pressed at each pause. Not while a Japanese word is being composed: Enter would choose it.
_JS = f"""
export default function({{ data }}) {{
    const timers = new WeakMap();
    const typed = event => {{
        const area = event.target;
        if (area.tagName !== 'TEXTAREA' || area.getAttribute('aria-label') !== data) return;
        clearTimeout(timers.get(area));
        if (event.isComposing || event.type === 'compositionstart') return;
        const commit = {{ key: 'Enter', code: 'Enter', keyCode: 13, ctrlKey: true, bubbles: true }};
        timers.set(area, setTimeout(() => area.dispatchEvent(new KeyboardEvent('keydown', commit)), {PAUSE_MS}));
    }};
    const kinds = ['input', 'compositionstart', 'compositionend'];
    kinds.forEach(kind => document.addEventListener(kind, typed));
    return () => kinds.forEach(kind => document.removeEventListener(kind, typed));
}}
"""

_component = st.components.v2.component("read_while_typing", js=_JS)


def read_while_typing(label: str) -> None:
    """Send the text of every text area with this label while it is typed, as long as this is on the page."""
    _component(data=label, height=0)
