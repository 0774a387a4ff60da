"""What a comparison comes to: in a sentence first, and folded by every criterion."""

import streamlit as st

from components.page.settings import model_label
from components.page.texts import plain, t
from streamlab.prompts.comparison import Comparison
from streamlab.prompts.conclusion import Finding, findings
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.results import CRITERIA, SummaryRow, summary

WINNER_MARK = "★"


def draw_sentences(found: Comparison) -> None:
    """Say which variant is better at what, by how much, and how sure that is."""
    told = findings(found.prompts, found.cells())
    for finding in told:
        st.subheader(_sentence(found.prompts, finding), anchor=False)
    if told:
        cases = min(finding.difference.n for finding in told)
        basis = "prompts.basis_few" if any(finding.certainty == "few" for finding in told) else "prompts.basis"
        st.caption(t(basis, cases=cases, repeats=found.prompts.repeats))
        if models := _models(found.prompts):
            st.caption(models)


def _sentence(prompts: PromptSet, finding: Finding) -> str:
    names, difference, certainty = variant_names(prompts), finding.difference, finding.certainty
    best, other = plain(names[finding.best]), plain(names[finding.other])
    write = _percent if finding.aspect == "passed" else _seconds
    low, high = (write(bound) for bound in sorted((abs(difference.low or 0), abs(difference.high or 0))))
    if certainty == "sure" and low == high:  # alike in every case: there is no more to tell
        certainty = "few"
    if finding.aspect == "passed":
        share, less = map(_percent, finding.values)
        return t(f"prompts.passed_{certainty}", best=best, other=other, share=share, less=less, low=low, high=high)
    seconds = _seconds(abs(difference.value))
    return t(f"prompts.total_{certainty}", best=best, other=other, seconds=seconds, low=low, high=high)


def _models(prompts: PromptSet) -> str | None:
    """Say whose answers these are where the models differ: then it is not the prompts alone that are compared."""
    if len({variant.model for variant in prompts.variants}) == 1:
        return None
    pairs = zip(variant_names(prompts), prompts.variants, strict=True)
    models = " · ".join(f"{plain(name)}: {plain(model_label(variant.model))}" for name, variant in pairs)
    return t("prompts.several_models", models=models)


def _percent(share: float) -> str:
    return f"{share * 100:.0f}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}"


def draw_figures(found: Comparison) -> None:
    """Draw, folded, which variant wins by which criterion."""
    rows = [row for row in summary(found.prompts, found.cells()) if any(value is not None for value in row.values)]
    if not rows:
        return
    names = variant_names(found.prompts)
    table = [
        {t("prompts.criterion"): t(f"prompts.criterion_{row.criterion}")}
        | {plain(name): _figure(row, index) for index, name in enumerate(names)}
        for row in rows
    ]
    with st.expander(t("prompts.summary"), icon=":material/table:", type="compact"):
        st.table(table, hide_index=True)
        st.caption(t("prompts.summary_what"))


def variant_names(prompts: PromptSet) -> list[str]:
    """Return the variants' names, with a number where several have the same one."""
    names = [variant.name for variant in prompts.variants]
    return [name if names.count(name) == 1 else f"{name} {number}" for number, name in enumerate(names, 1)]


def _figure(row: SummaryRow, index: int) -> str:
    value = row.values[index]
    if value is None:
        return t("prompts.unknown")
    match row.criterion:
        case "ttft" | "total" | "total_range":
            text = t("latency.seconds", value=f"{value:.2f}")
        case "good":  # of those that were begun, which are not all when it broke off
            text = f"{value * 100:.0f} % ({round(value * row.counts[index])}/{row.counts[index]})"
        case "passed" | "failed":
            text = f"{value * 100:.0f} %"
        case "cost":
            text = f"US\\${value:.6f}".rstrip("0").rstrip(".")
        case _:
            text = f"{value:.4g}"
    count = f" ({row.counts[index]})" if row.uneven and row.criterion != "good" else ""
    return f"**{text}** {WINNER_MARK}{count}" if index in row.winners else f"{text}{count}"


def markdown_words() -> dict[str, str]:
    """Return the words for the results as Markdown."""
    criteria: dict[str, str] = {name: t(f"prompts.criterion_{name}") for name in CRITERIA}
    return criteria | {
        "wins": WINNER_MARK,
        "summary": t("prompts.summary"),
        "all_answers": t("prompts.all_answers"),
        "criterion": t("prompts.criterion"),
        "case": t("prompts.case"),
        "repeat": t("prompts.repeat"),
        "variant": t("prompts.variant"),
        "status": t("prompts.status"),
        "answer": t("prompts.answer"),
        "unknown": t("prompts.unknown"),
    }
