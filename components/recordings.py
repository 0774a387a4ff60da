"""The runs that a session keeps: to come back to, to bring along, to take away, to put side by side."""

import secrets

import streamlit as st

from components.state import RUN, Recording, keep, session, show
from components.texts import t
from streamlab.recording import BrokenRecording, read_recording, write_recording

UPLOAD_KEY = "timeline.upload"


def draw_list(current: str | None) -> None:
    recordings = session().recordings
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(t("timeline.new"), icon=":material/add:", key="timeline.new", on_click=show, args=(RUN, None))
        with st.popover(t("timeline.runs", number=len(recordings)), icon=":material/history:"):
            if not recordings:
                st.caption(t("timeline.runs_empty"))
            for run_id, recording in reversed(recordings.items()):
                st.button(
                    recording.name,
                    key=f"timeline.open.{run_id}",
                    disabled=run_id == current,
                    wrap=True,
                    on_click=show,
                    args=(RUN, run_id),
                )
        with st.popover(t("timeline.upload"), icon=":material/upload:"):
            st.file_uploader(t("timeline.upload_what"), type=["jsonl"], key=UPLOAD_KEY, on_change=_upload)
        if current in recordings:
            st.download_button(
                t("timeline.download"),
                lambda: write_recording(recordings[current].events),
                f"run-{current[:8]}.jsonl",
                "application/jsonl",
                key="timeline.download",
                on_click="ignore",
                icon=":material/download:",
            )


def draw_comparison(current: str) -> Recording | None:
    """The other run that was chosen."""
    others = {run_id: found for run_id, found in session().recordings.items() if run_id != current}
    if not others:
        return None
    chosen = st.selectbox(
        t("timeline.compare"),
        others,
        index=None,
        format_func=lambda run_id: others[run_id].name,
        key=f"timeline.compare.{current}",
        placeholder=t("timeline.compare_none"),
    )
    return others.get(chosen or "")


def _upload() -> None:
    """A recording becomes one more run of this session; a broken one changes nothing."""
    file = st.session_state[UPLOAD_KEY]
    if file is None:
        return
    try:
        events = read_recording(file.getvalue())
    except BrokenRecording as error:
        session().notice = t("timeline.broken", line=error.line, reason=t(f"timeline.broken_{error.code}"))
        return
    run_id = f"file-{secrets.token_urlsafe(8)}"
    keep(run_id, Recording(file.name, events))
    show(RUN, run_id)
