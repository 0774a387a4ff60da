"""Light or dark, as the reader has it: the choice beside the language.

Streamlit keeps such a choice in the browser, for each page's path, and reads it while a page is loaded; its own menu,
which makes it, is off here. Checked with streamlit 1.67: that is no public way, and where it is lost the pages follow
the reader's system, as without a choice.
"""

import streamlit as st

from components.page.folder import folder
from components.page.pages import PAGES
from components.page.texts import t

KEPT = "'stActiveTheme-' + path + '-v2'"
"""Where in the browser's storage the choice for a `path` is, as JSON, in the script's words."""

# What is drawn before Streamlit's own script has come knows the choice by this.
MARK = f"""{{
    const path = location.pathname;
    try {{ document.currentScript.parentElement.dataset.theme = JSON.parse(localStorage.getItem({KEPT})) ?? ''; }}
    catch {{ /* a browser that stores nothing */ }}
}}"""

_JS = f"""
const kept = path => {KEPT};
const chosen = () => {{
    try {{ return JSON.parse(localStorage.getItem(kept(location.pathname))) ?? 'System'; }} catch {{ return 'System'; }}
}};
const choose = (theme, paths) => {{
    try {{
        for (const path of [...paths, location.pathname]) {{
            if (theme === 'System') localStorage.removeItem(kept(path));
            else localStorage.setItem(kept(path), JSON.stringify(theme));
        }}
    }} catch {{ return; /* a browser that stores nothing */ }}
    location.reload();  // what is being answered or typed is kept
}};

export default function({{ data, parentElement }}) {{
    parentElement.querySelector('[role=group]').ariaLabel = data.title;
    const now = chosen();
    for (const button of parentElement.querySelectorAll('button')) {{
        button.ariaPressed = button.value === now;
        button.ariaLabel = button.title = data.words[button.value];
        button.onclick = () => choose(button.value, data.paths);
    }}
}}
"""
_PICTURES = {
    "System": '<circle cx="12" cy="12" r="8"/><path class="full" d="M12 4a8 8 0 0 1 0 16z"/>',
    "Light": '<circle cx="12" cy="12" r="4"/><path d="M12 3v2m0 14v2M3 12h2m14 0h2M6 6l1 1m10 10 1 1M6 18l1-1"/>',
    "Dark": '<path d="M19 14.5A7.5 7.5 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z"/>',
}
_HTML = "".join(
    f'<button type="button" value="{name}"><svg viewBox="0 0 24 24" aria-hidden="true">{picture}</svg></button>'
    for name, picture in _PICTURES.items()
)
_CSS = """
[role=group] { display: flex; gap: 0.125rem; }
button {
    display: flex; padding: 0.4rem; border: 0; border-radius: var(--st-base-radius, 0.5rem); background: none;
    cursor: pointer;
}
svg {
    width: 1.25rem; height: 1.25rem; fill: none; stroke: var(--st-text-color); stroke-width: 1.8; stroke-linecap: round;
}
.full { fill: var(--st-text-color); stroke: none; }
button:hover { background: var(--st-background-color); }
[aria-pressed=true] { background: var(--st-background-color); box-shadow: 0 0 0 1px var(--st-border-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
"""

_component = st.components.v2.component("theme", html=f'<div role="group">{_HTML}</div>', css=_CSS, js=_JS)


def draw() -> None:
    """Draw the choice."""
    words = {name: t(f"sidebar.theme_{name.lower()}") for name in _PICTURES}
    paths = [f"{folder()}/{name}" for name in ("", *PAGES)]
    _component(key="theme", data={"title": t("sidebar.theme"), "words": words, "paths": paths}, width=104)
