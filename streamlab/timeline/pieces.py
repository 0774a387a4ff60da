"""When the text that counts was written, in pieces of which there are few enough to be sent."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamlab.events.event import Retry, StepText, StreamEvent, TextDelta

MOST = 200  # pieces of a run


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text that the event `seq` brought at `at`; with it, all of the text has so many letters and digits."""

    at: float
    seq: int
    letters: int


def text_pieces(events: Sequence[StreamEvent]) -> list[TextPiece]:
    """Return the pieces of the text that counts, as `StepText` gathers it; a long text has longer ones.

    Letters and digits are what Markdown leaves as they are, so that a place in the text is one in what is drawn of it.
    """
    text, letters, found = StepText(), 0, list[TextPiece]()
    for event in events:
        step = text.step
        text.observe(event)
        if text.step != step or isinstance(event, Retry):
            letters = 0
            found.clear()
        if isinstance(event, TextDelta):
            letters += sum(map(str.isalnum, event.content))
            found.append(TextPiece(event.at, event.seq, letters))
    every = max(1, -(-len(found) // MOST))
    return found[::-1][::every][::-1]
