"""Plans of measurements: every call once, in random order, and what cannot be measured."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamlab.latency.plan import WAYS, PlannedCall, order, plan_problem
from tests.observations import plan_of


@given(st.integers(0, 2**31 - 1), st.integers(1, 12), st.integers(0, 5), st.integers(1, 4), st.integers(1, 4))
def test_every_pair_has_every_model_and_way_once(seed: int, pairs: int, warm_ups: int, models: int, ways: int) -> None:
    """Warm-ups come first; then pair after pair, none missing and none twice."""
    plan = plan_of(
        models=tuple(f"m{number}" for number in range(models)), ways=WAYS[:ways], pairs=pairs, warm_ups=warm_ups,
        seed=seed,
    )  # fmt: skip
    calls = order(plan)
    assert [call.pair for call in calls] == sorted(call.pair for call in calls)
    counts = Counter(calls)
    for model in plan.models:
        for way in plan.ways:
            assert [counts[PlannedCall(pair, model, way)] for pair in range(pairs + 1)] == [warm_ups] + [1] * pairs
    assert counts.total() == len(calls) == models * ways * (pairs + warm_ups)
    assert all(call.warm_up == (call.pair == 0) for call in calls)


def test_the_order_is_random_and_the_seed_decides_it() -> None:
    """Within a pair every order occurs; the same seed gives the same order, another one another."""
    calls = order(plan_of(pairs=100, warm_ups=0))
    turns = {tuple(call.way for call in calls[start : start + 3]) for start in range(0, 300, 3)}
    assert len(turns) == 6
    assert calls == order(plan_of(pairs=100, warm_ups=0))
    assert calls != order(plan_of(pairs=100, warm_ups=0, seed=1))


@pytest.mark.parametrize(
    "fields",
    [
        {"models": ()},
        {"models": ("a", "b", "c", "d", "e")},
        {"models": ("a", "a")},
        {"models": ("",)},
        {"models": (" a",)},
        {"prompt": ""},
        {"prompt": " \n"},
        {"prompt": "x" * 32_001},
        {"max_tokens": 15},
        {"max_tokens": 4_001},
        {"pairs": 0},
        {"pairs": 101},
        {"pairs": 2.5},
        {"ways": ()},
        {"ways": ("stream", "stream")},
        {"ways": ("batch",)},
        {"ways": ("stream", "gateway"), "max_tokens": 50},
        {"warm_ups": -1},
        {"warm_ups": 6},
        {"temperature": float("nan")},
        {"temperature": 2.1},
        {"target": 0.0},
        {"timeout": float("inf")},
        {"seed": -1},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_plan_that_cannot_be_measured_is_refused(fields: dict[str, Any]) -> None:
    """With a sentence that names the field and none of the values."""
    with pytest.raises(ValidationError) as refused:
        plan_of(**fields)
    sentence = plan_problem(refused.value)
    assert sentence.endswith(".")
    assert len(sentence) < 200
