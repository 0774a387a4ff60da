"""What of a step's text a client was sent, as a value that is cheap to compare and to add to."""

import json
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic_core import PydanticSerializationError, to_json

Pieces = tuple[Any, str] | None
"""The last piece, after all before it: those who have read alike share the most of it."""


@dataclass(frozen=True, slots=True)
class SentText:
    """The text of `step` as far as it was sent.

    Clients of one log that were sent as much of a step were sent the same, so only the length is compared.
    """

    step: int = 0
    length: int = 0
    _pieces: Pieces = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        pieces, texts = self._pieces, []
        while pieces:
            pieces, text = pieces
            texts.append(text)
        return "".join(reversed(texts))

    def add(self, text: str) -> Self:
        return type(self)(self.step, self.length + len(text), (self._pieces, text))

    def missing(self, whole: str) -> str | None:
        """Return what is left to send of the `whole` text; None where what was sent is not its beginning."""
        return whole[self.length :] if whole.startswith(str(self)) else None


def json_of(value: Any) -> bytes:
    """Encode as one line of JSON. Text that no encoding can write, a lone surrogate, is escaped."""
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError):
        return json.dumps(value, separators=(",", ":")).encode()


def arguments_of(value: Any) -> str:
    """Write what a function is called with, as OpenAI does: JSON in a text. What is text already was none."""
    return value if isinstance(value, str) else json_of(value).decode()
