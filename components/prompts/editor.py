"""The editor of a prompt set: its variants, its cases, its checks, and its problems."""

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from components.page import sidebar
from components.page.lab import engine
from components.page.session import session
from components.page.slots import grid
from components.page.text_area import read_while_typing
from components.page.texts import plain, t
from components.page.widgets import button, control
from components.prompts import draft as drafts
from components.prompts.draft import Draft, check_key, draft, variant_key
from streamlab.prompts import template
from streamlab.prompts.cases import BrokenCases, read_cases
from streamlab.prompts.checks import Contains
from streamlab.prompts.problems import Problem, problems
from streamlab.prompts.prompt_set import PromptSet

CHECK_TYPES = ("contains", "not_contains", "regex", "json", "json_schema", "max_words")
PASTED, UPLOADED = "prompts.pasted", "prompts.uploaded"


def draw() -> PromptSet | None:
    """Draw the editor; return the set, or None when it cannot be run as it stands."""
    found = draft()
    variants, cases, checks = st.tabs([t(f"prompts.tab_{name}") for name in ("variants", "cases", "checks")])
    with variants:
        _draw_variants(found)
        read_while_typing(t("prompts.template"))
    found.fit_columns()
    with cases:
        _draw_cases(found)
    with checks:
        _draw_checks(found)
    prompts = found.read()
    if prompts is None:
        st.error(t("prompts.too_large"), icon=":material/error:")
        return None
    found_problems = problems(prompts)
    for problem in found_problems:
        draw_problem = st.error if problem.blocking else st.caption
        draw_problem(problem_text(prompts, problem))
    return None if any(problem.blocking for problem in found_problems) else prompts


def problem_text(prompts: PromptSet, problem: Problem) -> str:
    """Describe a problem in one sentence, with its position."""
    variant = prompts.variants[problem.variant].name if problem.variant is not None else ""
    cases = ", ".join(str(number + 1) for number in problem.cases[:10]) + (" …" if len(problem.cases) > 10 else "")
    return t(
        f"prompts.problem_{problem.code}",
        variant=plain(variant),
        check=(problem.check or 0) + 1,
        names=plain(", ".join(problem.names)),
        cases=cases,
        position=(problem.position or 0) + 1,
    )


def _draw_variants(found: Draft) -> None:
    for number, place in grid(found.variants):
        with place:
            _draw_variant(found, number)
    full = len(found.variants) >= drafts.MAX_VARIANTS
    button("prompts.add_variant", "add", found.copy_variant, found.variants[-1], disabled=full)


def _draw_variant(found: Draft, number: int) -> None:
    name, model, temperature, system, text = (
        variant_key(number, field) for field in ("name", "model", "temperature", "system", "template")
    )
    models = dict.fromkeys((*engine().portal.call(engine().models.names), st.session_state[model]))
    control("prompts.name", st.text_input, key=name, max_chars=60)
    control("sidebar.model", st.selectbox, tuple(models), key=model, format_func=sidebar.model_label, help=None)
    control("sidebar.temperature", st.slider, 0.0, 2.0, step=0.1, key=temperature, help=None)
    control("sidebar.system", st.text_area, key=system, max_chars=32_000, height=100, help=None)
    control("prompts.template", st.text_area, key=text, max_chars=template.MAX_CHARACTERS, height=120)
    st.caption(_variables_text(st.session_state[text] or ""))
    full, least = len(found.variants) >= drafts.MAX_VARIANTS, len(found.variants) <= drafts.MIN_VARIANTS
    copy, remove = f"prompts.copy.{number}", f"prompts.remove.{number}"
    with st.container(horizontal=True):
        button("prompts.copy", "content_copy", found.copy_variant, number, key=copy, type="tertiary", disabled=full)
        button("prompts.remove", "delete", found.variants.remove, number, key=remove, type="tertiary", disabled=least)


