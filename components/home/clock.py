"""The clocks of a race. What is in the browser is in client/."""

from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from typing import Literal, Self

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page import colors
from components.page.texts import t
from streamlab.events.outcome import Outcome

Lane = Literal["whole", "streamed"]

TEXT_HEIGHT = 200  # pixels of an answer on its way
WORDS = ("seconds", "waiting", "reading", "complete", "failed")

_FOLDER = files("components.home") / "client"
_MARKS = {"waiting": colors.WAITING, "model": colors.MODEL, "failed": colors.FAILED}
_STYLE = f":host {{ {' '.join(f'--{name}: {color};' for name, color in _MARKS.items())} --text: {TEXT_HEIGHT}px; }}\n"
HTML = '<div class="race"></div>'


def read(*names: str) -> str:
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


CSS = _STYLE + read("race.css")

_component = st.components.v2.component("race_clock", html=HTML, css=CSS, js=read("element.js", "clock.js", "live.js"))


@dataclass(frozen=True, slots=True)
class Times:
    """What a clock tells: seconds since the question; None for what has not come. `failed`: the end was a failure."""

    first: float | None = None
    end: float | None = None
    failed: bool = False

    @classmethod
    def begun(cls, first: float | None) -> Self:
        """Make those of an answer that has no end yet."""
        return cls(None if first is None else tenths(first))

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Read them from what an answer came to."""
        begun = cls.begun(outcome.timings.ttft)
        return replace(begun, end=tenths(outcome.timings.total), failed=outcome.status in ("failed", "lost"))


def tenths(seconds: float) -> float:
    """Round as people are told it, so that the difference of two clocks is that of what they show."""
    return round(seconds, 1)


def words() -> dict[str, str]:
    return {name: t(f"home.clock_{name}") for name in WORDS}


def draw_clock(place: DeltaGenerator, lane: Lane, times: Times, elapsed: float) -> None:
    """Draw the clock of one answer, which the browser lets go on from `elapsed` seconds until the answer has its end.

    It has no key: within one script it may be drawn anew.
    """
    data = {"name": t(f"home.lane_{lane}"), "words": words(), "elapsed": elapsed, **asdict(times)}
    with place:
        _component(data=data)
