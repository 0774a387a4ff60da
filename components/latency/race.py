"""The race of the pair that is being measured. What is in the browser is in client/."""

import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import streamlit as st

from components.latency.labels import lane_label, round_seconds
from components.page import colors
from components.page.component_key import component_key
from components.page.texts import t
from streamlab.latency.forecast import forecast
from streamlab.latency.measurements import CurrentCall
from streamlab.latency.observation import Observation, Side, side_of
from streamlab.latency.plan import Plan, PlannedCall, order

WORDS = ("starting", "turn", "waiting", "reading", "whole", "at_once", "failed", "past", "note", "warm_up")
ROOM = 1.1  # of the axis, beyond the longest call that is expected

_FOLDER = files("components.latency") / "client"
_MARKS = {"waiting": colors.WAITING, "model": colors.MODEL, "tool": colors.TOOL, "failed": colors.FAILED}

_component = st.components.v2.component(
    "latency_race",
    html='<div class="race"><div class="lanes"></div><ul class="pairs"></ul><p class="note"></p></div>',
    css=f".race {{ {' '.join(f'--{name}: {color};' for name, color in _MARKS.items())} }}\n"
    + (_FOLDER / "race.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "race.js").read_text(encoding="utf-8"),
)


def draw_race(id: str, plan: Plan, seen: Sequence[Observation], current: CurrentCall | None) -> None:
    """Draw the calls of the pair that is being measured, those of the pair before it, and every pair as a dot.

    `current` is the call that is being made; None where that is not known, as when another process measures.
    """
    planned = order(plan)
    lanes = _lanes(plan, planned)
    label = lane_label(lanes)
    words = {name: t(f"latency.race_{name}", first="{first}", end="{end}") for name in WORDS}
    _component(
        key=component_key("latency.race", id),
        data={
            "id": id,
            "lanes": [label(lane) for lane in lanes],
            "limit": forecast(plan, seen).call * ROOM,
            "calls": list(_calls(planned, lanes, seen, current)),
            "pairs": _pairs(plan, planned, seen),
            "words": words | {"seconds": t("latency.seconds", value="{value}")},
        },
    )


def _lanes(plan: Plan, planned: Sequence[PlannedCall]) -> list[Side]:
    """List what is measured in each pair, by models, ways and prompts."""

    def place(side: Side) -> tuple[int, ...]:
        return plan.models.index(side.model), plan.ways.index(side.way), side.prompt_length or 0, side.repeated

    return sorted({side_of(call) for call in planned}, key=place)


def _calls(
    planned: Sequence[PlannedCall],
    lanes: Sequence[Side],
    seen: Sequence[Observation],
    current: CurrentCall | None,
) -> list[dict[str, Any]]:
    """List the calls of two pairs, of which the browser draws each lane's latest."""
    begin = max(0, len(seen) - 2 * len(lanes))
    calls: list[dict[str, Any]] = [
        {
            "number": number,
            "pair": call.pair,
            "lane": lanes.index(side_of(call)),
            "first": call.ttft,
            "end": call.e2e,
            "error": call.error,
        }
        for number, call in enumerate(seen[begin:], begin)
    ]
    if current:
        call = planned[current.number]
        lane, age = lanes.index(side_of(call)), time.monotonic() - current.began
        made = {"number": current.number, "pair": call.pair, "lane": lane, "first": current.first}
        calls.append(made | {"end": None, "error": None, "age": age, "began": current.began})
    return calls


def _pairs(plan: Plan, planned: Sequence[PlannedCall], seen: Sequence[Observation]) -> list[dict[str, str]]:
    """Say of each pair whether it was made, and of the first model how much sooner its stream began."""
    current = planned[len(seen)].pair if len(seen) < len(planned) else plan.pairs + 1
    found = []
    for pair in range(1, plan.pairs + 1):
        state = "made" if pair < current else "current" if pair == current else "open"
        name = t("latency.pair_number", number=pair)
        sooner = _sooner(plan, [call for call in seen if call.pair == pair]) if state == "made" else None
        text = name if sooner is None else t("latency.pair_sooner", pair=name, seconds=round_seconds(sooner))
        found.append({"state": state, "text": text})
    return found


def _sooner(plan: Plan, calls: Sequence[Observation]) -> float | None:
    """Return by how much the first text of the first streamed way came before that of the whole answer."""
    first = {call.way: call.ttft for call in calls if call.usable and call.model == plan.models[0]}
    streamed = next((first[way] for way in plan.ways if way != "invoke" and way in first), None)
    whole = first.get("invoke")
    return whole - streamed if whole is not None and streamed is not None and whole > streamed else None