def _variables_text(text: str) -> str:
    try:
        found = template.variables(text)
    except template.TemplateError as error:
        return f":material/error: {t(f'prompts.template_{error.code}', position=error.position + 1)}"
    if not found:
        return t("prompts.no_variables")
    return t("prompts.variables", names=", ".join(f"**{plain(name)}**" for name in found))


def _draw_cases(found: Draft) -> None:
    if not found.columns:
        st.info(t("prompts.no_columns"), icon=":material/info:")
    else:
        _draw_table(found)
    with st.popover(t("prompts.csv"), icon=":material/table:"):
        st.caption(t("prompts.csv_what"))
        st.text_area(t("prompts.pasted"), key=PASTED, height=150)
        st.button(t("prompts.take_pasted"), key="prompts.take_pasted", on_click=_load_pasted)
        st.file_uploader(t("prompts.uploaded"), type=["csv", "tsv", "txt"], key=UPLOADED, on_change=_load_uploaded)


def _draw_table(found: Draft) -> None:
    key = f"prompts.cases.{found.version}"
    if key not in st.session_state and found.table != found.cases:  # back from another page, which ended its edits
        found.replace_cases(found.cases)
        key = f"prompts.cases.{found.version}"
    frame = pd.DataFrame(list(found.table), columns=list(found.columns), dtype=str)
    edited = st.data_editor(frame, key=key, num_rows="dynamic", hide_index=True, height="content")
    rows = edited.fillna("").astype(str).to_dict("records")
    found.cases = tuple({str(name): value for name, value in row.items()} for row in rows)
    st.caption(t("prompts.cases_count", number=len(found.cases)))


def _load_pasted() -> None:
    if _load_cases(st.session_state[PASTED]):
        st.session_state[PASTED] = ""


def _load_uploaded() -> None:
    if file := st.session_state[UPLOADED]:
        _load_cases(file.getvalue())


def _load_cases(data: bytes | str) -> bool:
    """Replace the cases and return True; broken ones set a notice and change nothing."""
    try:
        table = read_cases(data)
    except BrokenCases as error:
        row, got, expected = error.row or 1, error.got or 0, error.expected or 0
        session().notice = t(f"prompts.csv_{error.code}", row=row, got=got, expected=expected)
        return False
    found = draft()
    found.columns = table.columns
    found.replace_cases(table.cases())
    return True


def _draw_checks(found: Draft) -> None:
    st.caption(t("prompts.checks_what"))
    for place, number in enumerate(found.checks, 1):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _draw_check(found, place, number)
    full = len(found.checks) >= drafts.MAX_CHECKS
    button("prompts.add_check", "add", found.add_check, Contains(value=""), disabled=full)
    repeats, at_once = st.columns(2)
    control("prompts.repeats", repeats.number_input, 1, 10)
    control("prompts.at_once", at_once.number_input, 1, 16)


def _draw_check(found: Draft, place: int, number: int) -> None:
    check_type = st.selectbox(
        t("prompts.check_type", number=place),
        CHECK_TYPES,
        key=check_key(number, "type"),
        format_func=lambda name: t(f"prompts.kind_{name}"),
        width=220,
        persist_state="session",
    )
    if check_type in ("contains", "not_contains", "regex", "json_schema"):
        key, label = check_key(number, "value"), t("prompts.check_value", number=place)
        if check_type == "json_schema":
            st.text_area(label, key=key, max_chars=20_000, height=100, persist_state="session")
        else:
            st.text_input(label, key=key, max_chars=4_000, persist_state="session")
    if check_type in ("contains", "not_contains"):
        st.toggle(t("prompts.ignore_case"), key=check_key(number, "ignore_case"), persist_state="session")
    if check_type == "max_words":
        st.session_state.setdefault(check_key(number, "words"), 100)
        key, label = check_key(number, "words"), t("prompts.check_value", number=place)
        st.number_input(label, 1, 1_000_000, key=key, persist_state="session")
    st.button(
        t("prompts.remove_check", number=place),
        key=f"prompts.remove_check.{number}",
        icon=":material/delete:",
        type="tertiary",
        on_click=found.checks.remove,
        args=(number,),
    )
