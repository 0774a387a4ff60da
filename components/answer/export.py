"""A conversation as a file."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from components.page.settings import model_label
from components.page.texts import t
from components.page.widgets import download
from streamlab.attachments.content import named_text
from streamlab.attachments.files import File
from streamlab.chats.branches import before, branch
from streamlab.chats.chat import Attachment, Chat, Turn
from streamlab.text.sizes import readable_size

Files = Mapping[str, File]
"""What went with questions, by its key, as far as it is there."""


def draw_export(chat: Chat, turns: tuple[Turn, ...], find: Callable[[Iterable[Attachment]], Files]) -> None:
    """Draw the popover with both files of the branch that is looked at, which are made when it is opened.

    `find` returns what went with the questions.
    """
    name = f"streaming-lab-{chat.id[:8]}"
    with st.popover(t("chat.export"), icon=":material/download:", on_change="rerun", key="chat.export") as popover:
        if popover.open:
            files = find(chat.attachments)
            download("chat.export_markdown", to_markdown(chat, turns, files), f"{name}.md", "text/markdown")
            download("chat.export_json", to_json(chat, turns, files), f"{name}.json", "application/json")


def to_markdown(chat: Chat, turns: tuple[Turn, ...], files: Files) -> str:
    """Write for people: questions quoted as typed, answers as the Markdown that they are; then the other branches.

    Images stand within the file, as addresses that hold them.
    """
    parts = [f"# {t('export.heading')}"]
    for number, turn in enumerate(turns, 1):
        parts += _written(turn, f"{number}. {t('export.question')}", number, files)
    for turn in _others(chat, turns):
        path = [each.run_id for each in branch(chat, turn.run_id)]
        number = path.index(turn.run_id) + 1
        parts += _written(turn, t("export.branch", number=number), number, files)
    return "\n\n".join(parts) + "\n"


def to_json(chat: Chat, turns: tuple[Turn, ...], files: Files) -> str:
    """Write for programs: an object with `id`, `turns` and `branches`; times in seconds, a null outcome of a live run.
    An attachment has its `text`, an image its `base64`.

    Each turn of the other branches has in `after` the run of the turn that it comes after, "" for none.
    """
    others = [{"after": before(chat, turn.run_id), **_fields(turn, files)} for turn in _others(chat, turns)]
    data: dict[str, Any] = {"id": chat.id, "turns": [_fields(turn, files) for turn in turns], "branches": others}
    return json.dumps(data, ensure_ascii=False, indent=2)


def _others(chat: Chat, turns: tuple[Turn, ...]) -> list[Turn]:
    shown = {turn.run_id for turn in turns}
    return sorted((turn for turn in chat.all_turns if turn.run_id not in shown), key=lambda turn: turn.asked_at)


def _written(turn: Turn, question: str, number: int, files: Files) -> list[str]:
    quoted = "\n".join(f"> {line}" for line in turn.question.splitlines())
    answer = turn.outcome.text if turn.outcome else t("export.live")
    heading = f"## {number}. {t('export.answer')} ({model_label(turn.options.model)}, {_time(turn)})"
    rated = []
    if turn.feedback:
        rated = [": ".join(filter(None, (f"**{t(f'export.{turn.feedback.thumb}')}**", turn.feedback.note)))]
    attached = [_attachment(each, files.get(each.key)) for each in turn.attachments]
    return [f"## {question}", *filter(None, (quoted, *attached)), heading, answer, *rated]


def _attachment(attachment: Attachment, file: File | None) -> str:
    if file is None:
        return f"{attachment.name} ({readable_size(attachment.size)})"
    if not file.is_image:
        return named_text(file.name, file.text)
    name = attachment.name.translate(str.maketrans("[]\\", "()/"))
    return f"![{name}](data:{file.media_type};base64,{base64.b64encode(file.data).decode()})"


def _fields(turn: Turn, files: Files) -> dict[str, Any]:
    attached = [_attached_fields(each, files.get(each.key)) for each in turn.attachments]
    return {**asdict(turn), "asked_at": _time(turn), "attachments": attached}


def _attached_fields(attachment: Attachment, file: File | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": attachment.name, "media_type": attachment.media_type, "size": attachment.size}
    if file and file.is_image:
        fields["base64"] = base64.b64encode(file.data).decode()
    elif file:
        fields["text"] = file.text
    return fields


def _time(turn: Turn) -> str:
    return datetime.fromtimestamp(turn.asked_at, UTC).isoformat(timespec="seconds")
