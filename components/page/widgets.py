"""Widgets that are named once: a widget's name is its key, and the key of its texts."""

from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page.texts import find_text, t


def button(
    name: str,
    icon: str,
    act: Callable[..., Any] | None = None,
    *args: object,
    place: DeltaGenerator | None = None,
    **options: Any,
) -> None:
    """Draw a button that calls `act` with `args`, in `place` if one is given."""
    texts = {"label": t(name), "key": name, "help": find_text(f"{name}_help"), "icon": f":material/{icon}:"}
    (place or st).button(on_click=act, args=args, **texts | options)


def icon_button(key: str, icon: str, label: str, act: Callable[..., Any], *args: object, **options: Any) -> None:
    """Draw a button that has only an icon; `button_names` gives it the `label`, which is its tooltip, as its name."""
    look = {"key": key, "icon": f":material/{icon}:", "help": label, "type": "tertiary"}
    st.button("", on_click=act, args=args, **look | options)


def download(name: str, data: bytes | str, file: str, mime: str, **options: Any) -> None:
    """Draw a button that saves a file."""
    st.download_button(t(name), data, file, mime, **{"key": name, "on_click": "ignore", "width": "stretch"} | options)


def control(name: str, draw: Callable[..., object], *args: object, **options: Any) -> None:
    """Draw a widget by `draw`; its value is kept while another page is shown."""
    texts = {"key": name, "help": find_text(f"{name}_help"), "persist_state": "session"}
    options = texts | options
    draw(t(name), *args, **_own_value(draw, args, st.session_state.get(options["key"])) | options)


def _own_value(draw: Callable[..., object], args: tuple[Any, ...], value: object) -> dict[str, Any]:
    """Return the session's value as the widget's own, where its own would be another one.

    A drawing brings the session's value once. A browser that shows only the next one, which came soon, begins with the
    widget's own value and tells it as if it had been chosen.
    """
    if draw == st.slider and len(args) < 3 and value is not None:
        return {"value": value}
    if draw == st.selectbox and value in args[0]:
        return {"index": [*args[0]].index(value)}
    return {}


def choice(name: str, draw: Callable[..., object], values: Iterable[object], **options: Any) -> None:
    """Draw a control to choose among values, of which each has a text of its own."""
    control(name, draw, list(values), **{"required": True, "format_func": lambda value: t(f"{name}_{value}")} | options)
