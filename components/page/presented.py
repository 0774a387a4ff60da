"""A page that is presented to a class: its address, which has all that it shows, and what one may do there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from components.page import desk, seat
from components.page.address import CHAT, COMPARISON, MEASUREMENT, RACE, READING, RUN, SECOND, TRIAL
from components.page.folder import folder
from components.page.lab import engine
from components.page.pages import HOME, PAGES
from components.page.session import session
from components.page.texts import LANGUAGE_KEY
from streamlab.chats.chat import UnknownChat
from streamlab.rooms.board import Board

# What of an address is state. Nothing else of the teacher's is sent: it may have the secret of a room.
STATE = {
    HOME: (RACE,),
    "chat": (CHAT,),
    "timeline": (RUN, SECOND),
    "latency": (MEASUREMENT,),
    "prompts": (COMPARISON,),
    "chunks": (READING,),
    "faults": (TRIAL,),
    "relay": (RUN,),
    "about": (),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A page with its state."""

    page: str
    state: Mapping[str, str] = field(default_factory=dict)

    @property
    def written(self) -> str:
        """Return it as a room keeps it."""
        return f"{self.page}?{urlencode(self.state)}" if self.state else self.page

    @property
    def link(self) -> str:
        """Return the address for this browser, in the language that was chosen in it."""
        language = {LANGUAGE_KEY: st.session_state[LANGUAGE_KEY]} if session().language_chosen else {}
        path = f"{folder()}/{'' if self.page == HOME else self.page}"
        return f"{path}?{urlencode(dict(self.state) | language)}"


def shown_at(page: str, parameters: Mapping[str, str]) -> Shown:
    """Return what the teacher shows; of a conversation that is one to read, in which nobody else asks or stops."""
    state = {name: parameters[name] for name in STATE[page] if parameters.get(name)}
    if page == "chat" and state:
        lab = engine()
        try:
            state = {CHAT: lab.portal.call(lab.readers.share, lab.portal.call(lab.readers.chat_id, state[CHAT]))}
        except UnknownChat:
            state = {}
    return Shown(page, state)


def read(written: str) -> Shown | None:
    """Return what a room has as presented; None for nothing, or nothing that this version knows."""
    page, _, query = written.partition("?")
    if page not in STATE or page not in PAGES:
        return None
    return Shown(page, {name: value for name, value in parse_qsl(query) if name in STATE[page]})


def shown_now(board: Board) -> Shown | None:
    """Return what the teacher shows, if this version knows it."""
    return read(board.presented.address) if board.presented else None


def is_guest(page: str) -> bool:
    """Tell whether what the address names on this page is what a participant's teacher has presented."""
    place, here = seat.find(), {*st.query_params.to_dict().values()}
    shown = filter(None, map(read, place.board.shown)) if place else ()
    return any(each.page == page and here & {*each.state.values()} for each in shown)


def may_stop(id: str) -> bool:
    """Tell whether this browser may stop what has this id: a participant may not, once the teacher has presented it."""
    place = seat.find()
    if place is None or ((teacher := desk.find()) and teacher.room.code == place.room.code):
        return True
    shown = filter(None, map(read, place.board.shown))
    return not any(id in each.state.values() for each in shown)
