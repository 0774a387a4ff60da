"""A comparison of prompts: its answers side by side, the grid of all, and their summary."""

from collections.abc import Mapping
from html import escape
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer import answer
from components.page.address import COMPARISON
from components.page.history import History
from components.page.lab import engine, following, sleep
from components.page.settings import model_label
from components.page.slots import grid
from components.page.texts import plain, t
from streamlab.hub import HubUnreachable
from streamlab.prompts.checks import Verdict
from streamlab.prompts.comparison import CellKey, CellRun, Comparison
from streamlab.prompts.diff import Change, word_diff
from streamlab.prompts.prices import price_of
from streamlab.prompts.results import CRITERIA, Cell, SummaryRow, summary

PAGE = 25  # cases of the grid that are sent at a time
POLL_SECONDS = 0.25  # between two looks at an answer that has not begun
PREVIEW = 80  # characters
WINNER_MARK = "★"
DIFF_MARKS: Mapping[Change, tuple[str, str]] = {
    "same": ("", ""),
    "removed": ('<del style="background: rgba(210, 59, 59, 0.28)">', "</del>"),
    "added": ('<ins style="background: rgba(46, 160, 90, 0.30)">', "</ins>"),
}

THUMBS: Mapping[int, Literal["up", "down"]] = {0: "down", 1: "up"}


StopButtons = dict[CellKey, DeltaGenerator]

HISTORY: History[Comparison, Comparison] = History(
    "comparisons", COMPARISON, lambda: engine().comparisons, lambda found: found
)


def find(comparison_id: str | None, known: Comparison | None = None) -> Comparison | None:
    """Return the comparison as it stands, or as it is known if the store does not answer. Looking keeps it running."""
    lab = engine()
    try:
        return lab.portal.call(lab.comparisons.find, comparison_id)
    except HubUnreachable:
        return known


def draw_columns(found: Comparison, case: int, repeat: int) -> StopButtons:
    """Draw every variant's answer to one case, live; return the slots of the stop buttons of unfinished ones."""
    stops: StopButtons = {}
    for variant, place in grid(range(len(found.prompts.variants))):
        with place:
            _draw_column(found, CellKey(case, repeat, variant), stops)
    return stops


def _draw_column(found: Comparison, cell_key: CellKey, stops: StopButtons) -> None:
    variant = found.prompts.variants[cell_key.variant]
    st.markdown(f"**{plain(variant.name)}**")
    st.caption(f"{plain(model_label(variant.model))} · {t('settings.temperature')} {variant.temperature:g}")
    run = found.answers.get(cell_key)
    if run is None or not run.ended:
        if found.state == "running":
            stops[cell_key] = st.empty()
            stops[cell_key].button(
                t("prompts.stop_one", variant=plain(variant.name)),
                key=f"prompts.stop.{cell_key}",
                icon=":material/stop_circle:",
                disabled=run is None,
                on_click=engine().portal.call,
                args=(engine().comparisons.stop, found.id, cell_key),
            )
        _follow(found.id, cell_key)
    else:
        _draw_ended(found, cell_key, run)


@st.fragment(parallel=True)
def _follow(comparison_id: str, cell_key: CellKey) -> None:
    """Draw an answer from before its beginning to its end, across retries."""
    notice, followed = st.empty(), None
    found: Comparison | None = None
    while found := find(comparison_id, found):
        run = found.answers.get(cell_key)
        if run is None and found.state == "running":
            notice.caption(f":shimmer[{t('prompts.waiting')} …]")
        elif run is None:
            notice.caption(t("prompts.not_answered"))
            return
        elif run.waits:
            limited = run.outcome and run.outcome.code == "rate_limited"
            notice.caption(f":shimmer[{t('prompts.rate_limited' if limited else 'prompts.waiting')} …]")
        elif run.ended:
            notice.empty()
            _draw_ending(found, cell_key, run)
            return
        elif run.run_id != followed:
            notice.empty()
            followed = run.run_id
            with st.container(), following(followed) as batches:  # each try in a container of its own
                answer.follow(batches)
            continue
        sleep(POLL_SECONDS)


def _draw_ended(found: Comparison, cell_key: CellKey, run: CellRun) -> None:
    assert run.outcome
    answer.draw_outcome(run.outcome)
    _draw_ending(found, cell_key, run)
    key = f"prompts.thumb.{found.id}.{cell_key}"
    st.session_state.setdefault(key, {"down": 0, "up": 1}.get(run.thumb or ""))
    st.feedback("thumbs", key=key, on_change=_rate, args=(found.id, cell_key, key))


def _draw_ending(found: Comparison, cell_key: CellKey, run: CellRun) -> None:
    assert run.outcome
    answer.draw_ending(run.outcome)
    cell = next(cell for cell in found.cells() if (cell.case, cell.repeat, cell.variant) == cell_key)
    _draw_cost(found.prompts.variants[cell_key.variant].model, cell)
    if cell.verdicts:
        st.markdown(" ".join(map(_verdict, range(1, len(cell.verdicts) + 1), cell.verdicts)))


