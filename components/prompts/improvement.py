"""A case that failed goes into the chat, where one works on the prompt, and what came of it goes back into the set."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from components.page import settings
from components.page.address import CHAT, COMPARISON, show
from components.page.session import session
from components.page.texts import plain, t
from components.prompts import saved
from components.prompts.draft import draft, variant_key
from streamlab.prompts.comparison import CellKey, Comparison
from streamlab.prompts.prompt_set import MAX_VARIANTS
from streamlab.prompts.template import fill

KEY = "prompts.improving"


@dataclass(frozen=True)
class _Improvement:
    """What is being worked on in the chat."""

    found: Comparison
    at: CellKey

    @property
    def variant(self) -> str:
        return self.found.prompts.variants[self.at.variant].name


def draw_button(found: Comparison, at: CellKey) -> None:
    """Draw the button that opens the chat with a case: its question in the box, the variant's settings beside it."""
    key, icon = f"prompts.improve.{found.id}.{at}", ":material/build:"
    if st.button(t("prompts.improve"), key, t("prompts.improve_help"), type="tertiary", icon=icon):
        variant = found.prompts.variants[at.variant]
        values: dict[str, Any] = {
            KEY: _Improvement(found, at),
            settings.MODEL_KEY: variant.model,
            settings.SYSTEM_KEY: variant.system,
            settings.TEMPERATURE_KEY: variant.temperature,
            settings.TOOLS_KEY: False,
            "chat.input": fill(variant.template, found.prompts.inputs()[at.case]),
        }
        st.session_state.update(values)
        show(CHAT, None)
        st.switch_page("../pages/chat.py", query_params={})


def draw() -> None:
    """Draw, in the chat, what is being worked on and the ways back."""
    working: _Improvement | None = st.session_state.get(KEY)
    if not working:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(t("prompts.improving", variant=plain(working.variant), case=working.at.case + 1))
        take = st.button(t("prompts.improve_take"), "prompts.improve_take", type="primary", icon=":material/reply:")
        leave = st.button(t("prompts.improve_leave"), "prompts.improve_leave", icon=":material/arrow_back:")
    if take or leave:
        del st.session_state[KEY]
        if take:
            _take(working)
        show(COMPARISON, working.found.id)
        st.switch_page("../pages/prompts.py", query_params={COMPARISON: working.found.id})


def _take(working: _Improvement) -> None:
    """Put the chat's settings into the set as another variant, or where there is no room for one, into the same."""
    if "draft" not in st.session_state or draft().read() != working.found.prompts:
        saved.take(working.found.prompts, "comparison")
    found, number, now = draft(), working.at.variant, settings.options()
    if len(found.variants) < MAX_VARIANTS:
        found.copy_variant(found.variants[number])
        number = len(found.variants) - 1
    place = found.variants[number]
    for name in ("model", "system", "temperature"):
        st.session_state[variant_key(place, name)] = getattr(now, name)
    session().notice = t("prompts.improved", variant=plain(st.session_state[variant_key(place, "name")]))
