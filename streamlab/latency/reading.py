"""What a reader notices of the wait: whoever has something new to read does not wait."""

import re
from dataclasses import dataclass

from streamlab.latency.observation import Observation

WORDS_A_MINUTE = 250
CHARACTERS_A_MINUTE = 500  # of Japanese

_WORD = re.compile(r"\S*\w\S*")
_JAPANESE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")  # kana, kanji, and their punctuation


def reading_seconds(text: str) -> float:
    """At 250 words a minute. A text that is mostly Japanese: at 500 characters a minute, white space not counted."""
    written = "".join(text.split())
    if 2 * len(_JAPANESE.findall(written)) > len(written):
        return len(written) / CHARACTERS_A_MINUTE * 60
    return len(_WORD.findall(text)) / WORDS_A_MINUTE * 60


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds since just before the request: how many were `noticed` as a wait, and when the reader was `done`."""

    noticed: float
    done: float


def noticed_wait(observation: Observation) -> Wait | None:
    """A reader begins with the first text and reads at an even pace; None for a call that failed.

    Each character takes the same share of `reading`. Noticed is the time until the first text, and every time at
    which all that has arrived is read: so noticed + reading = done. With invoke that is E2E, then the whole reading.
    """
    if observation.e2e is None or not observation.chunk_times:
        return None
    pace = observation.reading / sum(observation.chunk_characters)
    done = 0.0
    for time, characters in zip(observation.chunk_times, observation.chunk_characters, strict=True):
        done = max(done, time) + characters * pace
    return Wait(max(0.0, done - observation.reading), done)
