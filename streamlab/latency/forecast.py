"""How long a measurement will take, as far as its models' pace is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamlab.demo_model import is_demo
from streamlab.demo_model.pace import demo_pace
from streamlab.latency.long_prompt import long_prompt
from streamlab.latency.observation import Observation
from streamlab.latency.plan import Plan, PlannedCall, order
from streamlab.local_model import LOCAL

STARTING = 3.0  # seconds until the measuring process makes its first call
FIRST, RATE, TOKENS = 1.0, 50.0, 600  # of a model that nothing is known of: seconds, tokens a second, tokens
READING, READING_LOCAL = 2_000.0, 150.0  # tokens a second of a prompt that it has not read before; on one core


@dataclass(frozen=True, slots=True)
class Forecast:
    """`seconds` of the whole measurement and of its longest `call`; `assumed` where a model's pace is not known."""

    seconds: float
    calls: int
    call: float
    assumed: bool


def forecast(plan: Plan, seen: Sequence[Observation] = ()) -> Forecast:
    """Work out how long a measurement takes. `seen` are former calls, of any model."""
    calls = order(plan)
    kinds = {call: call._replace(pair=1, way=plan.ways[0]) for call in calls}  # no pair and no way takes longer
    known = {kind: _call_seconds(plan, kind, seen) for kind in set(kinds.values())}
    seconds = {kind: known[kind] or _assumed_seconds(plan, kind) for kind in known}
    return Forecast(
        seconds=STARTING + sum(seconds[kinds[call]] for call in calls),
        calls=len(calls),
        call=max(seconds.values(), default=0.0),
        assumed=None in known.values(),
    )


def _call_seconds(plan: Plan, call: PlannedCall, seen: Sequence[Observation]) -> float | None:
    """Return the seconds of one call: the demo model's are worked out, others' go by their former calls."""
    if is_demo(call.model):
        prompt = long_prompt(plan, call.prompt_length)
        pace = demo_pace(call.model, prompt.question, prompt.system, plan.max_tokens)
        return pace and pace.end - (pace.reading if call.repeated else 0.0)
    mine = [made for made in seen if made.model == call.model and made.usable and made.streamed]
    alike = [made for made in mine if (made.prompt_length, made.repeated) == (call.prompt_length, call.repeated)]
    firsts, rates, lengths = [], [], []
    for made in alike or mine:
        if made.e2e and made.ttft and made.tokens:
            firsts.append(made.ttft if alike else made.ttft + _reading_seconds(call))
            rates.append((made.e2e - made.ttft) / made.tokens)
            lengths.append(made.tokens)
    if not firsts:
        return None
    return float(np.median(firsts) + np.median(rates) * (plan.max_tokens or np.median(lengths)))


def _assumed_seconds(plan: Plan, call: PlannedCall) -> float:
    return FIRST + _reading_seconds(call) + (plan.max_tokens or TOKENS) / RATE


def _reading_seconds(call: PlannedCall) -> float:
    speed = READING_LOCAL if call.model == LOCAL else READING
    return 0.0 if call.repeated else (call.prompt_length or 0) / speed
