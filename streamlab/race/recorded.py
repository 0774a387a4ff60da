"""Races that were recorded, one in each language, for when nobody has asked for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from streamlab.events.event import StreamEvent
from streamlab.events.recording import read_recording

DATA = files("streamlab") / "data"
# First words after 0.4 s, and a usual answer after about 8 s; the same words in the same rhythm to both.
MODEL = "demo?first=0.4&rate=38&seed=7"


@dataclass(frozen=True, slots=True)
class RecordedRace:
    """The events of both runs, as `python -m scripts.record_race` took them down."""

    whole: Sequence[StreamEvent]
    streamed: Sequence[StreamEvent]


def file_of(language: str, lane: str) -> str:
    return f"race.{language}.{lane}.jsonl"


@cache
def recorded_race(language: str) -> RecordedRace:
    """Return the race that was recorded in this language."""
    whole, streamed = (read_recording((DATA / file_of(language, lane)).read_bytes()) for lane in ("whole", "streamed"))
    return RecordedRace(whole, streamed)
