"""Assertions of promptfoo's as checks of ours: those that say the same, and a list of the others."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from streamlab.prompts.checks import MAX_CHECKS, Check, check_variables
from streamlab.prompts.left_out import LeftOutCode, LeftOuts
from streamlab.prompts.nunjucks import NotPlain, Parts, parse, render
from streamlab.prompts.scalars import with_types


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion as it is written, and where."""

    type: str
    value: Any
    place: str


class _Wanted(NamedTuple):
    """One check of a case: its kind, and the parts of each of its texts."""

    kind: str
    texts: tuple[Parts, ...]
    place: str

    @property
    def same(self) -> tuple[str, tuple[Parts, ...]]:
        return self.kind, self.texts


@dataclass(slots=True)
class CheckedCases:
    """Checks for all cases. What differs from case to case stands in `columns` of their own, a text for each case."""

    checks: list[Check] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    left_out: LeftOuts = field(default_factory=LeftOuts)


_CHECK: TypeAdapter[Check] = TypeAdapter(Check)

# The kinds whose value is a text with `{column}`: what they are here, and how a list becomes one value or several.
_TEXT_KINDS: dict[str, dict[str, Any]] = {
    "equals": {"type": "equals"},
    "contains": {"type": "contains"},
    "icontains": {"type": "contains", "ignore_case": True},
    "not-contains": {"type": "not_contains"},
    "not-icontains": {"type": "not_contains", "ignore_case": True},
}
_EACH_OF = {  # lists that want each of their texts
    "contains-all": "contains",
    "icontains-all": "icontains",
    "not-contains-any": "not-contains",
    "not-icontains-any": "not-icontains",
}
_PATTERNS = {"starts-with": "^{}", "contains-any": "(?:{})", "icontains-any": "(?i)(?:{})", "regex": "{}"}
_COLUMN_VALUES = dict.fromkeys(_TEXT_KINDS, "{}") | {"starts-with": "^{}"}  # whose text may differ from case to case
_JSON = "is-json"
_WORDS = "word-count"
_CODE = frozenset(("javascript", "python", "ruby", "webhook"))

