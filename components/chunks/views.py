"""Chunk views as a row of buttons that can be chosen, by mouse or keyboard."""

from collections.abc import Callable, Sequence
from unicodedata import east_asian_width

import streamlit as st

from components.page.texts import t
from streamlab.chunks.views import ChunkView

SHOWN = 60  # characters of a chunk on its button
END = 20  # and of an object, as wide as so many Latin ones

_HTML = """
<div class="tiles" role="group"></div>
"""

_CSS = """
.tiles {
    display: flex; flex-wrap: wrap; align-content: flex-start; gap: 0.25rem;
    max-height: 20rem; overflow-y: auto; padding: 3px; box-sizing: border-box;
    font-family: var(--st-font); color: var(--st-text-color);
}
button {
    display: flex; align-items: baseline; gap: 0.4rem; max-width: 100%; min-height: 1.75rem; padding: 0.1rem 0.4rem;
    border: 1px solid var(--st-border-color); border-radius: 0.35rem; cursor: pointer;
    background: var(--st-secondary-background-color); color: inherit; font: inherit; text-align: start;
}
button:hover { border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
button[aria-pressed=true] {
    background: var(--st-background-color); border-color: var(--st-primary-color);
    box-shadow: inset 0 0 0 1px var(--st-primary-color);
}
.small { font-size: 0.7rem; font-variant-numeric: tabular-nums; color: var(--quiet); white-space: nowrap; }
.text {
    font-family: var(--st-code-font); font-size: 0.8125rem; line-height: 1.5;
    white-space: pre; overflow: hidden; text-overflow: ellipsis;
}
.mark { color: var(--quiet); }
.mark.word { font-size: 0.65rem; border: 1px solid var(--st-border-color); border-radius: 3px; padding: 0 2px; }
.tiles { --quiet: color-mix(in srgb, var(--st-text-color) 72%, var(--st-background-color)); }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
"""

# Run again whenever the data change: what stands there stays, so that neither focus nor scrolling is lost.
_JS = """
const MARKS = {' ': '␣', '\\n': '⏎', '\\t': '⇥', '\\u00a0': '⍽', '\\u200d': 'ZWJ', '\\ufe0f': 'VS16'};
const MARKED = new RegExp(`([${Object.keys(MARKS).join('')}])`);
const lists = new WeakMap();

function part(kind, text, hidden) {
    const span = document.createElement('span');
    span.className = kind;
    span.textContent = text;
    if (hidden) span.setAttribute('aria-hidden', 'true');
    return span;
}

function written(text, none) {
    const whole = part('text', '');
    if (!text) whole.append(part('mark', '∅', true), part('spoken', none));
    for (const piece of text.split(MARKED)) {
        const mark = MARKS[piece];
        whole.append(mark ? part(mark.length > 1 ? 'mark word' : 'mark', mark, mark.length === 1) : piece);
    }
    return whole;
}

function made([number, at, text], none) {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.number = number;
    button.append(part('small', `${number}`), ' ', written(text, none), ' ', part('small', at));
    return button;
}

function beside(list, button, key) {
    const buttons = [...list.children], place = buttons.indexOf(button), row = button.offsetTop;
    const far = other => Math.abs(other.offsetLeft - button.offsetLeft);
    const nearestBeside = found => buttons.filter(other => other.offsetTop === found?.offsetTop)
        .sort((one, other) => far(one) - far(other))[0];
    switch (key) {
        case 'ArrowRight': return buttons[place + 1];
        case 'ArrowLeft': return buttons[place - 1];
        case 'Home': return buttons[0];
        case 'End': return buttons[buttons.length - 1];
        case 'ArrowDown': return nearestBeside(buttons.find(other => other.offsetTop > row));
        case 'ArrowUp': return nearestBeside(buttons.findLast(other => other.offsetTop < row));
    }
}

function stop(list, target) {
    for (const button of list.querySelectorAll('button[tabindex="0"]')) button.tabIndex = -1;
    if (target) target.tabIndex = 0;
}

export default function({ data, parentElement, setTriggerValue }) {
    const list = parentElement.querySelector('.tiles');
    if (lists.get(list) !== data.id) list.replaceChildren();
    lists.set(list, data.id);
    list.setAttribute('aria-label', data.label);
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const added = data.tiles.slice(list.childElementCount).map(tile => made(tile, data.none));
    for (const button of added) button.tabIndex = -1;
    list.append(...added);
    const buttons = [...list.children];
    const chosen = buttons[data.chosen - 1];
    for (const button of buttons) {
        const pressed = String(button === chosen);
        if (button.getAttribute('aria-pressed') !== pressed) button.setAttribute('aria-pressed', pressed);
    }
    if (!list.contains(parentElement.activeElement)) stop(list, chosen ?? buttons[0]);
    if (added.length && atEnd && data.follow) list.scrollTop = list.scrollHeight;
    list.onclick = event => {
        const button = event.target.closest('button');
        if (button) setTriggerValue('chosen', Number(button.dataset.number));
    };
    list.onkeydown = event => {
        const button = event.target.closest('button');
        const target = button && beside(list, button, event.key);
        if (!target) return;
        event.preventDefault();
        stop(list, target);
        target.focus();
    };
}
"""

_component = st.components.v2.component("chunk_tiles", html=_HTML, css=_CSS, js=_JS)


def draw_views(
    key: str, label: str, views: Sequence[ChunkView], chosen: int, choose: Callable[[int], None], *, follow: bool
) -> None:
    """Draw the views, number `chosen` pressed; `choose` is told of another one. `follow`: the newest is seen."""

    def told() -> None:
        if number := st.session_state[key].chosen:
            choose(int(number))

    _component(
        key=key,
        data={
            "id": key,
            "label": label,
            "none": t("chunks.no_text"),
            "tiles": [(view.number, f"{view.at:.2f} s", _short(view)) for view in views],
            "chosen": chosen,
            "follow": follow,
        },
        on_chosen_change=told,
    )


def _short(view: ChunkView) -> str:
    """Cut the text to its beginning; of an object keep the end, which is what is new in it."""
    if view.kind == "object":
        shown = _last(view.text)
        return shown if shown == view.text else f"…{shown}"
    return view.text if len(view.text) <= SHOWN else f"{view.text[: SHOWN - 1]}…"


def _last(text: str) -> str:
    """Keep as much of its end as fits; Japanese characters are twice as wide."""
    start, left = len(text), END
    while start and (left := left - (2 if east_asian_width(text[start - 1]) in "WF" else 1)) >= 0:
        start -= 1
    return text[start:]
