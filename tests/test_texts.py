"""The texts of both languages, and what the code asks of them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from components.page.texts import LANGUAGES, texts
from streamlab.gateway.docs.operations import operations
from streamlab.gateway.http import create_app
from streamlab.models.failures import CODES
from streamlab.runs.run import StopReason
from streamlab.settings import Settings

ROOT = Path(__file__).parent.parent
WIDGETS = ROOT / "components" / "page" / "widgets.py"  # asks for the texts of the widgets that others name
DOCS = ROOT / "streamlab" / "gateway" / "docs" / "page.html"  # the gateway's own page
SCREEN = [path for path in (*ROOT.glob("components/**/*.py"), *ROOT.glob("pages/*.py")) if path != WIDGETS]
# Where the codes come from that complete a key, as in `error.{code}` and `timeline.broken_{code}`.
CORE = [
    *(
        ROOT / "streamlab" / path
        for path in (
            "attachments/files.py",
            "events/codes.py",
            "events/recording.py",
            "faults/trials.py",
            "hub/hub.py",
            "runs/run.py",
        )
    ),
    *(
        path
        for folder in ("chunks", "latency", "models", "prompts", "rooms")
        for path in (ROOT / "streamlab" / folder).rglob("*.py")
    ),
]
KEY = re.compile(r"[a-z]+\.[a-z0-9_]+")

languages = pytest.mark.parametrize("language", LANGUAGES)


@dataclass(frozen=True)
class Use:
    """A call of `t`. `keys` are all that it can ask for; `values` fill the placeholders."""

    place: str
    written: str
    keys: frozenset[str]
    values: frozenset[str]


@cache
def uses() -> list[Use]:
    """Every call of `t` on the pages. A part of a key that is computed may be any string that the code names."""
    named = {word for path in (*SCREEN, *CORE) for word in strings(ast.parse(path.read_text("utf-8")))}
    page = frozenset(f"api.{name}" for name in re.findall(r"\btext\.(\w+)", DOCS.read_text("utf-8")))
    described = operations(create_app(Settings(_env_file=None)).openapi(), "", tokens=False)
    tags = frozenset(f"api.tag_{each.tag}" for each in described)
    return [
        *(use for path in SCREEN for use in _uses(path, named)),
        Use(DOCS.name, "text", page | tags, frozenset()),
    ]


def _uses(path: Path, named: set[str]) -> Iterator[Use]:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="t"), args=[key], keywords=keywords):
                values = frozenset(keyword.arg or "" for keyword in keywords)
                yield Use(f"{path.name}:{node.lineno}", ast.unparse(key), frozenset(_keys(key, tree, named)), values)
            case ast.Subscript(value=ast.Call(func=ast.Name(id="texts")), slice=key):
                yield Use(
                    f"{path.name}:{node.lineno}", ast.unparse(key), frozenset(_keys(key, tree, named)), frozenset()
                )
            case ast.Call(func=ast.Name(id="button" | "control" | "choice" | "download" as kind), args=[name, *_]):
                endings = {"help"} | (named if kind == "choice" else set())
                widgets = set(_keys(name, tree, named))
                keys = widgets | {f"{widget}_{ending}" for widget in widgets for ending in endings} & texts("en").keys()
                yield Use(f"{path.name}:{node.lineno}", ast.unparse(name), frozenset(keys), frozenset())


def _keys(node: ast.expr, tree: ast.Module, named: set[str]) -> Iterator[str]:
    match node:
        case ast.IfExp(body=body, orelse=other):
            yield from _keys(body, tree, named)
            yield from _keys(other, tree, named)
        case ast.Name(id=name):
            for statement in ast.walk(tree):
                if isinstance(statement, ast.Assign) and name in {ast.unparse(target) for target in statement.targets}:
                    yield from _keys(statement.value, tree, named)
        case ast.JoinedStr(values=parts):
            pattern = "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else "(.+)" for part in parts
            )
            found = ((key, re.fullmatch(pattern, key)) for key in texts("en"))
            yield from (key for key, match in found if match and named.issuperset(match.groups()))
        case _:
            yield from (word for word in strings(node) if KEY.fullmatch(word))


def strings(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@languages
def test_every_language_has_every_key(language: str) -> None:
    """A key that is missing in one language would be an error on the page there."""
    assert texts(language).keys() == texts("en").keys()


@languages
def test_placeholders_are_those_of_the_english_text(language: str) -> None:
    """What is filled in is filled in everywhere."""
    assert {key: placeholders(text) for key, text in texts(language).items()} == {
        key: placeholders(text) for key, text in texts("en").items()
    }


@languages
def test_no_text_is_empty_or_framed_by_blanks(language: str) -> None:
    """Blanks at the ends would show, or break emphasis."""
    assert [key for key, text in texts(language).items() if not text or text != text.strip()] == []


def test_japanese_is_japanese() -> None:
    """Only names stay as they are."""
    japanese = re.compile("[ぁ-ゖァ-ヺ一-鿿]")
    assert [key for key, text in texts("ja").items() if not japanese.search(text)] == ["app.title"]


def test_every_key_that_the_code_asks_for_exists() -> None:
    """A key is written out, or computed from parts that give at least one."""
    missing = [f"{use.place}: {key}" for use in uses() for key in use.keys if key not in texts("en")]
    assert missing == []
    assert [f"{use.place}: {use.written}" for use in uses() if not use.keys] == []


def test_every_key_is_used() -> None:
    """A text that nobody shows is not translated for nothing."""
    assert texts("en").keys() - {key for use in uses() for key in use.keys} == set()


def test_every_placeholder_is_filled_and_nothing_else_is_given() -> None:
    """A call fills what the text of its key has; one for several keys may give more than each of them needs."""
    for use in uses():
        needed = {name for key in use.keys for name in placeholders(texts("en")[key])}
        assert needed == use.values, use


@languages
def test_every_failure_has_a_sentence_and_what_to_do_next(language: str) -> None:
    """Whatever code a run ends with, people are told about it."""
    wanted = {f"error.{code}{ending}" for code in CODES for ending in ("", "_next")}
    assert {key for key in texts(language) if key.startswith("error.")} == wanted


@languages
def test_every_reason_to_stop_has_a_sentence(language: str) -> None:
    """A run that was stopped by someone says `chat.stopped`, any other the reason; one that was lost has failed."""
    reasons = set(get_args(StopReason)) - {"lost"}
    wanted = {"stopped" if reason == "asked" else reason for reason in reasons}
    assert {f"chat.{reason}" for reason in wanted} <= texts(language).keys()
