"""The settings of the next answer, beside the box where it is asked for: model, tools, and a popover with the rest."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple

import streamlit as st

from components.page import access
from components.page.address import find_chat
from components.page.lab import engine
from components.page.session import session
from components.page.texts import t
from components.page.widgets import control
from streamlab.demo_model import is_demo
from streamlab.hub import HubUnreachable
from streamlab.local_model import LOCAL
from streamlab.models.options import DEFAULT_TEMPERATURE, SYSTEM_CHARACTERS, Options

MODEL_KEY = "settings.model"
SYSTEM_KEY = "settings.system"
TEMPERATURE_KEY = "settings.temperature"
TOOLS_KEY = "settings.tools"
MODEL_WIDTH = 300  # pixels: with the other two in one line, and on a phone in a line of its own


def restore() -> None:
    """Set a new session's options to those of the last question of the conversation in the address.

    Whatever page is open: who asks there reads them, also where they are not shown.
    """
    state, kept = session(), st.session_state
    if not state.restored:
        chat = None
        with suppress(HubUnreachable):
            chat = find_chat()
        state.came_back = bool(chat and chat.live)
        options = chat.turns[-1].options if chat else Options("", "", DEFAULT_TEMPERATURE)
        for key, value in zip((MODEL_KEY, SYSTEM_KEY, TEMPERATURE_KEY, TOOLS_KEY), astuple(options), strict=True):
            kept[key] = value
        state.restored = True  # last: a script may be interrupted anywhere
    names = _names()
    if kept[MODEL_KEY] not in names:
        kept[MODEL_KEY] = names[0]


def options() -> Options:
    """Return the options of the next question."""
    state = st.session_state
    model = state[MODEL_KEY]
    tools = state.get(TOOLS_KEY, False) and _takes_tools(model)
    return Options(model, state[SYSTEM_KEY].strip(), state[TEMPERATURE_KEY], tools)


def draw(beside: Callable[[], None] = lambda: None, *, tools: bool = False) -> None:
    """Draw all of them in a row, with the switch for tools where the page offers it, and what `beside` draws."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        look = {"format_func": model_label, "label_visibility": "collapsed", "width": MODEL_WIDTH}
        control("settings.model", st.selectbox, _names(), key=MODEL_KEY, **look)
        if tools:
            draw_tools_switch()
        draw_more()
        beside()


def draw_more() -> None:
    """Draw what is seldom changed, in a popover whose label tells how much of it differs from the default."""
    now = options()
    differing = [t("settings.system")] * bool(now.system)
    differing += [t("settings.temperature")] * (now.temperature != DEFAULT_TEMPERATURE)
    label = t("settings.label_differ", number=len(differing)) if differing else t("settings.label")
    what = t("settings.differ", names=" · ".join(differing)) if differing else None
    with st.popover(label, icon=":material/tune:", help=what, key="settings.more"):
        if is_demo(now.model):
            st.caption(t("settings.demo_note"))
        elif now.model == LOCAL:
            st.caption(t("settings.local_note"))
        elif access.is_needed([now.model]):
            st.caption(f":material/lock: {t('access.sidebar')}")
        _draw_capabilities(now.model)
        system = {"max_chars": SYSTEM_CHARACTERS, "placeholder": t("settings.system_placeholder")}
        control("settings.system", st.text_area, key=SYSTEM_KEY, **system)
        control("settings.temperature", st.slider, 0.0, 2.0, step=0.1, key=TEMPERATURE_KEY)


def draw_tools_switch() -> None:
    """Draw the switch for tools, on the pages that offer it; it stands still, and says why, for a model without."""
    if _takes_tools(st.session_state[MODEL_KEY]):
        control("chat.tools", st.toggle, key=TOOLS_KEY)
    else:
        st.toggle(t("chat.tools"), key="settings.no_tools", disabled=True, help=t("settings.no_tools"))


def _draw_capabilities(model: str) -> None:
    """Say what the model can do, what it cannot, and what nobody knows."""
    can = engine().models.capabilities(model)
    flags = {"tools": can.tools, "images": can.images, "json": can.json, "reasoning": can.reasoning}
    for name, value in (("can", True), ("cannot", False), ("unknown", None)):
        if found := [t(f"settings.can_{flag}") for flag, known in flags.items() if known is value]:
            st.caption(t(f"settings.{name}", names=" · ".join(found)))
    if can.context:
        st.caption(t("settings.context", tokens=f"{can.context:,}"))


def _takes_tools(model: str) -> bool:
    return engine().models.capabilities(model).tools is not False


def model_label(name: str) -> str:
    """Return the name to show; the demo model's always says that it is scripted, the local one's that it is real."""
    if name == LOCAL:
        return t("settings.local_name", name=engine().models.local.name)
    if not is_demo(name):
        return name
    variant = name.partition("?")[2]
    return t("settings.demo_variant", options=variant.replace("&", ", ")) if variant else t("settings.demo_name")


def _names() -> list[str]:
    lab = engine()
    return list(lab.portal.call(lab.models.names))
