"""Texts cut into chunks, and the times at which the chunks are due."""

import re
from collections.abc import Iterator
from itertools import count
from random import Random

from streamlab.demo_model.options import Options

TOKEN = re.compile(
    r"""
      [ ]?[A-Za-z0-9]{1,12}   # a word with the space before it
    | [ぁ-ゖ]{1,3}
    | [ァ-ヺー]{1,3}
    | [一-鿿々]{1,2}
    | \n+
    | [ ]?(?s:.)              # anything else by the character
    """,
    re.VERBOSE,
)


def cut(text: str, size: int | None) -> list[str]:
    """Cut a text into pieces of `size` characters, or into word-like ones."""
    if size is None:
        return TOKEN.findall(text)
    return [text[start : start + size] for start in range(0, len(text), size)]


def synthetic(length: int, paragraph: int | None) -> str:
    """Make numbered words, so that a loss or a repetition shows, in paragraphs of so many characters."""
    if paragraph is None:
        return _words(length)
    prose = _words(length)
    inner = paragraph - 2
    whole = "".join(prose[start : start + inner] + "\n\n" for start in range(0, length, inner))
    return whole[:length]


def _words(length: int) -> str:
    words: list[str] = []
    missing = length
    for number in count(1):
        if missing <= 0:
            break
        words.append(f"word{number} ")
        missing -= len(words[-1])
    return "".join(words)[:length]


def due_times(options: Options, random: Random, reading: float = 0.0) -> Iterator[float]:
    """Yield the seconds after the request at which the first, second, third … chunk is due; `reading` come before all.

    Each is counted from the request, not from the chunk before it, so neither jitter nor a late write adds up.
    """
    first = reading + options.first * (1 + options.jitter * random.uniform(-1, 1))
    yield first
    for index in count(1):
        yield first + (index + options.jitter * random.uniform(-0.5, 0.5)) / options.rate