# Every type there is, by which a cell of a table is an assertion, and otherwise a text to be equal to.
_TYPES = {*_TEXT_KINDS, *_EACH_OF, *_PATTERNS, *_CODE, _JSON, _WORDS}
_OTHER_TYPES = re.compile(
    r"answer-relevance|bleu|classifier|contains-html|contains-json|contains-sql|contains-xml|"
    r"context-faithfulness|context-recall|context-relevance|conversation-relevance|cost|factuality|"
    r"finish-reason|g-eval|gleu|guardrails|is-html|is-refusal|is-sql|is-valid-function-call|"
    r"is-valid-openai-function-call|is-valid-openai-tools-call|is-xml|latency|levenshtein|llm-rubric|"
    r"max-score|meteor|model-graded-closedqa|model-graded-factuality|moderation|perplexity|"
    r"perplexity-score|pi|rouge-n|search-rubric|select-best|similar|skill-used|tool-call-f1|"
    r"trace-error-spans|trace-span-count|trace-span-duration"
)
_CELL = re.compile(r"(not-)?([a-z][a-z\d-]*)(?:\([\d.]+\))?(?::\s*(.*))?", re.DOTALL)
_PREFIXES = {"fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}


def parse_cell(cell: str, place: str) -> Assertion:
    """Read a cell of an `__expected` column as promptfoo does: `contains: tea`, or a text that is the whole answer."""
    match = _CELL.fullmatch(cell.strip())
    if match:
        kind = _PREFIXES.get(match[2], match[2])
        full = (match[1] or "") + kind
        if kind in _TYPES or full in _TYPES or _OTHER_TYPES.fullmatch(kind):
            value = (match[3] or "").strip()
            listed = kind.endswith(("-all", "-any"))
            return Assertion(full, [part.strip() for part in value.split(",")] if listed else value, place)
    return Assertion("equals", cell, place)


def to_checks(cases: Sequence[Mapping[str, str]], asserted: Sequence[Iterable[Assertion]], room: int) -> CheckedCases:
    """Make checks of each case's assertions; there is `room` for so many columns.

    What is wanted of every case is one check; other texts get a column, which is empty where nothing is wanted.
    """
    found = CheckedCases()
    wanted = [_translate_all(assertions, found) for assertions in asserted]
    names = set(cases[0]) if cases else set()
    common = _common(wanted, names)
    for each in common:
        _add_check(found, each, _fields(each))
    rest: dict[str, list[list[_Wanted]]] = {}
    for number, row in enumerate(wanted):
        shared = [each.same for each in common]
        for each in row:
            if each.same in shared:
                shared.remove(each.same)
            else:
                rest.setdefault(each.kind, [[] for _ in wanted])[number].append(each)
    for kind, rows in rest.items():
        _add_columns(found, kind, rows, cases, room)
    return found


def _common(wanted: list[list[_Wanted]], names: set[str]) -> list[_Wanted]:
    """Return what every case wants, and can be said without a column of its own."""
    common: list[_Wanted] = []
    counts = [[each.same for each in row] for row in wanted]
    for each in wanted[0] if wanted else ():
        needed = [other.same for other in common].count(each.same) + 1
        if all(row.count(each.same) >= needed for row in counts) and _can_be_written(each, names):
            common.append(each)
    return common


def _can_be_written(wanted: _Wanted, names: set[str]) -> bool:
    """Tell whether the check's `{columns}` are the assertion's variables: braces in its text can look like one."""
    meant = {name for parts in wanted.texts for _, name in parts if name is not None}
    try:
        named = set(check_variables(_CHECK.validate_python(_fields(wanted))))
    except ValidationError:
        return True
    return meant <= names and named & names == meant


def _add_check(found: CheckedCases, wanted: _Wanted, fields: Mapping[str, Any]) -> bool:
    try:
        check = _CHECK.validate_python(fields)
    except ValidationError:
        found.left_out.leave("value", wanted.place, wanted.kind)
        return False
    if check not in found.checks:
        if len(found.checks) >= MAX_CHECKS:
            found.left_out.leave("limit", wanted.place, f"{MAX_CHECKS} checks")
            return False
        found.checks.append(check)
    return True


def _add_columns(
    found: CheckedCases, kind: str, rows: list[list[_Wanted]], cases: Sequence[Mapping[str, str]], room: int
) -> None:
    """Put what each case wants of this kind into columns: as many as one case wants at most."""
    if kind not in _COLUMN_VALUES:
        for wanted in (wanted for row in rows for wanted in row):
            found.left_out.leave("by_case", wanted.place, kind)
        return
    for place in range(max(map(len, rows))):
        row_of = {number: row[place] for number, row in enumerate(rows) if len(row) > place}
        first = next(iter(row_of.values()))
        if len(found.columns) >= room:
            for wanted in row_of.values():
                found.left_out.leave("columns", wanted.place, kind)
            continue
        try:
            texts = {number: render(each.texts[0], cases[number]) for number, each in row_of.items()}
        except KeyError as error:
            for wanted in row_of.values():
                found.left_out.leave("template", wanted.place, error.args[0])
            continue
        taken = {*found.columns, *(cases[0] if cases else ())}
        stem = f"expected_{kind.replace('-', '_')}"
        name = next(each for n in count(1) if (each := stem if n == 1 else f"{stem}_{n}") not in taken)
        fields = _TEXT_KINDS.get(kind, {"type": "regex"})
        if _add_check(found, first, {**fields, "value": _COLUMN_VALUES[kind].replace("{}", f"{{{name}}}")}):
            found.columns[name] = [texts.get(number, "") for number in range(len(rows))]


def _translate_all(assertions: Iterable[Assertion], found: CheckedCases) -> list[_Wanted]:
    wanted: list[_Wanted] = []
    for each in assertions:
        try:
            wanted += _translate(each)
        except NotPlain as error:
            found.left_out.leave("template", each.place, error.tag)
        except ValueError:
            code: LeftOutCode = "code" if each.type.removeprefix("not-") in _CODE else "assertion"
            found.left_out.leave(code, each.place, each.type)
    return wanted


def _translate(assertion: Assertion) -> list[_Wanted]:
    """Return the checks that say the same. Raise ValueError where there are none."""
    kind, value, place = assertion.type, assertion.value, assertion.place
    if kind in _EACH_OF:
        return [_Wanted(_EACH_OF[kind], (parse(text),), place) for text in _texts(value)]
    if kind in _PATTERNS:
        texts = _texts(value) if kind.endswith("-any") else [_text(value)]
        return [_Wanted(kind, tuple(map(parse, texts)), place)]
    if kind in _TEXT_KINDS:
        return [_Wanted(kind, (parse(_text(value)),), place)]
    if kind == _JSON:
        schema = value if isinstance(value, str) else json.dumps(with_types(value), ensure_ascii=False)
        return [_Wanted(kind, (((_plain(schema), None),),) if value else (), place)]
    if kind == _WORDS and isinstance(value, dict) and set(value) == {"max"}:
        return [_Wanted(kind, (((str(int(value["max"])), None),),), place)]
    raise ValueError(kind)


def _plain(template: str) -> str:
    """Return the text of a template without variables. Raise NotPlain for one with a variable."""
    parts = parse(template)
    if named := [name for _, name in parts if name is not None]:
        raise NotPlain(named[0])
    return parts[0][0]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or value.startswith(("file:", "package:")):
        raise ValueError("no text")
    return value


def _texts(value: Any) -> list[str]:
    values = value.split(",") if isinstance(value, str) else value
    if not isinstance(values, list) or not values:
        raise ValueError("no list of texts")
    return [_text(each.strip() if isinstance(value, str) else each) for each in values]


def _fields(wanted: _Wanted) -> dict[str, Any]:
    """Return the fields of the check that says the same in every case."""
    if wanted.kind in _TEXT_KINDS:
        return {**_TEXT_KINDS[wanted.kind], "value": _braced(wanted.texts[0])}
    if wanted.kind in _PATTERNS:
        texts = (_braced(parts, escaped=wanted.kind != "regex") for parts in wanted.texts)
        return {"type": "regex", "value": _PATTERNS[wanted.kind].replace("{}", "|".join(texts))}
    if wanted.kind == _WORDS:
        return {"type": "max_words", "value": wanted.texts[0][0][0]}
    return {"type": "json_schema", "value": wanted.texts[0][0][0]} if wanted.texts else {"type": "json"}


def _braced(parts: Parts, *, escaped: bool = False) -> str:
    return "".join(
        (re.escape(text) if escaped else text) + ("" if name is None else f"{{{name}}}") for text, name in parts
    )
