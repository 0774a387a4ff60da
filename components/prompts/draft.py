"""The set of prompts that is being edited: its widgets' values, and the set that they make."""

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import streamlit as st
from pydantic import TypeAdapter, ValidationError

from components.page.settings import options
from components.page.texts import t
from streamlab.prompts import template
from streamlab.prompts.cases import Table
from streamlab.prompts.checks import MAX_CHECKS, Check, check_variables
from streamlab.prompts.left_out import LeftOut
from streamlab.prompts.prompt_set import PromptSet, Variant

REPEATS, AT_ONCE = "prompts.repeats", "prompts.at_once"
FIELDS = ("name", "system", "template", "model", "temperature")

Rows = tuple[dict[str, str], ...]
_CHECK: TypeAdapter[Check] = TypeAdapter(Check)


@dataclass
class Draft:
    """The draft of a set. Variants and checks have fixed numbers, and their values are in widgets.

    `table` is what the table of cases began with, in its `version`; `cases` is what it holds now. `source` is the file
    or text that they were read from, and `read_as` how, or the encoding in which it could not be read. `left_out` is
    what the set's file has beside it.
    """

    variants: list[int] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    table: Rows = ()
    cases: Rows = ()
    version: int = 0
    source: bytes | str | None = None
    read_as: Table | str | None = None
    left_out: tuple[LeftOut, ...] = ()
    numbers: "count[int]" = field(default_factory=count)

    def add_variant(self, variant: Variant) -> None:
        self.variants.append(next(self.numbers))
        for name in FIELDS:
            st.session_state[variant_key(self.variants[-1], name)] = getattr(variant, name)

    def copy_variant(self, number: int) -> None:
        copied = read_variant(number)
        taken = {st.session_state[variant_key(each, "name")] for each in self.variants}
        name = next(name for number in count(2) if (name := f"{copied.name[:50]} {number}") not in taken)
        self.add_variant(copied.model_copy(update={"name": name}))

    def add_check(self, check: Check) -> None:
        self.checks.append(next(self.numbers))
        for name, value in check.model_dump().items():
            known = "words" if check.type == "max_words" and name == "value" else name
            st.session_state[check_key(self.checks[-1], known)] = value

    def take_table(self, table: Table) -> None:
        """Replace the cases by those of a table, and add its checks."""
        self.columns = table.columns
        self.replace_cases(table.cases())
        present = [read_check(number) for number in self.checks]
        for check in [check for check in table.checks if check not in present][: MAX_CHECKS - len(present)]:
            self.add_check(check)

    def replace_cases(self, cases: Rows) -> None:
        """Replace the cases, and start a new table so that former edits do not apply."""
        self.table = self.cases = cases
        self.version += 1

    def fit_columns(self) -> None:
        """Add the columns that templates or checks name; drop unnamed ones that are empty."""
        wanted = self._wanted_columns()
        filled = [name for name in self.columns if any(case.get(name, "").strip() for case in self.cases)]
        columns = tuple(dict.fromkeys((*(name for name in self.columns if name in (*wanted, *filled)), *wanted)))
        if columns != self.columns:
            self.columns = columns
            self.replace_cases(tuple({name: case.get(name, "") for name in columns} for case in self.cases))

    def _wanted_columns(self) -> list[str]:
        """Return the variables of all valid templates, and the columns that checks name."""
        found: list[str] = []
        for number in self.variants:
            with suppress(template.TemplateError):
                found += template.variables(st.session_state[variant_key(number, "template")])
        for number in self.checks:
            found += [name for name in check_variables(read_check(number)) if name in self.columns]
        return found

    def text_fields(self) -> dict[str, str]:
        """Return the widgets' keys of all that is typed, each with its place in the set."""
        variants = {
            variant_key(number, name): f"variant.{place}.{name}"
            for place, number in enumerate(self.variants)
            for name in ("name", "system", "template")
        }
        checks = {check_key(number, "value"): f"check.{place}.value" for place, number in enumerate(self.checks)}
        return variants | checks

    def read(self) -> PromptSet | None:
        """Build the set, or return None when it is too large."""
        try:
            return PromptSet(
                variants=tuple(map(read_variant, self.variants)),
                columns=self.columns,
                cases=self.cases if self.columns else (),
                checks=tuple(map(read_check, self.checks)),
                repeats=st.session_state[REPEATS],
                at_once=st.session_state[AT_ONCE],
            )
        except ValidationError:
            return None


def draft() -> Draft:
    """Return the session's draft, which `load` makes."""
    found: Draft = st.session_state["draft"]
    return found


def load(prompts: PromptSet, left_out: tuple[LeftOut, ...] = ()) -> None:
    """Replace the session's draft by this set."""
    draft: Draft = st.session_state.setdefault("draft", Draft())
    draft.variants, draft.checks = [], []
    draft.source, draft.read_as, draft.left_out = None, None, left_out
    for variant in prompts.variants:
        draft.add_variant(variant)
    for check in prompts.checks:
        draft.add_check(check)
    draft.columns = prompts.columns
    draft.replace_cases(prompts.cases)
    st.session_state[REPEATS], st.session_state[AT_ONCE] = prompts.repeats, prompts.at_once


def read_variant(number: int) -> Variant:
    values = {name: st.session_state[variant_key(number, name)] for name in FIELDS}
    return Variant.model_validate({**values, "name": values["name"].strip() or "?"})


def read_check(number: int) -> Check:
    """Read a check from its widgets; a missing value counts as empty text, missing words as 100."""
    state = st.session_state
    kind = state[check_key(number, "type")]
    values: dict[str, Any] = {"type": kind}
    if kind != "json":
        values["value"] = state.get(check_key(number, "value"), "")
    if kind in ("contains", "not_contains"):
        values["ignore_case"] = state.get(check_key(number, "ignore_case"), False)
    if kind == "max_words":
        values["value"] = state.get(check_key(number, "words"), 100)
    return _CHECK.validate_python(values)


def variant_key(number: int, name: str) -> str:
    return f"prompts.variant.{number}.{name}"


def check_key(number: int, name: str) -> str:
    return f"prompts.check.{number}.{name}"


def example_set() -> PromptSet:
    """Return a set that runs at once and shows what a set has."""
    now = options()
    variants = tuple(
        Variant(
            name=t(f"prompts.first_{name}"),
            system=t(f"prompts.first_{name}_system"),
            template=t("prompts.first_template"),
            model=now.model,
            temperature=now.temperature,
        )
        for name in ("brief", "vivid")
    )
    column = t("prompts.first_column")
    return PromptSet(variants=variants, columns=(column,), cases=({column: t("prompts.first_topic")},))
