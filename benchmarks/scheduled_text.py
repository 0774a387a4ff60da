"""Text that arrives on a schedule, the same for everyone who is measured."""

import threading
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
    """Chunks appended by a thread of its own, each at its time whether or not somebody reads.

    ``began`` is the wall clock at the first chunk.
    """

    def __init__(self, chunks: int) -> None:
        text = answer(chunks)
        self._chunks = [text[at : at + CHUNK_CHARACTERS] for at in range(0, len(text), CHUNK_CHARACTERS)]
        self._arrived = 0
        self._more = threading.Condition()
        self.began = time.time()
        threading.Thread(target=self._produce, daemon=True).start()

    def _produce(self) -> None:
        began = time.monotonic()
        for number in range(len(self._chunks)):
            time.sleep(max(0.0, began + number * CHUNK_SECONDS - time.monotonic()))
            with self._more:
                self._arrived += 1
                self._more.notify()

    def one_by_one(self) -> Iterator[str]:
        """Yield every chunk as it came."""
        for number, chunk in enumerate(self._chunks):
            self._wait_beyond(number)
            yield chunk

    def gathered(self) -> Iterator[str]:
        """Yield all that has arrived since the last item."""
        read = 0
        while read < len(self._chunks):
            arrived = self._wait_beyond(read)
            yield "".join(self._chunks[read:arrived])
            read = arrived

    def _wait_beyond(self, number: int) -> int:
        with self._more:
            self._more.wait_for(lambda: self._arrived > number)
            return self._arrived
