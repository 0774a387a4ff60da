"""Enter that ends a composition, such as of a Japanese word: it chooses the word, and sends nothing."""

import streamlit as st

# Streamlit goes by `isComposing`. Safari ends the composition before its Enter, which has only the key code 229:
# https://www.w3.org/TR/uievents/#determine-keydown-keyup-keyCode
# The window hears of a key before any widget does.
_JS = """
export default function() {
    const keep = event => {
        const enter = event.key === 'Enter' || event.code === 'Enter' || event.code === 'NumpadEnter';
        if (enter && (event.isComposing || event.keyCode === 229)) event.stopImmediatePropagation();
    };
    const kinds = ['keydown', 'keypress'];
    kinds.forEach(kind => window.addEventListener(kind, keep, true));
    return () => kinds.forEach(kind => window.removeEventListener(kind, keep, true));
}
"""

_component = st.components.v2.component("keep_composition", js=_JS)


def keep_composition() -> None:
    """Keep every text field of the page from taking the Enter of a composition, as long as this is on the page."""
    _component(height=0)
