"""Prompt templates with `{variables}`."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

MAX_CHARACTERS = 32_000

TemplateErrorCode = Literal["empty", "too_long", "open_brace", "close_brace", "empty_name", "bad_name"]

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class TemplateError(ValueError):
    """An error in a template, as a `code` and the 0-based `position` of the character where it is."""

    def __init__(self, code: TemplateErrorCode, position: int) -> None:
        super().__init__(f"character {position}: {code}")
        self.code = code
        self.position = position


def variables(template: str) -> tuple[str, ...]:
    """Return the variables' names, each once, in order of appearance. Raise TemplateError.

    Braces are those of Python's format strings: `{name}` is a variable, `{{` and `}}` are braces. A name is an
    identifier, Japanese ones included. Attributes, indexes, conversions and format specifications are no names.
    """
    return tuple(dict.fromkeys(name for _, name in parts(template) if name is not None))


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replace every variable by its value, which is never read as a template itself.

    Raise TemplateError, or KeyError for a variable without a value.
    """
    return "".join(text if name is None else text + values[name] for text, name in parts(template))


def parts(template: str) -> list[tuple[str, str | None]]:
    """Split into pairs of literal text and the variable that follows it, None where none does. Raise TemplateError."""
    if not template.strip():
        raise TemplateError("empty", 0)
    if len(template) > MAX_CHARACTERS:
        raise TemplateError("too_long", MAX_CHARACTERS)
    return list(_parts(template))


def _parts(template: str) -> Iterator[tuple[str, str | None]]:
    text, end = "", 0
    for match in _BRACES.finditer(template):
        text += template[end : match.start()]
        end = match.end()
        if match[0] in ("{{", "}}"):
            text += match[0][0]
        else:
            yield text, _name(match)
            text = ""
    yield text + template[end:], None


def _name(match: re.Match[str]) -> str:
    name: str | None = match[1]
    if name is None:
        raise TemplateError("open_brace" if match[0] == "{" else "close_brace", match.start())
    if not name:
        raise TemplateError("empty_name", match.start())
    if not name.isidentifier():
        raise TemplateError("bad_name", match.start())
    return name
