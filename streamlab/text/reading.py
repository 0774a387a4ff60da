"""How much there is to read: in words, or in characters where the script has no spaces between words."""

import re
from typing import Literal

Unit = Literal["words", "characters"]

_SPACELESS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


def unit_of(text: str) -> Unit:
    """Return what the text is counted in."""
    return "characters" if len(_SPACELESS.findall(text)) > len(text.split()) else "words"


def amount(text: str, unit: Unit) -> int:
    """Count the text; the browser's clients count in the same way (components/relay/client/client.js)."""
    words = text.split()
    return len(words) if unit == "words" else sum(map(len, words))
