"""Nunjucks templates, as promptfoo has them, read as far as they are texts with variables."""

import re
from collections.abc import Iterator, Mapping

# Comments, raw text, statements, and expressions such as `{{ name }}` and `{{ 'text' }}`.
# `{{ name.pieces | join }}` is how our export has a text that promptfoo would take for something else.
_TAG = re.compile(
    r"\{#.*?#\}|\{%-?\s*raw\s*-?%\}(.*?)\{%-?\s*endraw\s*-?%\}|\{%.*?%\}|\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL
)
_NAME = re.compile(r"([^\W\d]\w*)(\s*\|\s*safe|\.pieces \| join)?")
_LITERAL = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")
_CONSTANTS = frozenset(("true", "false", "none", "null", "env"))


class NotPlain(ValueError):
    """The template does more than fill in variables; `tag` is where, in at most 60 characters."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


Parts = tuple[tuple[str, str | None], ...]
"""Pairs of literal text and the variable that follows it, None where none does."""


def parse(template: str) -> Parts:
    """Split a template. Raise NotPlain for a filter, a condition, a loop, an attribute, the environment."""
    found: list[tuple[str, str | None]] = []
    text = ""
    for literal, name in _tokens(template):
        text += literal
        if name is not None:
            found.append((text, name))
            text = ""
    return (*found, (text, None)) if text or not found else tuple(found)


def render(parts: Parts, values: Mapping[str, str]) -> str:
    """Fill in the variables. Raise KeyError for one without a value."""
    return "".join(text if name is None else text + values[name] for text, name in parts)


def _tokens(template: str) -> Iterator[tuple[str, str | None]]:
    end = 0
    for match in _TAG.finditer(template):
        yield template[end : match.start()], None
        end = match.end()
        raw, expression = match[1], match[2]
        if raw is not None:
            yield raw, None
        elif expression is not None:
            yield _expression(match[0], expression)
        elif match[0].startswith("{%"):
            raise NotPlain(match[0][:60])
    yield template[end:], None


def _expression(tag: str, expression: str) -> tuple[str, str | None]:
    if literal := _LITERAL.fullmatch(expression):
        return literal[1] or literal[2] or "", None
    name = _NAME.fullmatch(expression)
    if not name or name[1] in _CONSTANTS or tag.startswith("{{-") or tag.endswith("-}}"):
        raise NotPlain(tag[:60])
    return "", name[1]
