"""What stands on every page when a provider that is configured cannot be asked."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page.lab import engine
from components.page.texts import t
from streamlab.demo_model import is_demo
from streamlab.models.failures import Code, Failure
from streamlab.models.provider import INSTALL, Unlisted
from streamlab.models.providers.openai import OpenAI

# What to do where an answer's advice is of no use: to ask again, or to choose another model while there is none.
ADVICE: dict[Code, str] = {
    "auth": "check_key",
    "rate_limited": "wait",
    "quota": "check_account",
    "timeout": "check_server",
    "provider_unavailable": "check_server",
    "connection_lost": "check_server",
    "model_not_found": "check_address",
}


def draw(place: DeltaGenerator) -> None:
    """Say which servers do not answer, and who answers in their stead; why, and what to do, is folded.

    `place` is a container also where nothing comes, so that nothing below it moves.
    """
    lab = engine()
    failing = lab.portal.call(lab.models.unlisted)
    if not failing:
        return
    lines = [_what(each) for each in failing]
    if not lab.settings.lab_models and is_demo(lab.portal.call(lab.models.names)[0]):
        lines.append(t("providers.only_demo"))
    with place:
        st.warning("  \n".join(lines), icon=":material/cloud_off:")
        # By its key it is the same one, and stays open, when the page is drawn anew.
        with st.expander(t("providers.why"), type="compact", key="providers.why"):
            for each in failing:
                st.markdown(_advice(each) if len(failing) == 1 else f"{_what(each)}  \n{_advice(each)}")


def _what(unlisted: Unlisted) -> str:
    if unlisted.missing:
        return t("providers.missing", package=f"`{unlisted.missing}`", variable=unlisted.variables.key)
    place = f"`{unlisted.address}`"
    if unlisted.provider != OpenAI.name:  # of which there is only the address that is set
        place = f"`{unlisted.provider}` ({place})"
    return t("providers.fails" if unlisted.failure else "providers.no_models", address=place)


def _advice(unlisted: Unlisted) -> str:
    if unlisted.missing:
        return t("providers.missing_next", command=f"`{INSTALL}`")
    if not unlisted.asked:
        return t("providers.unasked_next")
    if unlisted.failure is None:
        return t("providers.no_models_next", address=unlisted.variables.address)
    return "  \n".join((t(f"error.{unlisted.failure.code}"), _next(unlisted, unlisted.failure), t("providers.again")))


def _next(unlisted: Unlisted, failure: Failure) -> str:
    if advice := ADVICE.get(failure.code):
        return t(f"providers.{advice}", address=unlisted.variables.address, variable=unlisted.variables.key)
    return t(f"error.{failure.code}_next", detail=failure.detail or "")
