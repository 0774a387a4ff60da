"""Excerpts of this app's own source, read when they are shown."""

import ast
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources.abc import Traversable
from textwrap import dedent
from typing import Any

import streamlit as st

SourceObject = Callable[..., Any] | type


@dataclass(frozen=True)
class Excerpt:
    """Lines of a source file; the first has the number `line`."""

    path: str
    line: int
    text: str

    def draw(self, title: str = "") -> None:
        place = f"`{self.path}:{self.line}`"
        st.caption(f"{title} · {place}" if title else place)
        st.code(self.text, language=self.path.rpartition(".")[2].replace("py", "python"), wrap_lines=True)


@cache  # every drawing of a page asks for it
def excerpt_of(code: SourceObject) -> Excerpt:
    lines, first = inspect.getsourcelines(code)
    return _excerpt(code, first, lines)


def case_excerpts(function: Callable[..., Any], name: str) -> Iterator[Excerpt]:
    """Yield the `case`s of a function's `match` whose bodies contain this string."""
    lines, first = inspect.getsourcelines(function)
    for node in ast.walk(ast.parse(dedent("".join(lines)))):
        if isinstance(node, ast.match_case):
            inner = (inner for part in node.body for inner in ast.walk(part))
            if any(isinstance(part, ast.Constant) and part.value == name for part in inner):
                start = node.pattern.lineno
                yield _excerpt(function, first + start - 1, lines[start - 1 : node.body[-1].end_lineno])


def entry_excerpts(table: Traversable, name: str) -> Iterator[Excerpt]:
    """Yield the entries of this name in the tables of a TOML file, whose lists end with a line of their own."""
    lines = table.read_text("utf-8").splitlines(keepends=True)
    for start, line in enumerate(lines):
        if line.startswith(f"{name} = ["):
            end = next(number for number in range(start, len(lines)) if lines[number].rstrip().endswith("]"))
            path = f"streamlab/data/{table.name}"
            yield Excerpt(path, start + 1, "".join(lines[start : end + 1]))


def _excerpt(code: SourceObject, line: int, lines: Sequence[str]) -> Excerpt:
    return Excerpt(f"{code.__module__.replace('.', '/')}.py", line, dedent("".join(lines)))
