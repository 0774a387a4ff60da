"""The chunk that is opened, of all that are shown: the answer as it was with it, and all that it holds."""

from dataclasses import dataclass

import streamlit as st

from components.chunks.views import way
from components.page.texts import t
from streamlab.chunks.capture import Capture
from streamlab.chunks.captures import CaptureSet
from streamlab.chunks.modes import ReadMode
from streamlab.chunks.views import ChunkView, joined, joined_text

TRIED = "chunks.tried"


@dataclass(frozen=True, slots=True)
class Opened:
    """Chunk `number` of the capture in `mode`. `chosen`: by someone, so that newer ones do not take its place."""

    mode: ReadMode
    number: int
    chosen: bool = True


def opened_in(found: CaptureSet) -> Opened:
    """Return the chunk that was chosen, or else the newest one with a text."""
    chosen: Opened | None = st.session_state.get(_key(found))
    if chosen:
        return chosen
    capture = found.captures[0] if found.question.topic == "parsers" else found.captures[-1]
    numbers = [view.number for view in capture.views if view.text.strip()] or [len(capture.views)]
    return Opened(capture.mode, numbers[-1], chosen=False)


def open_chunk(found: CaptureSet, mode: ReadMode, number: int) -> None:
    """Open a chunk, and let it stay open while newer ones come."""
    st.session_state[_key(found)] = Opened(mode, number)


def draw_opened(found: CaptureSet, opened: Opened) -> None:
    """Draw the answer as it was with this chunk, and everything in the chunk."""
    capture = next(each for each in found.captures if each.mode == opened.mode)
    if not capture.views:
        return
    view = capture.views[opened.number - 1]
    with st.container(border=True, gap="small", key="chunks.opened"):
        _draw_place(found, capture, view)
        _draw_joined(capture, view)
        st.caption(t("chunks.everything", number=view.number))
        _draw_value(view.detail)
    if opened.chosen and view.carries_usage and not st.session_state.get(TRIED):
        st.session_state[TRIED] = True  # the page's task is done; the title, which says so, is not drawn again here
        st.rerun()


def _draw_place(found: CaptureSet, capture: Capture, view: ChunkView) -> None:
    """Say which chunk it is, with a slider to the others once there will be no more."""
    count, key = len(capture.views), f"chunks.join.{found.id}.{capture.mode}"

    def joined_otherwise() -> None:
        open_chunk(found, capture.mode, st.session_state[key])

    st.markdown(f"**{way(capture.mode)}**")
    place = "chunks.position" if found.timed else "chunks.position_untimed"
    st.caption(t(place, number=view.number, count=count, at=f"{view.at:.3f}"))
    if capture.state != "running" and count > 1:
        st.session_state[key] = view.number
        label, meaning = t("chunks.join"), t("chunks.join_help")
        # Its own value too: what is clicked before a browser has taken the session's would set it to the least.
        st.slider(label, 1, count, view.number, key=key, help=meaning, on_change=joined_otherwise)


def _draw_joined(capture: Capture, view: ChunkView) -> None:
    until = capture.views[: view.number]
    st.caption(t(f"chunks.joined_{view.kind}", number=view.number))
    match view.kind:
        case "message":
            _draw_value(joined_text(until))
            with st.expander(t("chunks.joined_all"), type="compact"):
                st.json(joined(until))
        case "text" | "event":
            _draw_value(joined(until))


def _draw_value(value: object) -> None:
    """Draw objects as such, and a text as it came, with its spaces and line ends."""
    if isinstance(value, dict | list):
        st.json(value, expanded=2)
    elif value == "":
        st.caption(t("chunks.no_text"))
    else:
        st.code(str(value), language=None, wrap_lines=True)


def _key(found: CaptureSet) -> str:
    return f"chunks.chosen.{found.id}"
