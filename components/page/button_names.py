"""What Streamlit gives no button: a name where it shows nothing but an icon, and the direction of its own text."""

from collections.abc import Iterable, Mapping

import streamlit as st

SIDEBAR = '[data-testid="stSidebar"]'

# Of an icon a screen reader would read the icon's name. A text that is too long loses its end, which for Arabic is on
# the left. Streamlit draws a button anew when it likes, and one with a tooltip twice: the second is for phones. The
# class is that of the widget's key.
_JS = """
export default function({ data }) {
    const place = document.querySelector(data.place) ?? document.body;
    const all = key => place.querySelectorAll(`.st-key-${CSS.escape(key)} button`);
    const tell = () => {
        for (const [key, name] of Object.entries(data.names)) all(key).forEach(button => { button.ariaLabel = name; });
        for (const key of data.texts) all(key).forEach(button => { button.dir = 'auto'; });
    };
    let due = null;
    const soon = () => { due ??= requestAnimationFrame(() => { due = null; tell(); }); };  // text may be arriving
    const watch = new MutationObserver(soon);
    watch.observe(place, { childList: true, subtree: true });
    tell();
    return () => { watch.disconnect(); cancelAnimationFrame(due); };
}
"""

_component = st.components.v2.component("button_names", js=_JS)


def name_buttons(names: Mapping[str, str], texts: Iterable[str] = (), place: str = SIDEBAR) -> None:
    """Name the buttons at a place (a CSS selector) by their keys, and let those of `texts` run as their texts do."""
    data = {
        "place": place,
        "names": {_class(key): name for key, name in names.items()},
        "texts": [_class(key) for key in texts],
    }
    _component(data=data, height=0)


def _class(key: str) -> str:
    return key.replace(".", "-")
