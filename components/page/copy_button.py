"""A button that copies a text, which the browser has already: it may only copy while it is being clicked."""

import streamlit as st

from components.page.component_key import component_key
from components.page.texts import t

# Over plain HTTP from another machine a browser has no clipboard for a page, but still the older command.
_JS = """
const SHOWN = 2000;  // milliseconds for which it says so

const copy = async text => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = Object.assign(document.createElement('textarea'), { value: text });
    Object.assign(area.style, { position: 'fixed', opacity: 0 });
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (!done) throw new Error('not copied');
};

export default function({ data, parentElement }) {
    const button = parentElement.querySelector('button'), status = parentElement.querySelector('[role=status]');
    button.ariaLabel = button.title = data.label;
    button.onclick = async () => {
        try { await copy(data.text); } catch { return; }
        button.dataset.done = '';
        status.textContent = data.done;
        setTimeout(() => { delete button.dataset.done; status.textContent = ''; }, SHOWN);
    };
}
"""
_HTML = """
<button type="button">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path class="copy" d="M9 9h11v11H9zM5 15H4V4h11v1"/>
    <path class="done" d="M4 12.5 9.5 18 20 7"/></svg>
</button><span role="status"></span>
"""
_CSS = """
:host { display: flex; }
button {
    display: flex; padding: 0.5rem; border: 0; border-radius: var(--st-base-radius, 0.5rem);
    background: none; color: var(--st-text-color); cursor: pointer;
}
button:hover { background: var(--st-secondary-background-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
svg { width: 1.25rem; height: 1.25rem; fill: none; stroke: currentColor; stroke-width: 1.8; }
.done, [data-done] .copy { display: none; }
[data-done] .done { display: inline; }
@media print { button { display: none; } }
[role=status] { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""

_component = st.components.v2.component("copy_button", html=_HTML, css=_CSS, js=_JS)


def copy_button(text: str, label: str, name: str, id: str) -> None:
    """Draw the button, which has only an icon; `label` is its name, and `name` and `id` name its place."""
    _component(key=component_key(name, id), data={"text": text, "label": label, "done": t("copy.done")}, width=36)
