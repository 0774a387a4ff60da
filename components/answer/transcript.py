"""The text of an answer while it arrives."""

import time
from collections.abc import Iterator

from streamlit.delta_generator import DeltaGenerator

from components.answer.markdown_blocks import MarkdownBlocks, StreamPart


def write(place: DeltaGenerator, arriving: Iterator[str], frames: float = 1.0) -> str:
    """Show text in ``place``, an ``st.empty()``, as it arrives, and return all of it.

    Each item of ``arriving`` is everything that has come since the last one; asking for the next blocks until there
    is some. It is asked once a frame, so that text gathers meanwhile; ``frames`` multiplies the length of a frame.
    Finished blocks become elements of their own while the answer is being written; in the end one ``st.markdown``
    replaces them all, so that links and footnotes find what they refer to. An exception, also Streamlit's own that
    stop a script, leaves what is shown as it is.
    """
    texts: list[str] = []
    place.container().write_stream(_parts(arriving, texts, frames))
    whole = "".join(texts)
    place.markdown(whole)
    return whole


def _parts(arriving: Iterator[str], texts: list[str], frames: float) -> Iterator[StreamPart]:
    blocks = MarkdownBlocks()
    for text in arriving:
        began = time.monotonic()
        texts.append(text)
        parts = blocks.feed(text)
        yield from parts
        if parts:
            time.sleep(max(0.0, began + blocks.frame_seconds * frames - time.monotonic()))
