"""Nunjucks templates, as promptfoo has them, read as far as they are texts with variables."""

import re
from collections.abc import Iterator, Mapping

# What begins a comment, raw text, a statement, or an expression such as `{{ name }}` and `{{ 'text' }}`; each is read
# to its end by itself, so that what never ends is looked through once.
# `{{ name.pieces | join }}` is how our export has a text that promptfoo would take for something else.
_BEGIN = re.compile(r"\{#|\{%|\{\{")
_RAW = re.compile(r"\{%-?\s*raw\s*-?%\}")
_ENDRAW = re.compile(r"\{%-?\s*endraw\s*-?%\}")
_NAME = re.compile(r"([^\W\d]\w*)(\s*\|\s*safe|\.pieces \| join)?")
_LITERAL = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")
_ENDS = {"{#": "#}", "{%": "%}", "{{": "}}"}
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
    unended: set[str] = set()
    while begin := _BEGIN.search(template, end):
        start, kind = begin.span()[0], begin[0]
        if raw := _RAW.match(template, start) if "raw" not in unended else None:
            if endraw := _ENDRAW.search(template, raw.end()):
                yield template[end:start] + template[raw.end() : endraw.start()], None
                end = endraw.end()
                continue
            unended.add("raw")
        close = template.find(_ENDS[kind], start + 2) if kind not in unended else -1
        if close < 0:  # no tag after all, nor is any other of its kind that follows
            unended.add(kind)
            yield template[end : start + 1], None
            end = start + 1
            continue
        yield template[end:start], None
        end = close + 2
        tag = template[start:end]
        if kind == "{{":
            yield _expression(tag, tag[2:-2])
        elif kind == "{%":
            raise NotPlain(tag[:60])
    yield template[end:], None


def _expression(tag: str, expression: str) -> tuple[str, str | None]:
    expression = expression.removeprefix("-").removesuffix("-").strip()
    if literal := _LITERAL.fullmatch(expression):
        return literal[1] or literal[2] or "", None
    name = _NAME.fullmatch(expression)
    if not name or name[1] in _CONSTANTS or tag.startswith("{{-") or tag.endswith("-}}"):
        raise NotPlain(tag[:60])
    return "", name[1]
