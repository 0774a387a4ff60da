"""Text fields that send their text while it is typed; Streamlit sends it when the field is left, or at Ctrl+Enter.

What the server has not saved yet is kept by the browser's tab, and put back when a server knows nothing of it.
"""

from collections.abc import Mapping

import streamlit as st

from components.page.session import session

PAUSE_MS = 400  # without a key
LONGEST_MS = 1_000  # of typing without a pause
POLL_MS = 100  # while something waits to be put back
SENT = 8  # texts that were sent and may have been saved, though nothing said so

# The same Ctrl+Enter, pressed while one types. Not while a Japanese word is being composed: Enter would choose it.
#
# What is typed is stored by its place: the document and the field. With it stand the texts that the server may have
# there: the one it told of, and those it was sent since. A session that begins anew shows what is saved; where that is
# one of these texts, the typed one takes its place. Where it is any other, somebody has changed it, and it stays.
_JS = f"""
const waits = new WeakMap();  // field -> since when it has something to send, and the timer that does
const pending = new Map();    // widget's key -> the text to put back, and the one to wait for
let told = null;              // by the server, at last

const find = key => document.querySelector(
    `.st-key-${{key.replace(/[^a-zA-Z0-9_-]/g, '-')}} :is(textarea, input)`);
const place = (name, set = told.document) => `streamlab.typed:${{set}}:${{name}}`;

const recall = at => {{
    try {{ return JSON.parse(sessionStorage.getItem(at)); }} catch {{ return null; }}
}};
const store = (at, typed) => {{
    try {{ sessionStorage.setItem(at, JSON.stringify(typed)); }} catch {{ }}  // it stores nothing, or is full
}};
const forget = at => {{
    try {{ sessionStorage.removeItem(at); }} catch {{ }}
}};

const send = (field, known) => {{
    waits.delete(field);
    const at = place(known.name), typed = recall(at);
    if (typed) {{
        const [first, ...sent] = [...typed.known, field.value];
        store(at, {{ ...typed, known: [first, ...sent.slice(-{SENT})] }});
    }}
    const commit = {{ key: 'Enter', code: 'Enter', keyCode: 13, ctrlKey: true, bubbles: true }};
    field.dispatchEvent(new KeyboardEvent('keydown', commit));
}};

const typing = event => {{
    const field = event.target, known = told.fields.find(({{ key }}) => find(key) === field);
    if (!known) return;
    pending.delete(known.key);
    const at = place(known.name), typed = recall(at), {{ session, opened }} = told;
    const texts = typed?.opened === opened ? typed.known : [known.text];
    store(at, {{ session, opened, text: field.value, known: texts }});
    const wait = waits.get(field) ?? {{ since: Date.now() }};
    waits.set(field, wait);
    clearTimeout(wait.timer);
    if (event.isComposing || event.type === 'compositionstart') return;
    const rest = Math.min({PAUSE_MS}, wait.since + {LONGEST_MS} - Date.now());
    wait.timer = setTimeout(send, Math.max(0, rest), field, known);
}};

// A set that was new has a name of its own once it is saved, of which the tab may not have been told.
const take_new = known => {{
    const at = place(known.name, ''), typed = recall(at);
    if (!typed) return;
    const sent = typed.session !== told.session && known.text && typed.known.slice(1).includes(known.text);
    if (typed.opened === told.opened || sent) store(place(known.name), typed);
    forget(at);
}};

const compare = known => {{
    if (told.document) take_new(known);
    const at = place(known.name), typed = recall(at);
    if (!typed) return;
    const {{ text, known: texts }} = typed, last = texts.lastIndexOf(known.text);
    if (typed.opened === told.opened) {{
        if (!told.saved) return;
        const shown = find(known.key)?.value === text;
        if (text === known.text || (last < 0 && !shown)) forget(at);
        else store(at, {{ ...typed, known: last < 0 ? [known.text] : texts.slice(last) }});
    }} else if (typed.session === told.session || text === known.text) forget(at);  // opened by hand
    else if (last >= 0) pending.set(known.key, {{ text, over: known.text }});
    else if (!told.document) forget(at);
}};

// Streamlit draws the fields when it comes to it, and enables them later.
const put_back = () => pending.forEach(({{ text, over }}, key) => {{
    const field = find(key);
    if (!field || field.disabled || field.value !== over) return;
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value').set.call(field, text);
    field.dispatchEvent(new Event('input', {{ bubbles: true }}));
}});

export default function({{ data }}) {{
    told = data;
    pending.clear();
    told.fields.forEach(compare);
    const kinds = ['input', 'compositionstart', 'compositionend'];
    kinds.forEach(kind => document.addEventListener(kind, typing));
    const timer = setInterval(put_back, {POLL_MS});
    return () => {{
        clearInterval(timer);
        kinds.forEach(kind => document.removeEventListener(kind, typing));
    }};
}}
"""

_component = st.components.v2.component("read_while_typing", js=_JS)


def read_while_typing(fields: Mapping[str, str], document: str, opened: str, *, saved: bool) -> None:
    """Send the text of these fields while it is typed, as long as this is on the page, and lose none of it.

    - `fields`: the widgets' keys, and where in the document the text of each belongs
    - `document`: its id, "" for one that has not been saved yet
    - `opened`: an id of its own each time that a document is opened
    - `saved`: the fields' texts are what is saved
    """
    told = [
        {"key": key, "name": name, "text": st.session_state[key]}
        for key, name in fields.items()
        if isinstance(st.session_state.get(key), str)
    ]
    data = {"session": session().id, "document": document, "opened": opened, "saved": saved, "fields": told}
    _component(key="read_while_typing", data=data, height=0)
