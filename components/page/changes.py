"""Two pages at one conversation, or comparison, are one: what one of them does to it, the other one shows at once."""

import streamlit as st

from components.page.folder import folder
from streamlab.gateway.entrance import CHANGES

# A page that is idle has no script running. So it waits for word of a change itself, over a WebSocket: a browser opens
# six connections to one server, but not counting these. The page that made the change, or that followed the answer to
# its end, shows it by itself a moment later, which is given it before the script is run for the change. Word of it may
# be dropped on its way to the script, as when that is just ending: it is sent again while the page shows no change.
# A click on another page goes first, and so does the way back: until the server has begun with that page Streamlit asks
# for the one that still stands there, so that word of a change would undo it.
_JS = """
const MOMENT = 100, PATIENCE = 1500, BACK = 1000, LEAVING = 3000;  // milliseconds
const TIMES = 3;
const watches = new WeakMap();

let left = null;
const leave = () => { left = { at: Date.now(), from: location.href }; };
const isLeaving = () => left && left.from === location.href && Date.now() - left.at < LEAVING;
window.addEventListener('popstate', leave);
document.addEventListener('click', event => {
    const link = event.target.closest?.('a[href]');
    if (link?.origin === location.origin && link.href !== location.href && !event.ctrlKey && !event.metaKey) leave();
}, true);

class Watch {
    update(shown, trigger) {
        Object.assign(this, { shown, trigger });
        if (this.id !== shown.id) this.open(shown.id);
    }

    open(id) {
        this.close();
        this.id = id;
        const address = new URL(this.shown.path, location);
        address.protocol = address.protocol.replace('http', 'ws');
        address.searchParams.set(this.shown.parameter, id);
        const socket = this.socket = new WebSocket(address);
        socket.onmessage = ({ data }) => this.heard(data);
        socket.onclose = () => { if (this.socket === socket) this.due = setTimeout(() => this.open(id), BACK); };
    }

    heard(version) {
        clearTimeout(this.due);
        const look = (times) => {
            if (!times || this.shown.versions.includes(version)) return;
            if (isLeaving()) this.due = setTimeout(look, MOMENT, times);
            else {
                this.trigger('changed', true);
                this.due = setTimeout(look, PATIENCE, times - 1);
            }
        };
        this.due = setTimeout(look, MOMENT, TIMES);
    }

    close() {
        clearTimeout(this.due);
        const socket = this.socket;
        this.socket = this.id = null;
        socket?.close();
    }
}

export default function({ data, parentElement, setTriggerValue }) {
    const root = parentElement.querySelector('span');
    const watch = watches.get(root) ?? new Watch();
    watches.set(root, watch);
    watch.update(data, setTriggerValue);
    return () => { if (!root.isConnected) watch.close(); };  // called too when a newer run overtakes this
}
"""

_component = st.components.v2.component("changes", html="<span></span>", js=_JS)


def draw_changes(parameter: str, id: str, *versions: str) -> None:
    """Have the script run again when what the address names is no more in a version that it draws; "" is for none."""
    data = {"parameter": parameter, "id": id, "versions": versions, "path": folder() + CHANGES}
    with st.sidebar:  # at its end, where what is not seen leaves no space
        _component(key=f"{parameter}.changes", data=data, height=0, on_changed_change=lambda: None)
