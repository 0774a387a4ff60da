"""The editor of a prompt set: its variants, its cases, its checks, and its problems."""

import streamlit as st

from components.page import settings
from components.page.lab import engine
from components.page.slots import in_rows
from components.page.texts import plain, t
from components.page.widgets import button, control
from components.prompts import cases as cases_table
from components.prompts.draft import Draft, check_key, draft, variant_key
from streamlab.prompts import template
from streamlab.prompts.checks import MAX_CHECKS, Contains
from streamlab.prompts.problems import Problem, problems
from streamlab.prompts.prompt_set import MAX_AT_ONCE, MAX_REPEATS, MAX_VARIANTS, MIN_VARIANTS, PromptSet

INSISTED = "prompts.insisted"
CHECK_TYPES = ("contains", "not_contains", "equals", "regex", "json", "json_schema", "max_words")


def draw() -> PromptSet | None:
    """Draw the editor; return the set, or None when it cannot be run as it stands."""
    found = draft()
    variants, cases, checks = st.tabs([t(f"prompts.tab_{name}") for name in ("variants", "cases", "checks")])
    with variants:
        _draw_variants(found)
    found.fit_columns()
    with cases:
        cases_table.draw(found)
    with checks:
        _draw_checks(found)
    prompts = found.read()
    if prompts is None:
        st.error(t("prompts.too_large"), icon=":material/error:")
        return None
    found_problems = problems(prompts)
    insisted = st.session_state.get(INSISTED, False)
    for problem in found_problems:
        draw_problem = st.error if problem.blocking and insisted else st.caption
        draw_problem(problem_text(prompts, problem))
    return None if any(problem.blocking for problem in found_problems) else prompts


def insist(is_wanted: bool) -> None:
    """Note whether what hinders a run is shown as an error: only who has tried to run is told of it in red."""
    st.session_state[INSISTED] = is_wanted


def describe(prompts: PromptSet) -> str:
    """Tell in a line what the set has."""
    counts = {"variants": len(prompts.variants), "cases": len(prompts.inputs()), "checks": len(prompts.checks)}
    counts["repeats"] = prompts.repeats if prompts.repeats > 1 else 0
    return " · ".join(t(f"prompts.count_{name}", number=f"{number:,}") for name, number in counts.items() if number)


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
    for number, place in in_rows(found.variants):
        with place:
            _draw_variant(found, number)
    full = len(found.variants) >= MAX_VARIANTS
    button("prompts.add_variant", "add", found.copy_variant, found.variants[-1], disabled=full)


def _draw_variant(found: Draft, number: int) -> None:
    name, model, temperature, system, text = (
        variant_key(number, field) for field in ("name", "model", "temperature", "system", "template")
    )
    models = dict.fromkeys((*engine().portal.call(engine().models.names), st.session_state[model]))
    control("prompts.name", st.text_input, key=name, max_chars=60)
    control("settings.system", st.text_area, key=system, max_chars=32_000, height=100, help=None)
    control("prompts.template", st.text_area, key=text, max_chars=template.MAX_CHARACTERS, height=120)
    st.caption(_variables_text(st.session_state[text] or ""))
    control("settings.model", st.selectbox, tuple(models), key=model, format_func=settings.model_label, help=None)
    control("settings.temperature", st.slider, 0.0, 2.0, step=0.1, key=temperature, help=None)
    full, least = len(found.variants) >= MAX_VARIANTS, len(found.variants) <= MIN_VARIANTS
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


def _draw_checks(found: Draft) -> None:
    st.caption(t("prompts.checks_what"))
    for place, number in enumerate(found.checks, 1):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _draw_check(found, place, number)
    full = len(found.checks) >= MAX_CHECKS
    button("prompts.add_check", "add", found.add_check, Contains(value=""), disabled=full)
    repeats, at_once = st.columns(2)
    control("prompts.repeats", repeats.number_input, 1, MAX_REPEATS)
    control("prompts.at_once", at_once.number_input, 1, MAX_AT_ONCE)


def _draw_check(found: Draft, place: int, number: int) -> None:
    check_type = st.selectbox(
        t("prompts.check_type", number=place),
        CHECK_TYPES,
        key=check_key(number, "type"),
        format_func=lambda name: t(f"prompts.kind_{name}"),
        width=220,
        persist_state="session",
    )
    if check_type in ("contains", "not_contains", "equals", "regex", "json_schema"):
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
