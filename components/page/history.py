"""What a session keeps, in a list to come back to, and beside which something else can be put."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import streamlit as st

from components.page.state import show
from components.page.texts import plain, t


class Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


def draw_kept(page: str, parameter: str, kept: Mapping[str, Named], current: str | None) -> None:
    """`page` is the section of its texts; `parameter` the one of the address that names what is shown."""
    with st.popover(t(f"{page}.kept", number=len(kept)), icon=":material/history:"):
        if not kept:
            st.caption(t(f"{page}.kept_empty"))
        for id, item in reversed(list(kept.items())):
            st.button(
                plain(item.name),
                key=f"{page}.open.{id}",
                disabled=id == current,
                wrap=True,
                on_click=show,
                args=(parameter, id),
            )


def choose_other(page: str, kept: Mapping[str, N], current: str) -> N | None:
    """Another one, to compare with."""
    others = {id: item for id, item in kept.items() if id != current}
    if not others:
        return None
    chosen = st.selectbox(
        t(f"{page}.compare"),
        others,
        index=None,
        format_func=lambda id: others[id].name,
        key=f"{page}.compare.{current}",
        placeholder=t(f"{page}.compare_none"),
    )
    return others.get(chosen or "")
