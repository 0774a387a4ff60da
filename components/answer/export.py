"""A conversation as a file."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from components.page.sidebar import model_label
from components.page.texts import t
from streamlab.chats.chat import Chat, Turn


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
