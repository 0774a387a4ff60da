"""A conversation as a file."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from components.page.settings import model_label
from components.page.texts import t
from components.page.widgets import download
from streamlab.chats.chat import Chat, Turn


def draw_export(chat: Chat) -> None:
    """Draw the popover with both files, which are made when it is opened."""
    name = f"streaming-lab-{chat.id[:8]}"
    with st.popover(t("chat.export"), icon=":material/download:", on_change="rerun", key="chat.export") as popover:
        if popover.open:
            download("chat.export_markdown", to_markdown(chat), f"{name}.md", "text/markdown")
            download("chat.export_json", to_json(chat), f"{name}.json", "application/json")


def to_markdown(chat: Chat) -> str:
    """Write for people: questions quoted as typed, answers as the Markdown that they are."""
    parts = [f"# {t('export.heading')}"]
    for number, turn in enumerate(chat.turns, 1):
        quoted = "\n".join(f"> {line}" for line in turn.question.splitlines())
        answer = turn.outcome.text if turn.outcome else t("export.live")
        heading = f"## {number}. {t('export.answer')} ({model_label(turn.options.model)}, {_time(turn)})"
        parts += [f"## {number}. {t('export.question')}", quoted, heading, answer]
    return "\n\n".join(parts) + "\n"


def to_json(chat: Chat) -> str:
    """Write for programs: an object with `id` and `turns`; times in seconds, a null outcome while a run is live."""
    data: dict[str, Any] = {"id": chat.id, "turns": [{**asdict(turn), "asked_at": _time(turn)} for turn in chat.turns]}
    return json.dumps(data, ensure_ascii=False, indent=2)


def _time(turn: Turn) -> str:
    return datetime.fromtimestamp(turn.asked_at, UTC).isoformat(timespec="seconds")
