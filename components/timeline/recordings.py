"""The recordings that a session keeps, with download and upload."""

from dataclasses import dataclass

import streamlit as st

from components.page.address import RUN, show
from components.page.history import Codec, History
from components.page.session import session
from components.page.texts import t
from components.page.widgets import button, download
from streamlab.browsers.items import RECORDING
from streamlab.events.event import StreamEvent
from streamlab.events.recording import BrokenRecording, read_recording, write_recording

UPLOAD_KEY = "timeline.upload"


@dataclass(frozen=True)
class Recording:
    """A finished run of the agent, or one that was uploaded."""

    name: str
    events: list[StreamEvent]


CODEC: Codec[Recording] = Codec(
    RECORDING,
    lambda recording: write_recording(recording.events),
    lambda name, file: Recording(name, read_recording(file)),
)
HISTORY: History[Recording] = History("timeline", RUN, CODEC)


def draw_list(current: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        button("timeline.new", "add", show, RUN, None)
        HISTORY.draw(current)
        with st.popover(t("timeline.upload"), icon=":material/upload:"):
            st.file_uploader(t("timeline.upload_what"), type=["jsonl"], key=UPLOAD_KEY, on_change=_upload)
        if current and (shown := HISTORY.find(current)):
            file, look = f"run-{current[:8]}.jsonl", {"icon": ":material/download:", "width": "content"}
            download("timeline.download", _file(current, shown), file, "application/jsonl", **look)


@st.cache_data(max_entries=20, show_spinner=False)
def _file(run_id: str, _recording: Recording) -> bytes:
    """Write the file here rather than in the button, whose callable would run on the server's event loop."""
    return write_recording(_recording.events)


def _upload() -> None:
    """Add the uploaded recording to the session; a broken one changes nothing."""
    if file := st.session_state[UPLOAD_KEY]:
        try:
            HISTORY.add(Recording(file.name, read_recording(file.getvalue())))
        except BrokenRecording as error:
            session().notice = t("timeline.broken", line=error.line, reason=t(f"timeline.broken_{error.code}"))
