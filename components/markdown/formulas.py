"""Formulas in a model's text: which dollars, ``\\(`` and ``\\[`` are meant as such, and which are money or brackets."""

import re
from dataclasses import dataclass

LONGEST = 4_000  # characters of a formula

_PRICE = re.compile(r"\d[\d,.]*(?:[kKmMbB]|bn)?(?![\w\\^{}])")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_NAMED = re.compile(r"\\(?:text|mathrm|operatorname|mbox|textbf|textit)\s*\{[^{}]*\}|\\[A-Za-z]+")
_MATH = re.compile(r"\\[A-Za-z]|[\^_=+<>]")
_ORDINAL = re.compile(r"(?:th|st|nd|rd|s)\b")
_CLOSERS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$", "$": "$"}


@dataclass(frozen=True)
class Formula:
    """A formula in a text, up to the offset `end`; one that is displayed has lines of its own where it may."""

    body: str
    end: int
    displayed: bool


class Formulas:
    """Finds the formulas of one paragraph. A closing mark that was looked for in vain is not looked for again."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._missing: set[str] = set()

    def match(self, start: int) -> Formula | None:
        """Return the formula that begins at `start`, if one does."""
        text = self._text
        mark = text[start : start + 2]
        if mark[0] == "$" and mark != "$$":
            mark = "$"
        if mark not in _CLOSERS or text[start : start + 3] == "$$$":
            return None
        begin = start + len(mark)
        end = self._find(_CLOSERS[mark], begin)
        if end < 0:
            return None
        body, after = text[begin:end], end + len(mark)
        before, behind = text[start - 1 : start], text[after : after + 12]
        if not body.strip() or "\n\n" in body or not _IS_MEANT[mark](before, body, behind):
            return None
        return Formula(body.strip(), after, mark in ("$$", "\\["))

    def _find(self, closer: str, begin: int) -> int:
        """Return where the closing mark stands, -1 if nowhere near. Skip what is escaped."""
        if closer in self._missing:
            return -1
        pattern = _FINDERS[closer]
        found = pattern.search(self._text, begin)
        while found and found[0] != closer:
            found = pattern.search(self._text, found.end())
        if found is None:
            self._missing.add(closer)
            return -1
        return found.start() if found.start() - begin <= LONGEST else -1


_FINDERS = {
    "\\)": re.compile(r"\\[\s\S]"),
    "\\]": re.compile(r"\\[\s\S]"),
    "$$": re.compile(r"\\[\s\S]|\$\$"),
    "$": re.compile(r"\\[\s\S]|\$"),
}


def _is_inline(before: str, body: str, behind: str) -> bool:
    """Tell a formula from money, and from names that begin with a dollar."""
    if (before.isascii() and before.isalnum()) or body[0] in "_'\"" or body[0].isspace() or body[-1].isspace():
        return False
    if behind[:1] == "$" or (behind[:1].isascii() and behind[:1].isalnum() and not _ORDINAL.match(behind)):
        return False
    if re.search(r"[-+*/=,:;&|<(\[{]$", body) and not re.search(r"[\^_{\\]\W$|\\\W$", body):
        return False
    return "`" not in body and not _is_prose(body)


def _is_prose(body: str) -> bool:
    """Tell words between two sums of money, or two names, from a formula: one word after a price, or several."""
    price = _PRICE.match(body)
    if not price and _MATH.search(body):
        return False
    words = _WORD.findall(_NAMED.sub("", body[price.end() :] if price else body))
    return len(words) > (0 if price else 1)


def _is_bracketed(before: str, body: str, behind: str) -> bool:
    """Tell a displayed formula from brackets that are escaped in order to be brackets."""
    if (before.isascii() and before.isalnum()) or before == "]" or behind[:1] == "(":
        return False
    return bool(_MATH.search(body)) or (body[0].isspace() and body[-1].isspace())


_IS_MEANT = {
    "$": _is_inline,
    "$$": lambda _before, _body, behind: behind[:1] != "$",
    "\\(": lambda _before, _body, _behind: True,
    "\\[": _is_bracketed,
}