def _rate(comparison_id: str, cell_key: CellKey, key: str) -> None:
    thumb = THUMBS.get(st.session_state[key])
    engine().portal.call(engine().comparisons.rate, comparison_id, cell_key, thumb)


def _draw_cost(model: str, cell: Cell) -> None:
    price = price_of(model)
    if price and price.free:
        st.caption(t("prompts.cost_free"), help=t("prompts.price_free"))
        return
    cost = f"{'≈ ' if cell.estimated else ''}{cell.cost:.6f}" if cell.cost is not None else None
    what = t("prompts.price_unknown")
    if price:
        what = t("prompts.price", input=f"{price.input:g}", output=f"{price.output:g}", date=price.date)
    st.caption(t("prompts.cost", value=cost) if cost else t("prompts.cost_unknown"), help=what)


def _verdict(number: int, verdict: Verdict) -> str:
    """Return a check's badge, with the reason in words."""
    color, mark = {True: ("green", "✓"), False: ("red", "✕"), None: ("gray", "?")}[verdict.passed]
    return f":{color}-badge[{mark} {number}: {t(f'prompts.verdict_{verdict.code}')}]"


def draw_grid(found: Comparison, first: int) -> None:
    """Draw the cases from `first` on, a row for each and its repeats, a column for each variant."""
    prompts = found.prompts
    cells: dict[tuple[int, int], dict[int, Cell]] = {}
    for cell in found.cells():
        if first <= cell.case < first + PAGE:
            cells.setdefault((cell.case, cell.repeat), {})[cell.variant] = cell
    names = [f"{number}. {variant.name}" for number, variant in enumerate(prompts.variants, 1)]
    rows = []
    for (case, repeat), answers in sorted(cells.items()):
        row: dict[str, Any] = {t("prompts.case"): case + 1}
        if prompts.repeats > 1:
            row[t("prompts.repeat")] = repeat + 1
        row |= prompts.inputs()[case]
        row |= {name: _preview(answers[index]) for index, name in enumerate(names)}
        rows.append(row)
    st.dataframe(rows, hide_index=True, height="content")


def _preview(cell: Cell) -> str:
    text = " ".join(cell.text[: 2 * PREVIEW].split())[:PREVIEW]
    if cell.completed and cell.verdicts:
        passed = sum(verdict.passed is True for verdict in cell.verdicts)
        return f"✓ {passed}/{len(cell.verdicts)}  {text}"
    short = {"waiting": "·", "running": "…", "completed": f"✓ {text}", "stopped": f"■ {text}"}
    return short.get(cell.status) or f"✕ {answer.error_text(cell.code)}"


def draw_summary(found: Comparison) -> None:
    """Draw which variant wins by which criterion."""
    rows = [row for row in summary(found.prompts, found.cells()) if any(value is not None for value in row.values)]
    if not rows:
        return
    st.subheader(t("prompts.summary"))
    names = [variant.name for variant in found.prompts.variants]
    names = [name if names.count(name) == 1 else f"{name} {number}" for number, name in enumerate(names, 1)]
    table = [
        {t("prompts.criterion"): t(f"prompts.criterion_{row.criterion}")}
        | {plain(name): _figure(row, index) for index, name in enumerate(names)}
        for row in rows
    ]
    st.table(table, hide_index=True)
    st.caption(t("prompts.summary_what"))


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


def draw_difference(found: Comparison, case: int) -> None:
    """Draw the difference between two answers to a case, word by word."""
    texts = {(cell.variant, cell.repeat): cell.text for cell in found.cells() if cell.case == case and cell.text}
    if len(texts) < 2:
        return
    st.subheader(t("prompts.difference"))
    left, right = st.columns(2)
    options, names = list(texts), [variant.name for variant in found.prompts.variants]
    label = {
        (variant, repeat): t("prompts.variant_repeat", variant=names[variant], number=repeat + 1)
        if found.prompts.repeats > 1
        else names[variant]
        for variant, repeat in texts
    }
    before = left.selectbox(
        t("prompts.before"), options, format_func=label.__getitem__, key=f"prompts.before.{found.id}.{case}"
    )
    after = right.selectbox(
        t("prompts.after"), options, index=1, format_func=label.__getitem__, key=f"prompts.after.{found.id}.{case}"
    )
    st.html(diff_html(texts[before], texts[after]))
    st.caption(t("prompts.difference_what"))


def diff_html(before: str, after: str) -> str:
    """Mark the changes with `ins` and `del`, which work without colours, too."""
    parts = []
    for segment in word_diff(before, after):
        begin, end = DIFF_MARKS[segment.kind]
        parts.append(f"{begin}{escape(segment.text)}{end}")
    return f'<div style="white-space: pre-wrap; overflow-wrap: anywhere">{"".join(parts)}</div>'


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
