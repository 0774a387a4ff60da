"""Text that arrives on a schedule, the same for everyone who is measured."""

import time
from collections.abc import Iterator

PARAGRAPH = ("Streaming shows the first words of an answer while the rest is still being written. " * 5)[:398] + "\n\n"
CHUNK_CHARACTERS = 5
CHUNK_SECONDS = 0.005


def answer(chunks: int) -> str:
    """Return an answer of ``chunks`` chunks, in paragraphs of 400 characters."""
    length = chunks * CHUNK_CHARACTERS
    return (PARAGRAPH * (length // len(PARAGRAPH) + 1))[:length]


class ScheduledText:
    """Chunks that arrive each at its time, whether or not somebody reads.

    ``began`` is the wall clock at the first chunk.
    """

    def __init__(self, chunks: int) -> None:
        self._text = answer(chunks)
        self._began = time.monotonic()
        self.began = time.time()

    def one_by_one(self) -> Iterator[str]:
        """Yield every chunk as it came."""
        for read in range(0, len(self._text), CHUNK_CHARACTERS):
            self._wait_beyond(read)
            yield self._text[read : read + CHUNK_CHARACTERS]

    def gathered(self) -> Iterator[str]:
        """Yield all that has arrived since the last item."""
        read = 0
        while read < len(self._text):
            arrived = self._wait_beyond(read)
            yield self._text[read:arrived]
            read = arrived

    def _wait_beyond(self, read: int) -> int:
        """Wait for more than so many characters; return how many have arrived."""
        number = read // CHUNK_CHARACTERS
        time.sleep(max(0.0, self._began + number * CHUNK_SECONDS - time.monotonic()))
        number = max(number, int((time.monotonic() - self._began) / CHUNK_SECONDS))
        return (number + 1) * CHUNK_CHARACTERS
