"""The items that a session keeps for one page, to open again or compare with."""

import secrets
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import streamlit as st

from components.page.address import show
from components.page.texts import plain, t

KEPT = 20


class Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class History(Generic[N]):
    """Keeps the newest `KEPT` items of each session by id.

    `page` is the section of its texts, `parameter` the address parameter that names what is shown.
    """

    page: str
    parameter: str

    @property
    def items(self) -> dict[str, N]:
        """Return this session's items, the newest last."""
        items: dict[str, N] = st.session_state.setdefault(f"{self.page}.history", {})
        return items

    def keep(self, id: str, item: N) -> None:
        """Add or replace an item; drop the oldest when there are too many."""
        items = self.items
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
        return self.items.get(id or "")

    def draw(self, current: str | None) -> None:
        """Draw the list, with a button to open each item."""
        items = self.items
        with st.popover(t(f"{self.page}.kept", number=len(items)), icon=":material/history:"):
            if not items:
                st.caption(t(f"{self.page}.kept_empty"))
            for id, item in reversed(list(items.items())):
                st.button(
                    plain(item.name),
                    key=f"{self.page}.open.{id}",
                    disabled=id == current,
                    wrap=True,
                    on_click=show,
                    args=(self.parameter, id),
                )

    def choose_other(self, current: str) -> N | None:
        """Draw a box to choose another item to compare with, and return it."""
        others = {id: item for id, item in self.items.items() if id != current}
        if not others:
            return None
        chosen = st.selectbox(
            t(f"{self.page}.compare"),
            others,
            index=None,
            format_func=lambda id: others[id].name,
            key=f"{self.page}.compare.{current}",
            placeholder=t(f"{self.page}.compare_none"),
        )
        return others.get(chosen or "")
