"""What a browser made or opened on one page, to open again or compare with."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import streamlit as st

from components.page.address import show
from components.page.browser import browser
from components.page.days import by_day, time_text
from components.page.lab import engine
from components.page.session import session
from components.page.texts import plain, t
from components.page.widgets import button
from streamlab.browsers.items import Item, Items
from streamlab.hub import HubUnreachable
from streamlab.hub.listing import Entry

KEPT = 20  # that a session remembers
SHOWN = 50  # of those that a browser has kept
UPLOADED = "file-"  # what the id of an uploaded file begins with


class Named(Protocol):
    @property
    def name(self) -> str: ...


D = TypeVar("D")
N = TypeVar("N", bound=Named)


class Store(Protocol[D]):
    """Where the items of one kind are kept. Every method raises HubUnreachable when it does not answer."""

    async def entries(self, browser: str, words: str, limit: int) -> list[Entry]:
        """Return the browser's items that hold all the words, the newest first."""

    async def find(self, id: str) -> D | None:
        """Return the item as it stands."""

    async def delete(self, browser: str, id: str) -> D | None:
        """Delete an item that is the browser's, and return it."""

    async def restore(self, id: str, item: D) -> None:
        """Bring back what was deleted."""


@dataclass(frozen=True, slots=True)
class _Seen(Generic[D, N]):
    """An item as the store had it, and what was read of it."""

    kept: D
    read: N


