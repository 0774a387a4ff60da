"""The state of one browser session, besides its widgets."""

import secrets
from dataclasses import dataclass, field
from typing import Literal

import streamlit as st

from streamlab.attachments.files import File
from streamlab.hub.hub import Notice
from streamlab.rooms.room import Seat

CodeRefusal = Literal["empty", "wrong", "too_many"]


@dataclass
class Session:
    """Holds what several parts of the page share; what one page alone keeps is in its `History`."""

    id: str = field(default_factory=lambda: secrets.token_urlsafe(8))
    notice: str | None = None  # a sentence to show once, at the next drawing
    shown: dict[str, str] = field(default_factory=dict)  # parameter -> the id to come back to from another page
    language_chosen: bool = False  # by the address or in the sidebar; then the address keeps it
    came_back: bool = False  # the session began at a conversation whose answer was live
    tried: set[str] = field(default_factory=set)  # pages whose task has been done
    admitted: bool = False  # the access code was given, here or before in the same browser
    ticket: str | None = None  # for the browser to keep, if it was given here
    refusal: CodeRefusal | None = None  # why the last code that was entered did not open anything
    browser: str | None = None  # its id, once it is known
    submitted: bool = False  # the question box has given its question to its callback
    found: str | None = None  # a question that no callback heard of
    attached: tuple[File, ...] = ()  # what is to go with the next question
    read_notice: Notice | None = None  # what was said of the store, and put away
    seat: Seat | None = None  # the place that this browser has in a room
    seat_sought: bool = False  # it is known whether it had one before
    moved: tuple[str, float] = ("", 0.0)  # what its room was told last of where it is, and when
    reported: set[str] = field(default_factory=set)  # pages of which its room knows that the task has been done
    desk: str | None = None  # the token of the room that this browser teaches
    desk_sought: bool = False  # it is known whether there is one
    led: str | None = None  # what was presented last, if this session has heard of it
    before: tuple[str, dict[str, str]] | None = None  # the page that this session was led away from, and its address
    led_from: str | None = None  # an address that is no page's
    restored: bool = False  # the sidebar was set to the options of the conversation that the address names


def session() -> Session:
    """Return this browser session's state."""
    state: Session = st.session_state.setdefault("session", Session())
    return state
