"""A question half written: the browser keeps it, for Streamlit tells nothing of the box before it is sent."""

import streamlit as st

POLL_MS = 250

# One for each page and conversation, among what the browser stores for this site; nothing of it is sent anywhere.
# Looked at by time rather than by event: Streamlit empties the box, and refills it with a question that was refused,
# without one. A new box gets what was kept. One that goes on from one conversation to another takes its text along.
_JS = f"""
export default function() {{
    const name = () => {{
        const chat = new URLSearchParams(location.search).get('chat');
        return `streamlab.unsent:${{location.pathname}}${{chat ? `?chat=${{chat}}` : ''}}`;
    }};
    const write = (box, text) => {{
        Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(box, text);
        box.dispatchEvent(new Event('input', {{ bubbles: true }}));
    }};
    let known = null, path = null, place = null, text = null;
    const look = () => {{
        const box = document.querySelector('textarea[data-testid="stChatInputTextArea"]');
        if (!box || (box === known && path !== location.pathname)) return;  // the former page's, on its way out
        try {{
            if (place !== name() && box === known) localStorage.removeItem(place);
            if ((box !== known || place !== name()) && !box.value) {{
                const kept = localStorage.getItem(name());
                if (kept) write(box, kept);
            }}
            if (box !== known || place !== name() || box.value !== text) {{
                if (box.value) localStorage.setItem(name(), box.value);
                else localStorage.removeItem(name());
            }}
        }} catch {{ return; }}  // a browser that stores nothing
        [known, path, place, text] = [box, location.pathname, name(), box.value];
    }};
    const timer = setInterval(look, {POLL_MS});
    window.addEventListener('pagehide', look);
    document.addEventListener('input', look);
    look();
    return () => {{
        clearInterval(timer);
        window.removeEventListener('pagehide', look);
        document.removeEventListener('input', look);
    }};
}}
"""

_component = st.components.v2.component("keep_unsent", js=_JS)


def keep_unsent() -> None:
    """Keep what stands in the question box of the page, and put it back, as long as this is on the page."""
    _component(height=0)