@dataclass(frozen=True)
class History(Generic[D, N]):
    """The items of a page: those of the browser, and for one that keeps no cookie those that its session has seen.

    `page` is the section of its texts, `parameter` the address parameter that names what is shown. `store` returns
    where the items are kept, and `read` makes of one what the page draws.
    """

    page: str
    parameter: str
    store: Callable[[], Store[D]]
    read: Callable[[D], N]

    @property
    def items(self) -> dict[str, N]:
        """Return what this session has seen, the newest last."""
        return {id: seen.read for id, seen in self._seen.items()}

    def find(self, id: str | None) -> N | None:
        """Return the item of this id; None for no id, an unknown one, and while the store does not answer."""
        if not id:
            return None
        seen, known = self._seen, self._seen.get(id)
        try:
            kept = engine().portal.call(self.store().find, id)
        except HubUnreachable:
            return known.read if known else None
        if kept is None:
            seen.pop(id, None)
            return None
        if known is None or known.kept != kept:  # to read one takes a moment
            known = seen[id] = _Seen(kept, self.read(kept))
            while len(seen) > KEPT:
                del seen[next(iter(seen))]
        return known.read

    def draw_missing(self, id: str, whole: str | None = None) -> None:
        """Say why there is nothing of this id, which may have been a part of the `whole`."""
        lab = engine()
        try:
            away = lab.portal.call(self.store().find, id) is not None  # a moment ago it did not answer
            gone = any(lab.portal.call(lab.tombstones.has, each) for each in (id, whole) if each)
        except HubUnreachable:
            away, gone = True, False
        if away:
            st.warning(t("history.away"), icon=":material/cloud_off:")
        else:
            st.warning(t(f"{self.page}.gone" if gone else f"{self.page}.unknown"), icon=":material/link_off:")

    def entries(self, words: str = "") -> list[Entry] | None:
        """Return what is listed, the newest first; None when the store does not answer."""
        if me := browser():
            try:
                return engine().portal.call(self.store().entries, me, words, SHOWN)
            except HubUnreachable:
                return None
        return [Entry(id, item.name, 0.0) for id, item in reversed(self.items.items())]

    @property
    def own(self) -> list[N]:
        """Return what this session has seen and its browser made: not what it only looked at by an address."""
        listed = {entry.key for entry in self.entries() or []} if self._seen else set()
        return [item for id, item in self.items.items() if id in listed]

    def draw(self, current: str | None) -> None:
        """Draw the list, with a button to open each item."""
        key, me = f"{self.page}.words", browser()
        words = (st.session_state.get(key) or "").strip()
        entries = self.entries(words)
        number = "?" if entries is None else len(entries) if len(entries) < SHOWN else f"{SHOWN}+"
        with st.popover(t(f"{self.page}.kept", number=number), icon=":material/history:", key=f"{self.page}.kept"):
            if me and (entries or words):
                look: dict[str, Any] = {"type": "search", "live": True, "label_visibility": "collapsed"}
                st.text_input(t("history.search"), key=key, placeholder=t("history.search"), **look)
            if not me:
                st.caption(t("history.session_only"))
            if entries is None:
                st.caption(t("history.away"))
            elif not entries:
                st.caption(t("history.none" if words else f"{self.page}.kept_empty"))
            for day, those in by_day(entries or []) if me else [("", entries or [])]:
                st.caption(day)
                for entry in those:
                    self._draw_entry(entry, is_current=entry.key == current)
            if self._deleted:
                button("history.undo", "undo", self._undo, key=f"{self.page}.undo")

    def others(self, current: str) -> dict[str, str]:
        """Return what is listed but for the current one: its id, and a name that says when it was."""
        entries = self.entries() or []
        return {
            entry.key: f"{entry.title} · {day} {time_text(entry.at)}" if entry.at else entry.title
            for day, those in (by_day(entries) if browser() else [("", entries)])
            for entry in those
            if entry.key != current
        }

    def choose_other(self, current: str) -> N | None:
        """Draw a box to choose another item to compare with, and return it."""
        others = self.others(current)
        if not others:
            return None
        chosen = st.selectbox(
            t(f"{self.page}.compare"),
            others,
            index=None,
            format_func=others.__getitem__,
            key=f"{self.page}.compare.{current}",
            placeholder=t(f"{self.page}.compare_none"),
        )
        return self.find(chosen)

    @property
    def _seen(self) -> dict[str, _Seen[D, N]]:
        seen: dict[str, _Seen[D, N]] = st.session_state.setdefault(f"{self.page}.seen", {})
        return seen

    @property
    def _deleted(self) -> dict[str, D]:
        """Return what the session has deleted, which can be brought back for as long as it lasts."""
        deleted: dict[str, D] = st.session_state.setdefault(f"{self.page}.deleted", {})
        return deleted

    def _draw_entry(self, entry: Entry, *, is_current: bool) -> None:
        key, label = f"{self.page}.open.{entry.key}", plain(entry.title)
        with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
            opened = self.parameter, entry.key
            if entry.at:
                st.caption(time_text(entry.at), width="content")
            st.button(label, key, disabled=is_current, wrap=True, width="stretch", on_click=show, args=opened)
            if browser():
                key = f"{self.page}.delete.{entry.key}"
                button("history.delete", "delete", self._delete, entry.key, key=key, type="tertiary")

    def _delete(self, id: str) -> None:
        try:
            item = engine().portal.call(self.store().delete, browser() or "", id)
        except HubUnreachable:
            session().notice = t("history.away")
            return
        if item:
            self._deleted[id] = item
            self._seen.pop(id, None)
            if st.query_params.get(self.parameter) == id:
                show(self.parameter, None)

    def _undo(self) -> None:
        """Bring back what was deleted last."""
        id, item = self._deleted.popitem()
        try:
            engine().portal.call(self.store().restore, id, item)
        except HubUnreachable:
            self._deleted[id] = item
            session().notice = t("history.away")
        else:
            show(self.parameter, id)


def keep_file(items: Items, parameter: str, name: str, body: bytes) -> None:
    """Keep an uploaded file under an id of its own, and show it."""
    id = f"{UPLOADED}{secrets.token_urlsafe(8)}"
    try:
        engine().portal.call(items.keep, id, Item(browser() or "", name, body))
    except HubUnreachable:
        session().notice = t("history.away")
    else:
        show(parameter, id)
