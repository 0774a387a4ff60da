"""Characters that arrive in two halves."""

import json
from typing import Any


class Halves:
    """Joins the halves of a character that arrive apart: an escaped surrogate pair that was cut in the middle."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, text: str) -> str:
        """Give the text with the half that came before it, without one that begins at its end.

        What stays alone has no meaning and no UTF-8 form, and is replaced.
        """
        if text.isascii() and not self._half:
            return text
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return _repaired(text)

    def rest(self) -> str:
        """Give what is left of a character whose second half never came."""
        half, self._half = self._half, ""
        return _repaired(half)


def _repaired(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def whole(sent: Any) -> Any:
    """Replace half characters in what came as JSON: they have no way to a model."""
    return json.loads(json.dumps(sent, ensure_ascii=False).encode("utf-8", "replace"))
