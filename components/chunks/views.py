"""The chunks of captures as tiles, side by side, each to be opened. What is in the browser is in client/."""

from collections.abc import Callable
from importlib.resources import files
from unicodedata import east_asian_width

import streamlit as st

from components.page.component_key import component_key
from components.page.texts import t
from streamlab.chunks.capture import Capture
from streamlab.chunks.captures import CaptureSet
from streamlab.chunks.modes import ReadMode
from streamlab.chunks.views import ChunkView

SHOWN = 60  # characters of a chunk on its button
PARSERS: dict[ReadMode, str] = {"text": "`StrOutputParser`", "json": "`JsonOutputParser`"}  # in any language
END = 10  # and of an object, as wide as so many Latin ones

_FOLDER = files("components.chunks") / "client"

_component = st.components.v2.component(
    "chunk_tiles",
    html='<div class="captures"></div>',
    css=(_FOLDER / "tiles.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "tiles.js").read_text(encoding="utf-8"),
)


def draw_views(
    found: CaptureSet,
    modes: tuple[ReadMode, ...],
    opened: tuple[ReadMode, int],
    choose: Callable[[ReadMode, int], None],
    *,
    follow: bool,
) -> None:
    """Draw the chunks of the captures in these modes, that of `opened` pressed; `choose` is told of another one.

    `follow`: the newest is seen.
    """
    captures = [capture for capture in found.captures if capture.mode in modes]
    key = component_key("chunks.tiles", found.id)

    def told() -> None:
        if chosen := st.session_state[key].chosen:
            place, number = chosen
            choose(captures[int(place)].mode, int(number))

    _component(
        key=key,
        data={
            "id": key,
            "none": t("chunks.no_text"),
            "follow": follow,
            "captures": [_capture(capture, opened, named=len(modes) > 1, timed=found.timed) for capture in captures],
        },
        on_chosen_change=told,
    )


def way(mode: ReadMode) -> str:
    """Name the mode, in Markdown."""
    return PARSERS.get(mode) or t(f"chunks.way_{mode}")


def mode_name(mode: ReadMode) -> str:
    """Name the mode where Markdown is not read."""
    return way(mode).replace("`", "")


def _capture(capture: Capture, opened: tuple[ReadMode, int], *, named: bool, timed: bool) -> dict[str, object]:
    mode = capture.mode
    return {
        "label": mode_name(mode),
        "name": mode_name(mode) if named else "",
        "code": mode in PARSERS,
        "said": "\n".join(_said(capture, named=named, timed=timed)),
        "tiles": [(view.number, f"{view.at:.2f} s" if timed else "", _short(view)) for view in capture.views],
        "chosen": opened[1] if opened[0] == mode else 0,
    }


def _said(capture: Capture, *, named: bool, timed: bool) -> list[str]:
    """Say what its chunks are, and how many there are."""
    said = [t(f"chunks.gives_{capture.mode}")] if named else []
    if capture.state == "running" and not capture.views:
        return [*said, f"{t('chunks.waiting')} …"]
    if timed:
        count = len(capture.views) + capture.more
        said.append(t("chunks.counted", count=count, seconds=f"{capture.seconds:.2f}"))
    return said


def _short(view: ChunkView) -> str:
    """Cut the text to its beginning; of an object keep the end, which is what is new in it."""
    if view.kind == "object":
        shown = _last(view.text)
        return shown if shown == view.text else f"…{shown}"
    return view.text if len(view.text) <= SHOWN else f"{view.text[: SHOWN - 1]}…"


def _last(text: str) -> str:
    """Keep as much of its end as fits; Japanese characters are twice as wide."""
    start, left = len(text), END
    while start and (left := left - (2 if east_asian_width(text[start - 1]) in "WF" else 1)) >= 0:
        start -= 1
    return text[start:]
