"""The keys of a page with conversations, and the list of them."""

import streamlit as st

from components.page.texts import t

KEYS = ("/", "Esc", "Ctrl K", "?")
NAMES = ("focus", "stop", "search", "list")

# A key that writes something does nothing else: none is heard where one types. Only Escape is, and Ctrl+K as long as
# nothing is typed yet, for the box has the focus after each question. Those of one character can be turned off, as
# WCAG 2.1.4 wants it for those who speak to their computer. What is open takes Escape for itself: Streamlit closes it
# when it hears of the key, so this looks before, and acts after nobody else has.
_JS = """
const OFF = 'streamlab.keys:off', OPEN = '[role=dialog], [role=listbox], [role=menu], [data-testid=stPopoverBody]';
const apple = /Mac|iPhone|iPad/.test(navigator.platform);

const field = target => target.closest?.('input, textarea, select, [contenteditable=""], [contenteditable=true]');
const box = () => document.querySelector('textarea[data-testid="stChatInputTextArea"]');

const search = () => {
    const find = () => document.querySelector('.st-key-history-words input');
    const shown = () => find()?.checkVisibility() && find().getBoundingClientRect().left >= 0;
    if (!shown()) document.querySelector('[data-testid="stExpandSidebarButton"]')?.click();
    find()?.closest('details:not([open])')?.querySelector('summary').click();
    requestAnimationFrame(() => find()?.focus());
};

export default function({ data, parentElement }) {
    const dialog = parentElement.querySelector('dialog'), button = parentElement.querySelector('button');
    const close = dialog.querySelector('.close'), single = dialog.querySelector('input');
    parentElement.querySelector('h2').textContent = data.title;
    dialog.ariaLabel = button.ariaLabel = button.title = data.title;
    close.textContent = data.close;
    dialog.querySelector('label span').textContent = data.single;
    dialog.querySelector('dl').replaceChildren(...data.keys.flatMap(([key, what]) => {
        const term = document.createElement('dt'), meaning = document.createElement('dd');
        term.append(Object.assign(document.createElement('kbd'), {
            textContent: apple ? key.replace('Ctrl', '⌘') : key.replace(' ', ' + '),
        }));
        meaning.textContent = what;
        return [term, meaning];
    }));
    let off = false;
    try { off = localStorage.getItem(OFF) !== null; } catch { /* a browser that stores nothing */ }
    single.checked = !off;
    single.onchange = () => {
        off = !single.checked;
        try { if (off) localStorage.setItem(OFF, ''); else localStorage.removeItem(OFF); } catch { /* likewise */ }
    };
    button.onclick = () => dialog.showModal();
    close.onclick = () => dialog.close();

    let free = true;
    const before = event => { free = !dialog.open && !document.querySelector(OPEN); };
    const press = event => {
        const { key, target } = event, typing = field(event.composedPath()[0] ?? target);
        if (event.defaultPrevented || event.isComposing || event.keyCode === 229 || event.altKey || !free) return;
        const control = apple ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
        if (control && !event.shiftKey && key.toLowerCase() === 'k' && !typing?.value) search();
        else if (event.ctrlKey || event.metaKey || event.repeat) return;
        else if (key === 'Escape') return void document.querySelector('.st-key-chat-stop button')?.click();
        else if (typing || off) return;
        else if (key === '/' && box()) box().focus();
        else if (key === '?') dialog.showModal();
        else return;
        event.preventDefault();
    };
    window.addEventListener('keydown', before, true);
    window.addEventListener('keydown', press);
    return () => {
        window.removeEventListener('keydown', before, true);
        window.removeEventListener('keydown', press);
    };
}
"""
_HTML = """
<button type="button">?</button>
<dialog><h2></h2><dl></dl><label><input type="checkbox"><span></span></label><button class="close"></button></dialog>
"""
_CSS = """
* { font-family: var(--st-font); font-size: 0.9375rem; box-sizing: border-box; }
button {
    min-width: 2.25rem; padding: 0.35rem 0.6rem; border: 1px solid var(--st-border-color);
    border-radius: var(--st-base-radius, 0.5rem); background: none; color: var(--st-text-color); cursor: pointer;
}
button:hover { border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
dialog {
    width: min(26rem, calc(100vw - 2rem)); padding: 1.25rem; border: 1px solid var(--st-border-color);
    border-radius: var(--st-base-radius, 0.5rem); background: var(--st-background-color); color: var(--st-text-color);
}
h2 { margin: 0 0 0.75rem; font-size: 1.1rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0.5rem 1rem; margin: 0 0 1rem; }
dd { margin: 0; }
kbd { padding: 0.1rem 0.4rem; border: 1px solid var(--st-border-color); border-radius: 0.25rem; }
label { display: flex; gap: 0.5rem; align-items: center; margin-bottom: 1rem; }
"""

_component = st.components.v2.component("page_keys", html=_HTML, css=_CSS, js=_JS)


def draw_keys() -> None:
    """Hear the keys, and draw the button that lists them, as long as this is on the page."""
    keys = [[key, t(f"keys.{name}")] for key, name in zip(KEYS, NAMES, strict=True)]
    words = {"title": t("keys.title"), "close": t("keys.close"), "single": t("keys.single"), "keys": keys}
    _component(key="page.keys", data=words, width=44)
