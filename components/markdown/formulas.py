"""Formulas in a model's text: which dollars, ``\\(`` and ``\\[`` are meant as such, and which are money or brackets."""

import re
from bisect import bisect_left
from dataclasses import dataclass

LONGEST = 4_000  # characters of a formula

_PRICE = re.compile(r"\d[\d,.]*(?:[kKmMbB]|bn)?(?![\w\\^{}])")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_NAMED = re.compile(r"\\(?:text|mathrm|operatorname|mbox|textbf|textit)\s*\{[^{}]*\}|\\[A-Za-z]+")
_MATH = re.compile(r"\\[A-Za-z]|[\^_=+<>]")
# Commands, and indices of one letter or of a bracket.
_TEX = re.compile(r"\\(?:[A-Za-z]|[%&#{},;:!|])|(?:(?<![A-Za-z])[A-Za-z]|[)\]}])[\^_][\w{(+\\-]|^\d+[\^_]\{")
_EQUALS = re.compile(r"\w\)?\s*[=<>]\s*[-\w(]")
_INDEX = re.compile(r"_(?:\{|\\|\w(?![A-Za-z]))[\s\S]*(?<!\.)\Z")
ENVIRONMENT = re.compile(
    r"\\begin\{((?:align|aligned|alignat|alignedat|equation|gather|gathered|split|array|cases|rcases|CD"
    r"|[bBpvV]?(?:small)?matrix)\*?)\}"
)
_ORDINAL = re.compile(r"(?:th|st|nd|rd|s)\b")
_DOLLARS = "$$"  # would end what it stands in for the browser
_CLOSERS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$", "$": "$"}


@dataclass(frozen=True)
class Formula:
    """A formula in a text, up to the offset `end`; one that is displayed has lines of its own where it may."""

    body: str
    end: int
    displayed: bool


class Formulas:
    """Finds the formulas of one paragraph."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: dict[str, list[int]] = {}  # of each closing mark

    def match(self, start: int) -> Formula | None:
        """Return the formula that begins at `start`, if one does."""
        text = self._text
        mark = text[start : start + 2]
        if mark == "\\b":
            return self._environment(start)
        if mark[0] == "$" and mark != "$$":
            mark = "$"
        if mark not in _CLOSERS or text[start : start + 3] == "$$$":
            return None
        begin = start + len(mark)
        end = self._find(_CLOSERS[mark], begin)
        if end < 0:
            return None
        body, after = text[begin:end], end + len(mark)
        before, behind = text[max(start - 1, 0) : start], text[after : after + 12]
        if not body.strip() or _DOLLARS in body or not _IS_MEANT[mark](before, body, behind):
            return None
        return Formula(body.strip(), after, mark in ("$$", "\\["))

    def _environment(self, start: int) -> Formula | None:
        """Return an environment that stands without dollars, up to its own end."""
        opened = ENVIRONMENT.match(self._text, start)
        if opened is None:
            return None
        depth = 0
        for found in re.finditer(rf"\\(begin|end)\{{{re.escape(opened[1])}\}}", self._text[start : start + LONGEST]):
            depth += 1 if found[1] == "begin" else -1
            if not depth and _DOLLARS not in found.string[: found.end()]:
                return Formula(found.string[: found.end()], start + found.end(), displayed=True)
        return None

    def _find(self, closer: str, begin: int) -> int:
        """Return where the closing mark stands, -1 if nowhere near. Skip what is escaped."""
        if closer not in self._places:
            found = _FINDERS[closer].finditer(self._text)
            self._places[closer] = [each.start() for each in found if each[0] == closer]
        places = self._places[closer]
        number = bisect_left(places, begin)
        return places[number] if number < len(places) and places[number] - begin <= LONGEST else -1


_FINDERS = {
    "\\)": re.compile(r"\\[\s\S]"),
    "\\]": re.compile(r"\\[\s\S]"),
    "$$": re.compile(r"\\[\s\S]|\$\$"),
    "$": re.compile(r"\\[\s\S]|\$"),
}


def _is_inline(before: str, body: str, behind: str) -> bool:
    """Tell a formula from money, and from names that begin with a dollar."""
    inner = body.strip()
    within = _is_alnum(before) or _is_alnum(behind[:1])
    if inner != body and (within or not body[0] == body[-1] == " " or not _is_equation(inner)):
        return False
    if behind[:1] == "$" or inner[0] in "'\"" or "`" in inner or (inner[0] == "_" and not _INDEX.match(inner)):
        return False
    if re.search(r"[-+*/=,:;&|<(\[{]$", inner) and not re.search(r"[\^_{\\]\W$|\\\W$", inner):
        return False
    if within and (_is_alnum(before) or not _ORDINAL.match(behind)):
        return _is_part(inner, behind)
    return not _is_prose(inner)


def _is_alnum(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _is_part(body: str, behind: str) -> bool:
    """Tell a formula within a word or a number, as in ``H$_2$O``, from sums of money and from names."""
    if _WORD.search(_NAMED.sub("", body)):
        return False
    if len(body) == 1:
        return body.isalpha() and not behind[:1].isdigit()  # $A$1 is a cell
    return body[0] in "^_" or bool(_TEX.search(body))


def _is_equation(body: str) -> bool:
    if "\n" in body or _WORD.search(_NAMED.sub("", body)):
        return False
    return bool(_TEX.search(body) or _EQUALS.search(body))


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


def in_text(body: str) -> str:
    """Write a formula on one line; environments that must be displayed become those that need not be."""
    return _DISPLAYED.sub(_within_text, " ".join(body.split()) if "\n" in body else body)


_DISPLAYED = re.compile(r"\\(?:begin|end)\{(align|gather|equation|alignat)\*?\}")
_WITHIN_TEXT = {"align": "aligned", "alignat": "alignedat", "gather": "gathered"}


def _within_text(found: re.Match[str]) -> str:
    name = _WITHIN_TEXT.get(found[1])
    return f"{found[0].partition('{')[0]}{{{name}}}" if name else ""
