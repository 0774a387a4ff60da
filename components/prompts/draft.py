"""The set of prompts that is being edited: its widgets' values, and the set that they make."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import streamlit as st
from pydantic import TypeAdapter, ValidationError

from components.page.sidebar import options
from components.page.texts import t
from streamlab.prompts import template
from streamlab.prompts.checks import Check, check_variables
from streamlab.prompts.prompt_set import PromptSet, Variant

MIN_VARIANTS, MAX_VARIANTS = 2, 6
MAX_CHECKS = 20
REPEATS, AT_ONCE = "prompts.repeats", "prompts.at_once"
FIELDS = ("name", "system", "template", "model", "temperature")

Rows = tuple[dict[str, str], ...]
_CHECK: TypeAdapter[Check] = TypeAdapter(Check)


@dataclass
class Draft:
    """The draft of a set. Variants and checks have fixed numbers, and their values are in widgets.

    `table` is what the table of cases began with, in its `version`; `cases` is what it holds now.
    """

    variants: list[int] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    table: Rows = ()
    cases: Rows = ()
    version: int = 0
    numbers: "count[int]" = field(default_factory=count)


def draft() -> Draft:
    found = st.session_state.get("draft")
    if not isinstance(found, Draft):
        found = st.session_state["draft"] = Draft()
        load(_example_set())
    return found


def load(prompts: PromptSet) -> None:
    """Replace the draft by this set."""
    draft = st.session_state.setdefault("draft", Draft())
    draft.variants, draft.checks = [], []
    for variant in prompts.variants:
        add_variant(variant)
    for check in prompts.checks:
        add_check(check)
    draft.columns = prompts.columns
    replace_cases(prompts.cases)
    st.session_state[REPEATS], st.session_state[AT_ONCE] = prompts.repeats, prompts.at_once


def add_variant(variant: Variant) -> None:
    draft = st.session_state["draft"]
    number = next(draft.numbers)
    draft.variants.append(number)
    for name in FIELDS:
        st.session_state[variant_key(number, name)] = getattr(variant, name)


def copy_variant(number: int) -> None:
    copied = read_variant(number)
    add_variant(copied.model_copy(update={"name": _free_name(copied.name)}))


def remove_variant(number: int) -> None:
    st.session_state["draft"].variants.remove(number)


def add_check(check: Check) -> None:
    draft = st.session_state["draft"]
    number = next(draft.numbers)
    draft.checks.append(number)
    for name, value in check.model_dump().items():
        st.session_state[check_key(number, "words" if check.type == "max_words" and name == "value" else name)] = value


def remove_check(number: int) -> None:
    st.session_state["draft"].checks.remove(number)


def replace_cases(cases: Rows) -> None:
    """Replace the cases, and start a new table so that former edits do not apply."""
    draft = st.session_state["draft"]
    draft.table = draft.cases = cases
    draft.version += 1


def fit_columns(wanted: tuple[str, ...]) -> None:
    """Add the columns that templates or checks name; drop unnamed ones that are empty."""
    draft = st.session_state["draft"]
    filled = [name for name in draft.columns if any(case.get(name, "").strip() for case in draft.cases)]
    columns = tuple(dict.fromkeys((*(name for name in draft.columns if name in (*wanted, *filled)), *wanted)))
    if columns != draft.columns:
        draft.columns = columns
        replace_cases(tuple({name: case.get(name, "") for name in columns} for case in draft.cases))


def wanted_columns() -> tuple[str, ...]:
    """Return the variables of all valid templates, and the columns that checks name."""
    draft = st.session_state["draft"]
    found: list[str] = []
    for number in draft.variants:
        try:
            found += template.variables(st.session_state[variant_key(number, "template")])
        except template.TemplateError:
            continue
    for number in draft.checks:
        found += [name for name in check_variables(read_check(number)) if name in draft.columns]
    return tuple(dict.fromkeys(found))


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


def read_set() -> PromptSet:
    """Build the set from the draft. Raise ValidationError where it is too large."""
    draft = st.session_state["draft"]
    return PromptSet(
        variants=tuple(map(read_variant, draft.variants)),
        columns=draft.columns,
        cases=draft.cases if draft.columns else (),
        checks=tuple(map(read_check, draft.checks)),
        repeats=st.session_state[REPEATS],
        at_once=st.session_state[AT_ONCE],
    )


def try_set() -> PromptSet | None:
    """Build the set from the draft, or return None when it is too large."""
    try:
        return read_set()
    except ValidationError:
        return None


def variant_key(number: int, name: str) -> str:
    return f"prompts.variant.{number}.{name}"


def check_key(number: int, name: str) -> str:
    return f"prompts.check.{number}.{name}"


def _free_name(name: str) -> str:
    taken = {st.session_state[variant_key(number, "name")] for number in st.session_state["draft"].variants}
    return next(found for number in count(2) if (found := f"{name[:50]} {number}") not in taken)


def _example_set() -> PromptSet:
    """Return a set that runs at once and shows what a set has."""
    now = options()
    names = ("brief", "vivid")
    variants = tuple(
        Variant(
            name=t(f"prompts.first_{name}"),
            system=t(f"prompts.first_{name}_system"),
            template=t("prompts.first_template"),
            model=now.model,
            temperature=now.temperature,
        )
        for name in names
    )
    column = t("prompts.first_column")
    return PromptSet(variants=variants, columns=(column,), cases=({column: t("prompts.first_topic")},))
