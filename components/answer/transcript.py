"""The text of an answer while it arrives."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from streamlit.delta_generator import DeltaGenerator

from components.answer.markdown import draw_markdown
from components.markdown.blocks import MarkdownBlocks, frame_seconds
from components.markdown.bounds import LONGEST, SHOWN


def write(place: DeltaGenerator, arriving: Iterator[str], frames: float = 1.0) -> str:
    """Show text in ``place``, an ``st.empty()``, as it arrives, and return all of it.

    Each item of ``arriving`` is everything that has come since the last one; asking for the next blocks until there
    is some. It is asked once a frame, so that text gathers meanwhile; ``frames`` multiplies the length of a frame.
    Finished blocks become elements of their own while the answer is being written; in the end the whole replaces them
    all, so that links and footnotes find what they refer to. An exception, also Streamlit's own that stop a script,
    leaves what is shown as it is.
    """
    texts: list[str] = []
    slots = _Slots(place.container())
    slots.container.write_stream(_drawings(place, slots, arriving, texts, frames))
    whole = "".join(texts)
    draw_markdown(whole, place, instead_of=slots.count)
    return whole


@dataclass
class _Slots:
    """Places for the blocks, one beneath the other."""

    container: DeltaGenerator
    count: int = 0

    def add(self) -> DeltaGenerator:
        self.count += 1
        return self.container.empty()


def _drawings(
    place: DeltaGenerator, slots: _Slots, arriving: Iterator[str], texts: list[str], frames: float
) -> Iterator[Callable[[], None]]:
    """Yield what draws each frame, for ``st.write_stream`` to call.

    It is not given the text itself, as it only ever adds to what it has and lets the browser complete it: what comes
    next may show that a dollar begins a formula, or that a bracket is a picture's.
    """
    blocks, slot, length, shown = MarkdownBlocks(), slots.add(), 0, ""
    for text in arriving:
        began = time.monotonic()
        texts.append(text)
        length += len(text)
        if length > LONGEST:  # from here on all of it is plain text, until no more of it is shown
            if length - len(text) < SHOWN:
                yield partial(draw_markdown, "".join(texts), place, instead_of=slots.count)
            pause = frame_seconds(min(length, SHOWN))
        else:
            finished, opened = blocks.feed(text)
            if finished:
                yield partial(draw_markdown, finished, slot)
                slot = slots.add()
            if opened == shown:  # nothing is decided yet
                continue
            yield partial(draw_markdown, opened, slot, unfinished=True)
            shown, pause = opened, blocks.frame_seconds
        time.sleep(max(0.0, began + pause * frames - time.monotonic()))
