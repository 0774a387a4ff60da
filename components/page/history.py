"""The items of one page to open again or compare with: a session's, and with them what its browser has kept."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import streamlit as st

from components.page.address import show
from components.page.browser import browser
from components.page.days import by_day
from components.page.lab import engine
from components.page.session import session
from components.page.texts import plain, t
from components.page.widgets import button
from streamlab.browsers.items import Item
from streamlab.hub import HubUnreachable
from streamlab.hub.listing import Entry

KEPT = 20  # in a session
SHOWN = 50  # of those that a browser has kept


class Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class Codec(Generic[N]):
    """How the items of a kind are kept: `read` makes one of its name and its file."""

    kind: str
    write: Callable[[N], bytes]
    read: Callable[[str, bytes], N]


@dataclass(frozen=True)
class History(Generic[N]):
    """Keeps the newest `KEPT` items of each session by id, and with a `codec` those of its browser for longer.

    `page` is the section of its texts, `parameter` the address parameter that names what is shown.
    """

    page: str
    parameter: str
    codec: Codec[N] | None = None

    @property
    def items(self) -> dict[str, N]:
        """Return this session's items, the newest last."""
        items: dict[str, N] = st.session_state.setdefault(f"{self.page}.history", {})
        return items

    def keep(self, id: str, item: N) -> None:
        """Add or replace an item; drop the session's oldest when there are too many."""
        items, me = self.items, browser()
        if self.codec and me and item != items.get(id) and id not in self._deleted:
            self._asked("keep", id, Item(me, item.name, self.codec.write(item)))
        items[id] = item
        while len(items) > KEPT:
            del items[next(iter(items))]

    def add(self, item: N) -> None:
        """Keep an uploaded item under an id of its own, and show it."""
        id = f"file-{secrets.token_urlsafe(8)}"
        self.keep(id, item)
        show(self.parameter, id)

    def find(self, id: str | None) -> N | None:
        """Return the item of this id, None for no id and an unknown one."""
        item = self.items.get(id or "")
        if item is None and id and self.codec and id not in self._deleted and (kept := self._asked("find", id)):
            item = self.items[id] = self.codec.read(kept.name, kept.body)
        return item

    def draw(self, current: str | None) -> None:
        """Draw the list, with a button to open each item."""
        words = st.session_state.get(f"{self.page}.words") or ""
        entries = self._entries(words)
        number = t(f"{self.page}.kept", number=len(entries) if len(entries) < SHOWN else f"{SHOWN}+")
        with st.popover(number, icon=":material/history:", key=f"{self.page}.kept"):
            if self._is_kept and (entries or words):
                key = f"{self.page}.words"
                look: dict[str, Any] = {"type": "search", "live": True, "label_visibility": "collapsed"}
                st.text_input(t("history.search"), key=key, placeholder=t("history.search"), **look)
            if not entries:
                st.caption(t("history.none" if words else f"{self.page}.kept_empty"))
            for day, those in by_day(entries) if self._is_kept else [("", entries)]:
                st.caption(day)
                for entry in those:
                    self._draw_entry(entry, is_current=entry.key == current)
            if self._deleted:
                button("history.undo", "undo", self._undo, key=f"{self.page}.undo")

    def choose_other(self, current: str) -> N | None:
        """Draw a box to choose another item to compare with, and return it."""
        others = {entry.key: entry.title for entry in self._entries() if entry.key != current}
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
    def _is_kept(self) -> bool:
        """Tell whether the items are kept for the browser, and not in the session alone."""
        return self.codec is not None and browser() is not None

    @property
    def _deleted(self) -> dict[str, Item]:
        """Return what the session has deleted, which can be brought back for as long as it lasts."""
        deleted: dict[str, Item] = st.session_state.setdefault(f"{self.page}.deleted", {})
        return deleted

    def _entries(self, words: str = "") -> list[Entry]:
        if self._is_kept:
            return self._asked("entries", browser(), words, SHOWN) or []
        return [Entry(id, item.name, 0.0) for id, item in reversed(self.items.items())]

    def _draw_entry(self, entry: Entry, *, is_current: bool) -> None:
        key, label = f"{self.page}.open.{entry.key}", plain(entry.title)
        with st.container(horizontal=True, vertical_alignment="center"):
            opened = self.parameter, entry.key
            st.button(label, key, disabled=is_current, wrap=True, width="stretch", on_click=show, args=opened)
            if self._is_kept:
                key = f"{self.page}.delete.{entry.key}"
                button("history.delete", "delete", self._delete, entry.key, key=key, type="tertiary")

    def _delete(self, id: str) -> None:
        if item := self._asked("delete", browser(), id):
            self._deleted[id] = item
            self.items.pop(id, None)
            if st.query_params.get(self.parameter) == id:
                show(self.parameter, None)

    def _undo(self) -> None:
        """Bring back what was deleted last."""
        id, item = self._deleted.popitem()
        self._asked("keep", id, item)
        show(self.parameter, id)

    def _asked(self, name: str, *values: object) -> Any:
        """Ask what the browser has kept; None when the store does not answer."""
        assert self.codec
        lab = engine()
        try:
            return lab.portal.call(getattr(lab.items[self.codec.kind], name), *values)
        except HubUnreachable:
            session().notice = t("notice.unreachable")
            return None
