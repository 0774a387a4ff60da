"""Regular expressions from users: compiled within bounds, searched within a time limit."""

from functools import lru_cache

import regex

SECONDS = 0.5
MAX_CHARACTERS = 1_000
MAX_GROUPS = 50  # within each other; the parser calls itself for each
MAX_COPIES = 20_000  # characters of a pattern whose repeats are written out; the engine takes about 10 ms for them

# The engine compiles `{n}` to n copies, nested ones to their product: 36 characters can take all the memory there is.
_TOKEN = regex.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\s*(\d*)\s*(?:,\s*\d*\s*)?\}|.", regex.DOTALL)
_RECURSION = regex.compile(r"\(\?(?:R|[+-]?\d|&|P>)")


class BadPattern(ValueError):
    """The pattern is not a regular expression."""


class TooComplex(Exception):
    """The pattern is too long or repeats too much, or the search took longer than its time limit."""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> "regex.Pattern[str]":
    """Compile a pattern. Raise BadPattern or TooComplex."""
    if len(pattern) > MAX_CHARACTERS or _copies(pattern) > MAX_COPIES or _RECURSION.search(pattern):
        raise TooComplex
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise BadPattern(str(error)) from None
    except (RecursionError, OverflowError, ValueError, KeyError, IndexError):  # of what its parser does not foresee
        raise BadPattern("the pattern cannot be read") from None


def search(pattern: str, text: str, seconds: float = SECONDS) -> bool:
    """Tell whether the pattern matches anywhere in the text. Raise BadPattern or TooComplex.

    The search lets other threads run, and ends after `seconds` whatever the pattern is.
    """
    try:
        return compile_pattern(pattern).search(text, timeout=seconds) is not None
    except (TimeoutError, MemoryError):
        raise TooComplex from None


def _copies(pattern: str) -> int:
    """Estimate the pattern's length with its repeats written out; return at most MAX_COPIES + 1."""
    sizes, last = [0], 0  # of the open groups, and of what a repeat would repeat
    for token in _TOKEN.finditer(pattern):
        repeat: str | None = token[1]
        if token[0] == "(":
            sizes.append(1)
        elif token[0] == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif repeat is not None:
            added = last * max(0, int(repeat[:9] or 0) - 1)
            last += added
            sizes[-1] += added
        else:
            last = 1
            sizes[-1] += last
        if sum(sizes) > MAX_COPIES or len(sizes) > MAX_GROUPS:
            return MAX_COPIES + 1
    return sum(sizes)
