"""What a session keeps of a page, in a list to come back to, and beside which something else can be put."""

from typing import Generic, Protocol, TypeVar

import streamlit as st

from components.page.address import show
from components.page.texts import plain, t

KEPT = 20


class Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


class History(Generic[N]):
    """Keeps the newest `KEPT` items of each session by id.

    `page` is the section of its texts; `parameter` the one of the address that names what is shown.
    """

    def __init__(self, page: str, parameter: str) -> None:
        self._page = page
        self._parameter = parameter

    @property
    def items(self) -> dict[str, N]:
        """Return this session's items, the newest last."""
        kept: dict[str, N] = st.session_state.setdefault(f"{self._page}.history", {})
        return kept

    def keep(self, id: str, item: N) -> None:
        """Keep a new item, or a known one as it is now; the oldest leaves when there are too many."""
        kept = self.items
        kept[id] = item
        while len(kept) > KEPT:
            del kept[next(iter(kept))]

    def find(self, id: str | None) -> N | None:
        """Return the item of this id, None for no id and one that is not kept."""
        return self.items.get(id or "")

    def draw(self, current: str | None) -> None:
        """Draw the list, from which one can be opened."""
        kept = self.items
        with st.popover(t(f"{self._page}.kept", number=len(kept)), icon=":material/history:"):
            if not kept:
                st.caption(t(f"{self._page}.kept_empty"))
            for id, item in reversed(list(kept.items())):
                st.button(
                    plain(item.name),
                    key=f"{self._page}.open.{id}",
                    disabled=id == current,
                    wrap=True,
                    on_click=show,
                    args=(self._parameter, id),
                )

    def choose_other(self, current: str) -> N | None:
        """Let one choose another item to compare with, and return it."""
        others = {id: item for id, item in self.items.items() if id != current}
        if not others:
            return None
        chosen = st.selectbox(
            t(f"{self._page}.compare"),
            others,
            index=None,
            format_func=lambda id: others[id].name,
            key=f"{self._page}.compare.{current}",
            placeholder=t(f"{self._page}.compare_none"),
        )
        return others.get(chosen or "")
