"""What went with a question, beside it: images as thumbnails, texts folded; and what is to go with the next one."""

from collections.abc import Iterable
from contextlib import suppress

import streamlit as st

from components.page.lab import engine
from components.page.texts import plain, t
from streamlab.attachments.files import File
from streamlab.attachments.images import preview
from streamlab.chats.attached import UNDO_SECONDS
from streamlab.chats.chat import Attachment, Turn
from streamlab.hub import HubUnreachable
from streamlab.text.sizes import readable_size

WIDTH = 240  # pixels of a thumbnail on the page
SIDE = 1024  # pixels of one that is opened
SHOWN = 20_000  # characters of a text


def files_of(attachments: Iterable[Attachment]) -> dict[str, File]:
    """Return the files by their keys, as far as they are there."""
    lab, wanted = engine(), tuple(attachments)
    if not wanted:
        return {}
    with suppress(HubUnreachable):
        return lab.portal.call(lab.chats.attached.found, wanted)
    return {}


def draw(turn: Turn) -> None:
    """Draw what went with the question of a turn."""
    images = [each for each in turn.attachments if each.is_image]
    if images:
        with st.container(horizontal=True, gap="small"):
            for each in images:
                _draw_image(each)
    for number, each in enumerate(turn.attachments):
        if not each.is_image:
            _draw_text(each, f"chat.file.{turn.run_id}.{number}")


def _draw_image(attachment: Attachment) -> None:
    with st.container(width=WIDTH):
        if data := _thumbnail(attachment):
            st.image(data, alt=attachment.name)
        st.caption(_label(attachment) if data else t("files.gone", name=plain(attachment.name)))


def _draw_text(attachment: Attachment, key: str) -> None:
    """Draw it folded; what is in it goes to the browser when it is opened."""
    opened = st.expander(_label(attachment), icon=":material/description:", key=key, on_change="rerun")
    if opened.open:
        file = files_of([attachment]).get(attachment.key)
        with opened:
            if not file:
                st.caption(t("files.gone", name=plain(attachment.name)))
                return
            st.code(file.text[:SHOWN], language=None, wrap_lines=True, height=300)
            if len(file.text) > SHOWN:
                st.caption(t("files.more", shown=f"{SHOWN:,}", all=f"{len(file.text):,}"))


def _label(attachment: Attachment) -> str:
    return f"{plain(attachment.name)} · {readable_size(attachment.size)}"


def _thumbnail(attachment: Attachment) -> bytes | None:
    made: bytes | None = _made_thumbnail(attachment.key, attachment)
    return made


@st.cache_data(max_entries=64, ttl=UNDO_SECONDS, show_spinner=False)
def _made_thumbnail(key: str, _attachment: Attachment) -> bytes | None:
    """Make it once for all who look at it; it is forgotten no later than what was deleted is."""
    file = files_of([_attachment]).get(key)
    return preview(file.data, SIDE) if file else None
