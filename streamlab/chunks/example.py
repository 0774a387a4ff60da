"""An example for who has read nothing yet: what the three parsers make of a text that is given."""

from functools import lru_cache
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser

from streamlab.chunks.capture import Capture, Question
from streamlab.chunks.captures import CaptureSet
from streamlab.chunks.modes import READ_MODES, ReadMode
from streamlab.chunks.views import chunk_view
from streamlab.models.options import Options

EXAMPLE = "example"  # the id of its set


@lru_cache(maxsize=4)
def example(text: str) -> CaptureSet:
    """Read the text, cut where `|` stands, with each parser. Nobody was asked, so it has no times."""
    messages = [AIMessageChunk(content=piece) for piece in text.split("|")]
    read: dict[ReadMode, list[Any]] = {
        "message": messages,
        "text": list(StrOutputParser().transform(iter(messages))),
        "json": list(JsonOutputParser().transform(iter(messages))),
    }
    captures = (_capture(mode, chunks) for mode, chunks in read.items())
    return CaptureSet(EXAMPLE, Question("parsers", "", Options("")), tuple(captures), timed=False)


def _capture(mode: ReadMode, chunks: list[Any]) -> Capture:
    kind = READ_MODES[mode][2]
    views = tuple(chunk_view(kind, number, 0.0, chunk) for number, chunk in enumerate(chunks, 1))
    return Capture(mode, views, state="completed")
