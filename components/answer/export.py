"""A conversation as a file."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from components.page.settings import model_label
from components.page.texts import t
from components.page.widgets import download
from streamlab.chats.branches import before, branch
from streamlab.chats.chat import Chat, Turn


def draw_export(chat: Chat, turns: tuple[Turn, ...]) -> None:
    """Draw the popover with both files of the branch that is looked at, which are made when it is opened."""
    name = f"streaming-lab-{chat.id[:8]}"
    with st.popover(t("chat.export"), icon=":material/download:", on_change="rerun", key="chat.export") as popover:
        if popover.open:
            download("chat.export_markdown", to_markdown(chat, turns), f"{name}.md", "text/markdown")
            download("chat.export_json", to_json(chat, turns), f"{name}.json", "application/json")


def to_markdown(chat: Chat, turns: tuple[Turn, ...]) -> str:
    """Write for people: questions quoted as typed, answers as the Markdown that they are; then the other branches."""
    parts = [f"# {t('export.heading')}"]
    for number, turn in enumerate(turns, 1):
        parts += _written(turn, f"{number}. {t('export.question')}", number)
    for turn in _others(chat, turns):
        path = [each.run_id for each in branch(chat, turn.run_id)]
        number = path.index(turn.run_id) + 1
        parts += _written(turn, t("export.branch", number=number), number)
    return "\n\n".join(parts) + "\n"


def to_json(chat: Chat, turns: tuple[Turn, ...]) -> str:
    """Write for programs: an object with `id`, `turns` and `branches`; times in seconds, a null outcome of a live run.

    Each turn of the other branches has in `after` the run of the turn that it comes after, "" for none.
    """
    others = [{"after": before(chat, turn.run_id), **_fields(turn)} for turn in _others(chat, turns)]
    data: dict[str, Any] = {"id": chat.id, "turns": list(map(_fields, turns)), "branches": others}
    return json.dumps(data, ensure_ascii=False, indent=2)


def _others(chat: Chat, turns: tuple[Turn, ...]) -> list[Turn]:
    shown = {turn.run_id for turn in turns}
    return sorted((turn for turn in chat.all_turns if turn.run_id not in shown), key=lambda turn: turn.asked_at)


def _written(turn: Turn, question: str, number: int) -> list[str]:
    quoted = "\n".join(f"> {line}" for line in turn.question.splitlines())
    answer = turn.outcome.text if turn.outcome else t("export.live")
    heading = f"## {number}. {t('export.answer')} ({model_label(turn.options.model)}, {_time(turn)})"
    rated = []
    if turn.feedback:
        rated = [": ".join(filter(None, (f"**{t(f'export.{turn.feedback.thumb}')}**", turn.feedback.note)))]
    return [f"## {question}", quoted, heading, answer, *rated]


def _fields(turn: Turn) -> dict[str, Any]:
    return {**asdict(turn), "asked_at": _time(turn)}


def _time(turn: Turn) -> str:
    return datetime.fromtimestamp(turn.asked_at, UTC).isoformat(timespec="seconds")
