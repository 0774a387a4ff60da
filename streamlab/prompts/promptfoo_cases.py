"""A promptfoo configuration's tests as cases and checks."""

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any, NamedTuple

from streamlab.prompts.assertions import Assertion, to_checks
from streamlab.prompts.cases import MAX_CELL, MAX_COLUMNS, MAX_NAME, MAX_ROWS
from streamlab.prompts.checks import Check
from streamlab.prompts.left_out import LeftOuts
from streamlab.prompts.nunjucks import NotPlain, parse, render
from streamlab.prompts.promptfoo import UNFENCED

_MAX_ASSERTIONS = 100  # of a test

Cases = tuple[tuple[str, ...], tuple[dict[str, str], ...], tuple[Check, ...]]
"""The columns, the cases and the checks of a set."""


class _Test(NamedTuple):
    values: dict[str, str]
    assertions: list[Assertion]


def to_cases(content: Mapping[str, Any], left_out: LeftOuts) -> Cases:
    """Make a case of each test, and several of one whose variables are lists; without tests there is one."""
    default = content.get("defaultTest") or {}
    if not isinstance(default, dict):
        left_out.leave("file", "defaultTest", default)
        default = {}
    shared = _assertions(default, "defaultTest", left_out)
    left_out.leave_keys(default, {"vars", "assert"}, "defaultTest")
    tests = list(islice(_tests(content.get("tests"), default, left_out), MAX_ROWS + 1))
    if len(tests) > MAX_ROWS:
        left_out.leave("limit", f"tests.{MAX_ROWS}", f"{MAX_ROWS} cases")
        del tests[MAX_ROWS:]
    columns = _columns(tests, left_out)
    cases = [{name: test.values.get(name, "") for name in columns} for test in tests] or [{}]
    asserted = [[*shared, *test.assertions] for test in tests] or [shared]
    found = to_checks(cases, asserted, MAX_COLUMNS - len(columns))
    left_out += found.left_out
    filled = tuple(case | {name: texts[row] for name, texts in found.columns.items()} for row, case in enumerate(cases))
    names = (*columns, *found.columns)
    return names, filled if names else (), tuple(found.checks)


def _columns(tests: list[_Test], left_out: LeftOuts) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for test in tests for name in test.values))
    for name in names[MAX_COLUMNS:]:
        left_out.leave("columns", "tests.vars", name)
    return names[:MAX_COLUMNS]


def _tests(tests: Any, default: Mapping[str, Any], left_out: LeftOuts) -> Iterator[_Test]:
    if isinstance(tests, str | dict):
        left_out.leave("file", "tests", tests if isinstance(tests, str) else tests.get("path", ""))
        return
    entries = tests if isinstance(tests, list) else [{}] if default.get("vars") else []
    for number, test in enumerate(entries):
        place = f"tests.{number}"
        if not isinstance(test, dict):
            left_out.leave("file", place, test)
            continue
        left_out.leave_keys(test, {"vars", "assert"}, place)
        assertions = _assertions(test, place, left_out)
        own, common = test.get("vars") or {}, default.get("vars") or {}
        if not isinstance(own, dict) or not isinstance(common, dict):
            left_out.leave("file", f"{place}.vars", own)
            continue
        for values in _products({**common, **own}, f"{place}.vars", left_out):
            yield _Test(values, assertions)


def _products(variables: Mapping[str, Any], place: str, left_out: LeftOuts) -> Iterator[dict[str, str]]:
    """Yield the values for each combination of the variables' lists, as promptfoo expands them."""
    choices: dict[str, list[str]] = {}
    for name, value in variables.items():
        texts = [text for each in (value if isinstance(value, list) else [value]) if (text := _text(each)) is not None]
        if not name.isidentifier() or len(name) > MAX_NAME:
            left_out.leave("value", place, name)
        elif not texts or (isinstance(value, list) and len(texts) < len(value)):
            left_out.leave("value", f"{place}.{name}", value if isinstance(value, str) else "")
            return
        else:
            choices[name] = texts
    for combination in product(*choices.values()):
        values = dict(zip(choices, combination, strict=True))
        try:
            yield {name: render(parse(text), values) if "{{" in text else text for name, text in values.items()}
        except (NotPlain, KeyError) as error:
            left_out.leave("template", place, error.tag if isinstance(error, NotPlain) else error)
            return


def _text(value: Any) -> str | None:
    """Return a variable's text; None for a file and for an object, except that by which our export keeps a text."""
    if isinstance(value, dict) and value.keys() == {"pieces"} and isinstance(value["pieces"], list):
        pieces = "".join(map(str, value["pieces"]))
        return "".join(f"{{{{ '{each}' }}}}" if each == "{" else each for each in pieces)  # read as it is
    if not isinstance(value, str) or value.startswith(("file:", "package:")) or len(value) > MAX_CELL:
        return None
    return value


def _assertions(test: Mapping[str, Any], place: str, left_out: LeftOuts) -> list[Assertion]:
    found: list[Assertion] = []
    entries = test.get("assert") or []
    for number, entry in enumerate(entries[:_MAX_ASSERTIONS] if isinstance(entries, list) else [entries]):
        here = f"{place}.assert.{number}"
        kind = entry.get("type") if isinstance(entry, dict) else entry
        if not isinstance(entry, dict) or not isinstance(kind, str):
            left_out.leave("assertion", here, kind if isinstance(kind, str) else "")
            continue
        if entry.get("transform", UNFENCED) != UNFENCED:  # what is then checked is not the answer
            left_out.leave("code", f"{here}.transform", kind)
            continue
        left_out.leave_keys(entry, {"type", "value", "transform"}, here)
        found.append(Assertion(kind, entry.get("value", ""), here))
    if isinstance(entries, list) and len(entries) > _MAX_ASSERTIONS:
        left_out.leave("limit", f"{place}.assert", _MAX_ASSERTIONS)
    return found
