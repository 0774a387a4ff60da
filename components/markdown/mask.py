"""A text for the block parser, in which formulas over several lines are hidden.

Their lines begin with signs that would make them items, headings, rules or quotes, and may be blank. For the parser,
each is a line of a paragraph; what stands in the document is written from its own text.
"""

import re

from components.markdown.formulas import ENVIRONMENT, LONGEST, Formulas

_CONTAINERS = re.compile(r"(?:[ \t>]|(?:[-+*]|\d{1,9}[.)])[ \t])*+")
_OPENER = re.compile(
    rf"^{_CONTAINERS.pattern}(?P<fence>`{{3,}}(?![^\n]*`)|~{{3,}})[^\n]*"
    r"(?:\n(?![ \t>]*(?P=fence)[`~]*[ \t]*$)[^\n]*)*(?:\n[^\n]*)?"
    r"|(?<!`)(?P<ticks>`+)[^`\n]+(?P=ticks)(?!`)"
    rf"|(?P<formula>\\[(\[]|\$\$?|{ENVIRONMENT.pattern})"
    r"|\\[\s\S]",
    re.MULTILINE,
)
_COMMAND = re.compile(r"\\[A-Za-z]")
_MATH = re.compile(r"\\[A-Za-z]|[\^_=+<>]")
_BLANK = re.compile(r"\n[ \t>]*\n")
_FENCE = re.compile(r"^[ \t>]*(?:`{3}|~{3})", re.MULTILINE)


def masked(text: str, *, unfinished: bool = False) -> str:
    """Return as many lines. With `unfinished`, what may yet become a displayed formula is hidden up to the end."""
    formulas = Formulas(text)
    parts: list[str] = []
    at = 0
    while found := _OPENER.search(text, at):
        start, end = found.span()
        parts.append(text[at:start])
        ends = _end(text, start, formulas, unfinished=unfinished) if found["formula"] else 0
        at = ends or _past(text, start, end)
        parts.append(_hidden(text, start, at) if ends else text[start:at])
    return "".join([*parts, text[at:]])


def _past(text: str, start: int, end: int) -> int:
    """Return where to look on: behind the closing mark of what is no formula, for that opens none either."""
    closing = text.find("$$", end) if text.startswith("$$", start) else -1
    return end if closing < 0 else closing + 2


def _end(text: str, start: int, formulas: Formulas, *, unfinished: bool) -> int:
    """Return where the formula ends that begins here, 0 if none does."""
    line = text[text.rfind("\n", 0, start) + 1 : start]
    containers = _containers(line)
    mark = text[start : start + 2]
    dollar = mark[0] == "$" != mark[1:]
    displayed = containers == line and not dollar and mark != "\\("
    formula = formulas.match(start)
    if formula and "\n" not in text[start : formula.end]:
        return formula.end
    is_closed = mark == "$$" and text.find(mark, start + 2) >= 0  # and is no formula nevertheless
    opens = unfinished and displayed and not is_closed and len(text) - start <= LONGEST
    end = formula.end if formula else len(text) if opens else 0
    body = text[start:end]
    if (dollar and not _COMMAND.search(body)) or _FENCE.search(body):
        return 0
    if formula and _BLANK.search(body) and not (displayed and _MATH.search(body)):
        return 0
    return end if all(map(_inside(containers).match, body.split("\n")[1:])) else 0


def _containers(line: str) -> str:
    return _CONTAINERS.match(line)[0]  # type: ignore[index]


def _inside(containers: str) -> re.Pattern[str]:
    """Return what begins each further line within the same quotes."""
    return re.compile(rf"(?:[ \t]*>){{{containers.count('>')}}}[ \t]*")


def _hidden(text: str, start: int, end: int) -> str:
    """Write a formula over several lines as words, each line within the same containers."""
    body = text[start:end]
    if "\n" not in body:
        return body
    containers = _containers(text[text.rfind("\n", 0, start) + 1 : start])
    inside = _inside(containers)
    blank = re.sub(r"[^>\t]", " ", containers) + "x"
    first, *lines = body.split("\n")
    out = [re.sub(r"\S", "x", first)]
    for line in lines:
        kept = inside.match(line)[0]  # type: ignore[index]
        rest = line[len(kept) :]
        out.append(kept + re.sub(r"\S", "x", rest) if rest.strip() else blank)
    return "\n".join(out)
