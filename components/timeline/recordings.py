"""The recordings of runs, with download and upload."""

from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from components.page.address import RUN, SECOND, named, show
from components.page.history import History, keep_file
from components.page.lab import engine
from components.page.session import session
from components.page.texts import t
from components.page.uploads import MB, tell_too_slow, uploader
from components.page.widgets import button, download
from streamlab.browsers.items import Item, Items
from streamlab.chats.chat import UnknownChat
from streamlab.events.event import StreamEvent
from streamlab.events.recording import MAX_BYTES, BrokenRecording, read_lines, rewrite_recording, write_recording
from streamlab.hub import HubFull, HubUnreachable, UnknownRun
from streamlab.text.reader import TooSlow, read_apart

UPLOAD_KEY = "timeline.upload"
RECORDING_MB = MAX_BYTES // MB


@dataclass(frozen=True)
class Recording:
    """A run of the agent, or one that was uploaded. `events` is None while it is live.

    `asked`: it answers a question of its own, which can be asked again.
    """

    name: str
    events: list[StreamEvent] | None
    asked: bool = False


def _read(item: Item) -> Recording:
    return Recording(item.name, None if item.live else read_lines(item.body), asked=bool(item.run_id))


def _store() -> Items:
    return engine().agents.recordings


HISTORY: History[Item, Recording] = History("timeline", RUN, _store, _read)


def find(run_id: str | None) -> Recording | None:
    """Return the recording of this id, or the run of a conversation or of another's front end for as long as what was
    asked and its log are there.
    """
    if found := HISTORY.find(run_id):
        return found
    lab = engine()
    try:
        question = _question(run_id) if run_id else None
        log = lab.portal.call(lab.hub.open, run_id) if run_id and question is not None else None
    except (UnknownChat, UnknownRun, HubFull, HubUnreachable):
        return None
    return Recording(question or "", lab.portal.call(log.since, 0) if log.done else None) if log else None


def _question(run_id: str) -> str | None:
    """Return what the run answers, None where that is not known. Raises UnknownChat or HubUnreachable."""
    lab = engine()
    if chat_id := lab.portal.call(lab.chats.chat_of, run_id):
        chat = lab.portal.call(lab.chats.get, chat_id)
        return next((turn.title for turn in chat.all_turns if turn.run_id == run_id), None)
    return lab.portal.call(lab.completions.title, run_id)


def draw_missing(run_id: str) -> None:
    """Say why there is no run at this address."""
    lab, chat_id = engine(), None
    with suppress(HubUnreachable):
        chat_id = lab.portal.call(lab.chats.chat_of, run_id)
    HISTORY.draw_missing(run_id, chat_id)


def draw_toolbar(current: str | None, shown: Recording | None) -> None:
    """Draw one line: a new question, the runs, and a menu of what has to do with files."""
    with st.container(horizontal=True, wrap=False, width="content", gap="xsmall"):
        button("timeline.new", "add", show, RUN, None)
        HISTORY.draw(current)
        with st.popover(t("timeline.upload"), icon=":material/folder_open:"):
            uploader(t("timeline.upload_what"), ["jsonl"], UPLOAD_KEY, _upload, RECORDING_MB)
            if current and shown and shown.events:
                file, icon = f"run-{current[:8]}.jsonl", ":material/download:"
                download("timeline.download", _file(current, shown.events), file, "application/jsonl", icon=icon)


def choose_second(current: str) -> tuple[str, Recording] | None:
    """Draw a box to choose a run to put beside the current one; the address keeps it. Return its id and the run."""
    id = named(SECOND)
    found = find(id) if id and id != current else None
    options = HISTORY.others(current) | ({id: found.name} if id and found else {})
    if not options:
        return None
    key = f"timeline.compare.{current}"
    st.session_state[key] = id if found else None
    st.selectbox(
        t("timeline.compare"),
        options,
        key=key,
        format_func=options.__getitem__,
        on_change=lambda: show(SECOND, st.session_state[key]),
        placeholder=t("timeline.compare"),
        label_visibility="collapsed",
    )
    if id and id != current and not found:
        st.caption(t("timeline.second_gone"))
    return (id, found) if id and found and found.events else None


@st.cache_data(max_entries=20, show_spinner=False)
def _file(run_id: str, _events: list[StreamEvent]) -> bytes:
    """Write the file here rather than in the button, whose callable would run on the server's event loop."""
    return write_recording(_events)


def _upload() -> None:
    """Keep the uploaded recording; a broken one changes nothing."""
    if file := st.session_state[UPLOAD_KEY]:
        try:
            keep_file(_store(), RUN, file.name, read_apart(rewrite_recording, file.getvalue()))
        except TooSlow:
            tell_too_slow()
        except BrokenRecording as error:
            session().notice = t("timeline.broken", line=error.line, reason=t(f"timeline.broken_{error.code}"))
