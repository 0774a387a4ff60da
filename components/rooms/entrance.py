"""How participants come in: the code, its QR code, and the address as they reach it."""

import socket
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import streamlit as st

from components.page.link import LOOPBACK, draw_qr
from components.page.texts import LANGUAGE_KEY, LANGUAGES, t
from streamlab.rooms.code import spaced
from streamlab.rooms.room import Room

EVERYWHERE = ("", "0.0.0.0", "::")
MEND = "streamlit run app.py --server.address 0.0.0.0"

_JS = """
export default function({ data, parentElement }) {
    const [code, address] = parentElement.querySelectorAll('p');
    code.textContent = data.code;
    code.ariaLabel = `${data.label} ${[...data.code].join(' ')}`;
    address.textContent = data.address;
    parentElement.querySelector('div').dataset.large = data.large;
}
"""
_CSS = """
p { margin: 0; color: var(--st-text-color); overflow-wrap: anywhere; }
[role=img] { font: 700 3rem/1.2 var(--st-code-font, monospace); letter-spacing: 0.06em; white-space: nowrap; }
[data-large=true] [role=img] { font-size: clamp(2.5rem, 7vw, 8rem); }
[data-large=true] p + p { font: 400 clamp(1rem, 1.8vw, 1.8rem)/1.3 var(--st-code-font, monospace); }
"""
_component = st.components.v2.component("room_code", html='<div><p role="img"></p><p></p></div>', css=_CSS, js=_JS)


@dataclass(frozen=True)
class Entrance:
    """The address for participants; `alone` says that only this machine can reach it."""

    link: str
    alone: bool


def entrance_of(room: Room) -> Entrance:
    """Find the address by which the class reaches this server: the teacher's own, if that is good for all."""
    url = urlsplit(st.context.url or "http://localhost:8501/room")
    host, alone = url.hostname or "localhost", False
    if host in LOOPBACK:
        listening = (st.get_option("server.address") or "").lower()
        alone = listening in LOOPBACK
        host = host if alone else network_address() if listening in EVERYWHERE else listening
    netloc = f"[{host}]" if ":" in host else host
    port = f":{url.port}" if url.port else ""
    query = {"code": room.code} | ({LANGUAGE_KEY: room.language} if room.language in LANGUAGES else {})
    return Entrance(f"{url.scheme}://{netloc}{port}{url.path}?{urlencode(query)}", alone)


def network_address() -> str:
    """Return this machine's address in its network, else its name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: the system only chooses the way
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def draw_entrance(room: Room) -> None:
    """Draw code, address and QR code for the teacher."""
    link = entrance_of(room).link
    _draw_code(room)
    st.code(link, language=None, wrap_lines=True)
    draw_qr(link)


def draw_warning(room: Room) -> None:
    """Say where nobody else can come in, and what to do about it."""
    if entrance_of(room).alone:
        with st.container(border=True, gap="xsmall"):
            st.markdown(f":material/wifi_off: {t('room.alone')}")
            st.code(MEND, language=None, wrap_lines=True)


def draw_large_entrance(room: Room) -> None:
    """Draw the same to be read from afar."""
    link = entrance_of(room).link
    _draw_code(room, link, large=True)
    draw_qr(link, scale=9)


def _draw_code(room: Room, address: str = "", *, large: bool = False) -> None:
    shown = {"code": spaced(room.code), "label": t("room.code"), "address": address, "large": large}
    _component(key="room.code_shown", data=shown)
