"""The answers to one case, side by side and in full, live."""

from collections.abc import Mapping
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer import answer
from components.page.lab import engine, following, sleep
from components.page.presented import may_stop
from components.page.settings import model_label
from components.page.slots import in_rows
from components.page.texts import plain, t
from components.prompts import improvement
from components.prompts.comparison import find
from streamlab.prompts.checks import Verdict
from streamlab.prompts.comparison import CellKey, CellRun, Comparison
from streamlab.prompts.prices import price_of
from streamlab.prompts.results import Cell

POLL_SECONDS = 0.25  # between two looks at an answer that has not begun
THUMBS: Mapping[int, Literal["up", "down"]] = {0: "down", 1: "up"}

StopButtons = dict[CellKey, DeltaGenerator]


def draw_answers(found: Comparison, case: int, repeat: int) -> StopButtons:
    """Draw every variant's answer to one case, live; return the slots of the stop buttons of unfinished ones."""
    stops: StopButtons = {}
    for variant, place in in_rows(range(len(found.prompts.variants))):
        with place:
            _draw_column(found, CellKey(case, repeat, variant), stops)
    return stops


def _draw_column(found: Comparison, cell_key: CellKey, stops: StopButtons) -> None:
    variant = found.prompts.variants[cell_key.variant]
    st.markdown(f"**{plain(variant.name)}**")
    st.caption(f"{plain(model_label(variant.model))} · {t('settings.temperature')} {variant.temperature:g}")
    run = found.answers.get(cell_key)
    if run is None or not run.ended:
        if found.state == "running" and may_stop(found.id):
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
    with st.container(horizontal=True, vertical_alignment="center"):
        st.feedback("thumbs", key=key, on_change=_rate, args=(found.id, cell_key, key))
        if _cell(found, cell_key).failed or run.thumb == "down":
            improvement.draw_button(found, cell_key)


def _draw_ending(found: Comparison, cell_key: CellKey, run: CellRun) -> None:
    assert run.outcome
    answer.draw_ending(run.outcome)
    cell = _cell(found, cell_key)
    if run.outcome.text or not run.outcome.usage.estimated:  # else nothing of it is known to have reached a model
        _draw_cost(found.prompts.variants[cell_key.variant].model, cell)
    if cell.verdicts:
        st.markdown(" ".join(map(_verdict, range(1, len(cell.verdicts) + 1), cell.verdicts)))


def _cell(found: Comparison, cell_key: CellKey) -> Cell:
    return next(cell for cell in found.cells() if (cell.case, cell.repeat, cell.variant) == cell_key)


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
        if price.cached is not None:
            what += " " + t("prompts.price_cached", cached=f"{price.cached:g}")
    st.caption(t("prompts.cost", value=cost) if cost else t("prompts.cost_unknown"), help=what)


def _verdict(number: int, verdict: Verdict) -> str:
    """Return a check's badge, with the reason in words."""
    color, mark = {True: ("green", "✓"), False: ("red", "✕"), None: ("gray", "?")}[verdict.passed]
    return f":{color}-badge[{mark} {number}: {t(f'prompts.verdict_{verdict.code}')}]"
