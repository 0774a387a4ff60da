"""The set that is being edited, as it is saved while it is typed; new ones, named ones, and those to come back to."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page.browser import browser
from components.page.lab import engine
from components.page.session import session
from components.page.text_area import read_while_typing
from components.page.texts import plain, t, together
from components.page.widgets import button
from components.prompts.draft import draft, example_set, load
from streamlab.hub import HubUnreachable
from streamlab.prompts.comparison import Comparison
from streamlab.prompts.left_out import LeftOut
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.sets import Known, Latest, SavedSet

NAME = "prompts.saved_name"
_SHOWN = 50  # sets that are listed

T = TypeVar("T")
Origin = Literal["example", "comparison", "shared", "file", "saved"]


@dataclass
class _Current:
    """The set that is being edited. `kept` is what is saved, or else what it was when it came; None before it is drawn.

    A set that came from elsewhere and stands nowhere else is saved at once, the others when they are changed.
    """

    origin: Origin
    name: str = ""
    known: Known | None = None
    kept: PromptSet | None = None
    latest: Latest | None = None  # as it was noted
    failed: bool = False
    opened: str = field(default_factory=lambda: secrets.token_urlsafe(8))


def open_first(found: Comparison | None) -> None:
    """Begin a session with the set that this browser wrote at last, or with that of the comparison in the address."""
    if "prompts.current" in st.session_state:  # what is set last, for a script may be interrupted anywhere
        return
    sets, me = engine().sets, browser()
    latest = (_asked(sets.latest, me) if me else None) or Latest(None)
    known = _asked(sets.find, latest.set_id) if latest.set_id else None
    if known and (not found or latest.comparison_id == found.id):
        _open(known)
    elif found:
        take(found.prompts, "comparison")
    else:
        take(example_set(), "example")


def take(prompts: PromptSet, origin: Origin, left_out: tuple[LeftOut, ...] = ()) -> None:
    """Edit another set from now on; the one before is saved, as far as it was typed."""
    load(prompts, left_out)
    st.session_state["prompts.current"] = _Current(origin)


def take_shared(set_id: str) -> None:
    """Edit a copy of a set that is saved, of whomever it is."""
    if known := _asked(engine().sets.find, set_id):
        take(known.document.prompts, "shared")
    else:
        session().notice = t("prompts.saved_gone")


def saved_id() -> str | None:
    """Return the id under which the set is saved as it stands, if it is."""
    current = _current()
    return current.known.document.id if current.known and not current.failed else None


def keep(comparison_id: str | None) -> None:
    """Save the set if it has changed, also while it is typed, and note for the next session that it is this one."""
    current, prompts = _current(), draft().read()
    if prompts is not None:
        _keep(current, prompts, comparison_id)
    document = current.known.document.id if current.known else ""
    saved = prompts is not None and prompts == current.kept and not current.failed
    read_while_typing(draft().text_fields(), document, current.opened, saved=saved)


def _keep(current: _Current, prompts: PromptSet, comparison_id: str | None) -> None:
    me = browser()
    if current.kept is None and current.origin in ("example", "comparison", "saved"):
        current.kept = prompts
    if prompts != current.kept or current.failed:
        current.origin = "saved"
        if me:
            _save(me, prompts)
    if me and current.origin != "comparison":
        latest = Latest(current.known.document.id if current.known else None, comparison_id)
        if latest != current.latest:
            _asked(engine().sets.note_latest, me, latest)
            current.latest = latest


def draw(place: DeltaGenerator) -> None:
    """Draw the button for a new set and the list, and say what the set is that is being edited."""
    current, me = _current(), browser()
    button("prompts.new", "add", take, example_set(), "example", place=place)
    if me:
        entries = _asked(engine().sets.entries, me, _SHOWN) or []
        st.session_state[NAME] = current.name
        with place.popover(t("prompts.sets", number=len(entries)), icon=":material/folder_open:"):
            st.text_input(t("prompts.saved_name"), key=NAME, max_chars=60, on_change=_rename)
            if not entries:
                st.caption(t("prompts.sets_empty"))
            for entry in entries:
                with st.container(horizontal=True, vertical_alignment="center"):
                    is_open = current.known is not None and current.known.document.id == entry.key
                    look: dict[str, Any] = {"wrap": True, "disabled": is_open, "width": "stretch"}
                    key = f"prompts.set.{entry.key}"
                    st.button(plain(entry.title), key, on_click=_open_listed, args=(entry.key,), **look)
                    key = f"prompts.remove_set.{entry.key}"
                    button("prompts.remove_set", "delete", _remove, entry.key, key=key, type="tertiary")
            if st.session_state.get("prompts.removed"):
                button("prompts.undo", "undo", _undo)


def describe() -> str:
    """Say what the set is that is being edited, and whether it is saved."""
    current = _current()
    if current.failed:
        return t("prompts.saved_not")
    if current.known:
        return t("prompts.saved_as", name=plain(current.known.document.title))
    if current.origin == "example" or current.origin == "comparison":
        told = t(f"prompts.origin_{current.origin}")
        return together(told, t("prompts.saved_soon")) if browser() else told
    return t("prompts.saved_nowhere")


def _save(me: str, prompts: PromptSet) -> None:
    current = _current()
    known = _asked(engine().sets.save, me, current.known, prompts, current.name)
    current.failed = known is None
    if known:
        current.known, current.kept = known, prompts


def _rename() -> None:
    current, me = _current(), browser()
    current.name = st.session_state[NAME].strip()
    if me and (prompts := draft().read()):
        current.origin = "saved"
        _save(me, prompts)


def _open(known: Known) -> None:
    load(known.document.prompts)
    st.session_state["prompts.current"] = _Current("saved", known.document.name, known)


def _open_listed(set_id: str) -> None:
    if known := _asked(engine().sets.find, set_id):
        _open(known)
    else:
        session().notice = t("prompts.saved_gone")


def _remove(set_id: str) -> None:
    """Delete a set, which can be brought back for as long as the session lasts."""
    current, known = _current(), _asked(engine().sets.find, set_id)
    if not known:
        return
    _asked(engine().sets.remove, known.document)
    st.session_state["prompts.removed"] = known.document
    if current.known and current.known.document.id == set_id:
        take(example_set(), "example")


def _undo() -> None:
    removed: SavedSet = st.session_state.pop("prompts.removed")
    if known := _asked(engine().sets.save, removed.browser, None, removed.prompts, removed.name):
        _open(known)


def _current() -> _Current:
    current: _Current = st.session_state["prompts.current"]
    return current


def _asked(ask: Callable[..., Awaitable[T]], *values: object) -> T | None:
    """Ask the store; None when it does not answer."""
    try:
        return engine().portal.call(ask, *values)
    except HubUnreachable:
        return None
