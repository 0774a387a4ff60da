"""What every page says when its server is away, in its own words and language, and that it goes on."""

import streamlit as st

from components.page.texts import t

WORDS = ("away", "gone", "failed")

# Streamlit tells the window whenever its connection is lost or back, and of an error that it would have shown in a
# dialog (see components/middleware/host_config.py). A popover is above everything and needs no place on the page.
_JS = """
const PATIENCE = 400;  // milliseconds: a connection that is back before that was not missed
const notes = new WeakMap();

class Note {
    constructor(place) {
        this.place = place;
        place.onclick = () => this.hide();
        this.hear = event => { if (event.source === window && event.data?.stCommVersion === 1) this.told(event.data); };
        window.addEventListener('message', this.hear);
    }

    told({ type, error, attemptingToReconnect }) {
        if (type === 'WEBSOCKET_CONNECTED') this.back();
        if (type === 'WEBSOCKET_DISCONNECTED') this.show(attemptingToReconnect ? 'away' : 'gone', PATIENCE);
        if (type === 'CLIENT_ERROR_DIALOG') {
            if (error === 'Connection error') this.show('away', 0);
            else if (error !== 'Page not found') this.show('failed', 0);  // the script tells of that one
        }
    }

    show(word, wait) {
        clearTimeout(this.due);
        this.due = setTimeout(() => {
            this.place.dataset.word = word;
            this.place.textContent = this.words[word];
            this.place.showPopover();
        }, wait);
    }

    // A server that was started anew knows nothing of what the page shows, nor what its buttons do.
    back() {
        this.hide();
        this.trigger('back', true);
    }

    hide() {
        clearTimeout(this.due);
        this.place.hidePopover();
    }

    end() {
        clearTimeout(this.due);
        window.removeEventListener('message', this.hear);
    }
}

export default function({ data, parentElement, setTriggerValue }) {
    const place = parentElement.querySelector('div[popover]');
    const note = notes.get(place) ?? new Note(place);
    notes.set(place, note);
    Object.assign(note, { words: data, trigger: setTriggerValue });
    return () => { if (!place.isConnected) note.end(); };  // called too when a newer run overtakes this
}
"""
_HTML = '<div popover="manual" role="alert"></div>'
_CSS = """
div[popover] {
    visibility: visible; position: fixed; inset: 0.75rem 0 auto; margin-inline: auto; width: fit-content;
    max-width: min(36rem, calc(100vw - 2rem)); padding: 0.6rem 1rem; box-sizing: border-box;
    border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius, 0.5rem);
    background: var(--st-secondary-background-color); color: var(--st-text-color);
    font-family: var(--st-font); font-size: 0.9375rem; box-shadow: 0 4px 16px rgb(0 0 0 / 0.2);
}
"""

_component = st.components.v2.component("connection", html=_HTML, css=_CSS, js=_JS)


def tell_of_connection() -> None:
    """Say that the server is away as long as it is, and what else Streamlit would say in a dialog."""
    words = {word: t(f"connection.{word}") for word in WORDS}
    _component(key="connection", data=words, height=0, on_back_change=lambda: None)
