"""Validation of a prompt set before it runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from streamlab.prompts import template
from streamlab.prompts.checks import check_problem, check_variables
from streamlab.prompts.prompt_set import PromptSet

ProblemCode = Literal[
    "template_empty",
    "template_too_long",
    "template_open_brace",
    "template_close_brace",
    "template_empty_name",
    "template_bad_name",
    "unknown_variable",
    "empty_cell",
    "unused_column",
    "duplicate_name",
    "check_nothing_to_find",
    "check_bad_pattern",
    "check_pattern_too_complex",
    "check_bad_schema",
    "check_schema_too_complex",
    "check_unknown_variable",
]
_REMARKS: frozenset[ProblemCode] = frozenset(("empty_cell", "unused_column", "check_unknown_variable"))


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a set. `variant`, `check` and `cases` are indexes in the set, from 0.

    `names` are the variables, columns or variants meant, `position` is the character of a template, from 0.
    """

    code: ProblemCode
    variant: int | None = None
    check: int | None = None
    names: tuple[str, ...] = ()
    cases: tuple[int, ...] = ()
    position: int | None = None

    @property
    def blocking(self) -> bool:
        """Tell whether the problem keeps the set from running; the others are warnings."""
        return self.code not in _REMARKS


def problems(prompts: PromptSet) -> list[Problem]:
    """Return all problems of the set, in the order of the set."""
    found = [problem for index in range(len(prompts.variants)) for problem in _variant_problems(prompts, index)]
    found += [problem for index in range(len(prompts.checks)) for problem in _check_problems(prompts, index)]
    names = [variant.name for variant in prompts.variants]
    if double := tuple(dict.fromkeys(name for name in names if names.count(name) > 1)):
        found.append(Problem("duplicate_name", names=double))
    if unused := tuple(name for name in prompts.columns if name not in _used(prompts)):
        found.append(Problem("unused_column", names=unused))
    return found


def _variant_problems(prompts: PromptSet, index: int) -> Iterator[Problem]:
    try:
        wanted = template.variables(prompts.variants[index].template)
    except template.TemplateError as error:
        yield Problem(cast(ProblemCode, f"template_{error.code}"), index, position=error.position)
        return
    if unknown := tuple(name for name in wanted if name not in prompts.columns or not prompts.cases):
        yield Problem("unknown_variable", index, names=unknown)
    for name in wanted:
        if empty := tuple(number for number, case in enumerate(prompts.cases) if not case.get(name, "x").strip()):
            yield Problem("empty_cell", index, names=(name,), cases=empty)


def _check_problems(prompts: PromptSet, index: int) -> Iterator[Problem]:
    check = prompts.checks[index]
    if error_code := check_problem(check):
        yield Problem(cast(ProblemCode, f"check_{error_code}"), check=index)
    if unknown := tuple(name for name in check_variables(check) if name not in prompts.columns):
        yield Problem("check_unknown_variable", check=index, names=unknown)


def _used(prompts: PromptSet) -> set[str]:
    used = {name for check in prompts.checks for name in check_variables(check)}
    for variant in prompts.variants:
        try:
            used.update(template.variables(variant.template))
        except template.TemplateError:  # while it is being typed, nothing is known of its variables
            used.update(prompts.columns)
    return used
