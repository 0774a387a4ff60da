"""What stands above every page when a provider that is configured cannot be asked."""

import streamlit as st

from components.page.lab import engine
from components.page.texts import t
from streamlab.models.provider import Unlisted


def draw() -> None:
    """Say which server does not answer, and who answers in its place. It has a container, so nothing below it moves."""
    lab = engine()
    with st.container():
        for unlisted in lab.portal.call(lab.models.unlisted):
            lines = [_sentence(unlisted)]
            if not lab.settings.lab_models:
                lines.append(t("providers.only_demo"))
            st.warning(" ".join(lines), icon=":material/cloud_off:")


def _sentence(unlisted: Unlisted) -> str:
    address, failure = f"`{unlisted.address}`", unlisted.failure
    if failure is None:
        return t("providers.no_models", address=address)
    reason = t(f"error.{failure.code}"), t(f"error.{failure.code}_next", detail=failure.detail or "")
    return t("providers.fails", address=address, reason=" ".join(reason))
