"""How long a measurement will take, as far as its models' pace is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamlab.demo_model import is_demo
from streamlab.demo_model.pace import demo_pace
from streamlab.latency.observation import Observation
from streamlab.latency.plan import Plan, order

STARTING = 3.0  # seconds until the measuring process makes its first call
FIRST, RATE, TOKENS = 1.0, 50.0, 600  # of a model that nothing is known of: seconds, tokens a second, tokens


@dataclass(frozen=True, slots=True)
class Forecast:
    """`seconds` of the whole measurement and of its longest `call`; `assumed` where a model's pace is not known."""

    seconds: float
    calls: int
    call: float
    assumed: bool


def forecast(plan: Plan, seen: Sequence[Observation] = ()) -> Forecast:
    """Work out how long a measurement takes. `seen` are former calls, of any model."""
    known = {model: _call_seconds(plan, model, seen) for model in plan.models}
    seconds = {model: known[model] or _assumed_seconds(plan) for model in plan.models}
    calls = order(plan)
    return Forecast(
        seconds=STARTING + sum(seconds[call.model] for call in calls),
        calls=len(calls),
        call=max(seconds.values()),
        assumed=None in known.values(),
    )


def _call_seconds(plan: Plan, model: str, seen: Sequence[Observation]) -> float | None:
    """Return the seconds of one call: the demo model's are worked out, others' go by their former calls."""
    if is_demo(model):
        pace = demo_pace(model, plan.prompt, plan.system, plan.max_tokens)
        return pace and pace.end
    firsts, rates, lengths = [], [], []
    for call in seen:
        if call.model == model and call.usable and call.streamed and call.e2e and call.ttft and call.tokens:
            firsts.append(call.ttft)
            rates.append((call.e2e - call.ttft) / call.tokens)
            lengths.append(call.tokens)
    if not firsts:
        return None
    return float(np.median(firsts) + np.median(rates) * (plan.max_tokens or np.median(lengths)))


def _assumed_seconds(plan: Plan) -> float:
    return FIRST + (plan.max_tokens or TOKENS) / RATE
