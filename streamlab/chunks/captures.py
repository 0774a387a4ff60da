"""Captures: one question, read in several modes at once. They outlive the page that started them."""

import secrets
import threading
from dataclasses import dataclass

from streamlab.chunks.capture import Capture, CaptureReader, Client, Question
from streamlab.chunks.modes import TOPICS, ReadMode
from streamlab.hub.registry import Registry
from streamlab.models.catalog import Models
from streamlab.models.options import check_question
from streamlab.settings import Settings

AT_ONCE = 4  # sets; each is three or four calls of the model
KEPT = 20
CLOSE_SECONDS = 3


class TooManyCaptures(RuntimeError):
    """As many as may run at once are running."""


@dataclass(frozen=True, slots=True)
class CaptureSet:
    """The captures of one question, as they stood at one moment. `timed`: their times were measured."""

    id: str
    question: Question
    captures: tuple[Capture, ...]
    timed: bool = True

    @property
    def running(self) -> bool:
        return any(capture.state == "running" for capture in self.captures)


class Captures:
    """The captures of this process, the newest `KEPT` sets. For any thread."""

    def __init__(self, settings: Settings, models: Models) -> None:
        self._settings = settings
        self._models = models
        self._lock = threading.Lock()
        self._known: Registry[tuple[Question, list[CaptureReader]]] = Registry(KEPT, _are_running)

    def start(self, question: Question) -> str:
        """Begin all modes of the question's topic, and answer the id. Raises InvalidQuestion or TooManyCaptures."""
        check_question(question.text)
        with self._lock:
            if sum(map(_are_running, self._known)) >= AT_ONCE:
                raise TooManyCaptures(f"{AT_ONCE} sets of captures are running")
            readers = [self._reader(question, mode) for mode in TOPICS[question.topic]]
            capture_id = secrets.token_hex(16)
            self._known.keep(capture_id, (question, readers))
            for reader in readers:
                reader.start()
        return capture_id

    def find(self, capture_id: str | None) -> CaptureSet | None:
        """Return the set as it stands."""
        found = self._known.find(capture_id)
        if not found or not capture_id:
            return None
        question, readers = found
        return CaptureSet(capture_id, question, tuple(reader.capture for reader in readers))

    def stop(self, capture_id: str) -> None:
        """End them at the model; the chunks so far stay. Those that have ended are left as they are."""
        if found := self._known.find(capture_id):
            for reader in found[1]:
                reader.stop()

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            readers = [reader for _, readers in self._known for reader in readers]
        for reader in readers:
            reader.stop()
        for reader in readers:
            reader.join(CLOSE_SECONDS)

    def _reader(self, question: Question, mode: ReadMode) -> CaptureReader:
        total = self._settings.lab_total_timeout
        # An answer that is not streamed comes after a silence as long as the answer.
        silence = total if mode == "invoke" else self._settings.lab_silence_timeout
        return CaptureReader(mode, Client(self._models, question, silence), total)


def _are_running(known: tuple[Question, list[CaptureReader]]) -> bool:
    return any(reader.running for reader in known[1])
