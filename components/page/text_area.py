"""Text fields that send their text while it is typed; Streamlit sends it when the field is left, or at Ctrl+Enter."""

import streamlit as st

PAUSE_MS = 400  # without a key

# The same Ctrl+Enter, pressed at each pause. Not while a Japanese word is being composed: Enter would choose it.
_JS = f"""
export default function({{ data }}) {{
    const timers = new WeakMap();
    const typed = event => {{
        const field = event.target;
        if (!['TEXTAREA', 'INPUT'].includes(field.tagName) || !data.includes(field.getAttribute('aria-label'))) return;
        clearTimeout(timers.get(field));
        if (event.isComposing || event.type === 'compositionstart') return;
        const commit = {{ key: 'Enter', code: 'Enter', keyCode: 13, ctrlKey: true, bubbles: true }};
        timers.set(field, setTimeout(() => field.dispatchEvent(new KeyboardEvent('keydown', commit)), {PAUSE_MS}));
    }};
    const kinds = ['input', 'compositionstart', 'compositionend'];
    kinds.forEach(kind => document.addEventListener(kind, typed));
    return () => kinds.forEach(kind => document.removeEventListener(kind, typed));
}}
"""

_component = st.components.v2.component("read_while_typing", js=_JS)


def read_while_typing(*labels: str) -> None:
    """Send the text of every field with one of these labels while it is typed, as long as this is on the page."""
    _component(data=list(labels), height=0)
