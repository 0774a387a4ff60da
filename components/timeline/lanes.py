"""The lanes of a run, or of two, on one time axis. What is in the browser is in client/."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer.tools import shorten
from components.page import colors
from components.page.texts import t
from streamlab.events.event import StreamEvent
from streamlab.timeline.pieces import TextPiece
from streamlab.timeline.spans import MODEL, Span

KEY = "timeline.lanes"
KINDS = ("waiting", "thinking", "writing", "tool", "failed")
VALUE_CHARACTERS = 200  # of a call's input and of its result, beneath the lanes
LETTERS = "AB"  # by which two runs are told apart

_FOLDER = files("components.timeline") / "client"
_HUES = {
    "waiting": colors.WAITING,
    "thinking": colors.THINKING,
    "model": colors.MODEL,
    "tool": colors.TOOL,
    "failed": colors.FAILED,
}


def _read(*names: str) -> str:
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


_component = st.components.v2.component(
    "timeline_lanes",
    html='<div class="lanes" role="group"></div>',
    css=f":host {{ {' '.join(f'--{name}: {hue};' for name, hue in _HUES.items())} }}\n{_read('lanes.css')}",
    js=_read("ties.js", "lanes.js"),
)
_feed = st.components.v2.component("timeline_feed", js=_read("feed.js"))


@dataclass(frozen=True)
class ShownRun:
    """A run as the page has it; `spans` are those of all its events."""

    id: str
    name: str
    events: Sequence[StreamEvent]
    spans: Sequence[Span]

    @property
    def end(self) -> float:
        return max((span.end for span in self.spans), default=0.0)


@dataclass(frozen=True)
class Moment:
    """How far the runs are shown.

    - `live`: until `now`, seconds since the run began; the browser counts on
    - `replay`: from the beginning on, at `speed`
    - `still`: until `head`, or all of it when that is None
    """

    mode: Literal["live", "replay", "still"]
    now: float = 0.0
    speed: float = 1.0
    head: float | None = None


@dataclass(frozen=True)
class Choice:
    """What is chosen: a run's span by its key, and an event by its number."""

    run: str
    key: str | None = None
    seq: int | None = None


def draw_lanes(
    runs: Sequence[ShownRun],
    moment: Moment,
    *,
    chosen: Choice | None = None,
    pieces: Sequence[TextPiece] = (),
    calls: Sequence[str] = (),
    choose: Callable[[Choice], None],
    seek: Callable[[float], None],
) -> None:
    """Draw the lanes of the runs, the one that the page shows first.

    `pieces` and `calls` (keys of spans) are what stands of it elsewhere on the page, in this order. `choose` is told of
    what is chosen, and `seek` of a time; both only while the lanes are still.
    """

    def told() -> None:
        if found := st.session_state[KEY].selected:
            choose(Choice(found["run"], found["key"], found["seq"]))

    def sought() -> None:
        if (seconds := st.session_state[KEY].sought) is not None:
            seek(seconds)

    _component(
        key=KEY,
        data={
            "id": runs[0].id,
            "mode": moment.mode,
            "now": moment.now,
            "speed": moment.speed,
            "head": moment.head,
            "end": max(0.1, *(run.end for run in runs)),
            "runs": _written(runs),
            "selected": {"run": chosen.run, "key": chosen.key, "seq": chosen.seq} if chosen else None,
            "pieces": [(round(piece.at, 3), piece.seq, piece.letters) for piece in pieces],
            "calls": list(calls),
            "kinds": {kind: t(f"timeline.kind_{kind}") for kind in KINDS},
            "words": {"lanes": t("timeline.lanes"), "axis": t("timeline.axis"), "seconds": t("timeline.seconds")},
        },
        on_selected_change=told,
        on_sought_change=sought,
    )


def tell_lanes(place: DeltaGenerator, run: ShownRun, now: float) -> None:
    """Tell the lanes of a live run what has begun and ended in it by `now`, while its script goes on."""
    with place:
        _feed(data={"id": run.id, "now": now, "runs": _written([run])}, height=0)


def lane_name(span: Span) -> str:
    return t("timeline.lane_model") if span.lane == MODEL else span.lane


def kind_of(span: Span) -> str:
    return "failed" if span.status == "failed" else span.kind


def _written(runs: Sequence[ShownRun]) -> list[dict[str, Any]]:
    return [
        {"id": run.id, "name": run.name, "letter": letter, "bars": [_bar(span) for span in run.spans]}
        for letter, run in zip(LETTERS, runs, strict=False)
    ]


def _bar(span: Span) -> dict[str, Any]:
    """Make a bar's plain values; `word` stands on it where it has room."""
    call, kind = span.kind == "tool", kind_of(span)
    word = t(f"timeline.kind_{kind}")
    return {
        "key": span.key,
        "lane": lane_name(span),
        "kind": kind,
        "kind_word": word,
        "word": f"{span.end - span.start:.2f} s" if call and span.status != "running" else "" if call else word,
        "mark": {"failed": "✕", "stopped": "■"}.get(span.status, ""),
        "start": round(span.start, 4),
        "end": round(span.end, 4),
        "open": span.status == "running",
        "call": call,
        "seq": span.seqs[0],
        "input": shorten(span.input, VALUE_CHARACTERS) if call else "",
        "result": shorten(span.result, VALUE_CHARACTERS) if call and span.result is not None else "",
    }
