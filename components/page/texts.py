"""The app's texts in the language of the session."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import streamlit as st

from components.markdown.literal import plain as plain  # for names within texts

LANGUAGES = {"en": "English", "ja": "日本語"}
LANGUAGE_KEY = "lang"  # the widget's key and the name of the address's parameter

_BEFORE_UNIT = re.compile(r"(?<=[}\d]) (?=(?:s|ms|µs|MB|kB|GB)\b|秒|ミリ秒|%)")


def t(key: str, **values: object) -> str:
    """Return the text `section.name`, with `{names}` filled in. Raise KeyError for an unknown key."""
    return _texts()[key].format(**values)


def together(*sentences: str) -> str:
    """Put sentences one after another; in Japanese nothing stands between them."""
    return ("" if _language() == "ja" else " ").join(filter(None, sentences))


def find_text(key: str) -> str | None:
    """Return a text that needs no values, None for an unknown key."""
    return text.format() if (text := _texts().get(key)) else None


def _texts() -> dict[str, str]:
    return texts(_language())


def _language() -> str:
    language: str = st.session_state.get(LANGUAGE_KEY, "en")
    return language


@cache
def texts(language: str) -> dict[str, str]:
    """Return all texts of a language by `section.name`; no line ends between a number and its unit."""
    path = files("locales") / f"{language}.toml"
    sections: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        f"{section}.{name}": _BEFORE_UNIT.sub("\u00a0", text)
        for section, entries in sections.items()
        for name, text in entries.items()
    }
