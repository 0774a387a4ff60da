"""How long a measurement will take, and what the measuring process tells of the call that it makes."""

import json
from contextlib import closing

import pytest

from streamlab.demo_model.process import DemoModel
from streamlab.latency.calls import measure
from streamlab.latency.forecast import FIRST, RATE, STARTING, forecast
from streamlab.latency.measurements import CurrentCall, Measurements, Measuring
from streamlab.latency.observation import encode_observation
from streamlab.latency.plan import order
from streamlab.latency.progress import CallProgress, decode_progress, encode_progress
from streamlab.settings import Settings
from tests.conftest import demo_model
from tests.latency_page import streamed
from tests.observations import plan_of
from tests.test_measurements import short_plan, until


@pytest.mark.parametrize("options", [{"chunks": 40}, {"reasoning": "true", "chunks": 20}, {"size": 30}, {}])
@pytest.mark.parametrize("max_tokens", [None, 50])
def test_the_demo_model_takes_as_long_as_was_said(
    demo: DemoModel, options: dict[str, object], max_tokens: int | None
) -> None:
    """At least that, for a call cannot end before its answer; seed and jitter change a tenth."""
    model = demo_model(rate=400, first=0.1, jitter=0, **options)
    plan = plan_of(models=(model,), prompt="What is streaming?", max_tokens=max_tokens, pairs=1, ways=("stream",))
    told = forecast(plan)
    assert (told.calls, told.assumed) == (2, False)
    assert told.seconds == pytest.approx(STARTING + 2 * told.call)
    with closing(measure(plan, Settings(_env_file=None), demo.base_url)) as calls:
        *_, last = calls
    assert last.e2e is not None
    assert last.e2e > 0.8 * told.call


def test_a_model_goes_by_its_former_calls() -> None:
    """By its own, of which those that failed do not count; one without any goes by what is assumed, and says so."""
    plan = plan_of(models=("acme-1", "acme-2"), pairs=2, ways=("invoke", "stream"), warm_ups=0, max_tokens=100)
    assumed = FIRST + 100 / RATE
    assert forecast(plan) == forecast(plan, [streamed(1, model="acme-3")])
    assert forecast(plan).assumed
    assert forecast(plan).seconds == pytest.approx(STARTING + 8 * assumed)
    known = forecast(plan, [streamed(1)])
    each = 0.5 + 1.5 / 21 * 100
    assert known.assumed
    assert known.seconds == pytest.approx(STARTING + 4 * assumed + 4 * each)
    assert known.call == pytest.approx(each)
    assert not forecast(plan, [streamed(1), streamed(1, model="acme-2")]).assumed


def test_each_call_is_told_of_before_it_and_at_its_first_text(demo: DemoModel) -> None:
    """In the plan's order; a whole answer has no first text before its end."""
    plan = plan_of(models=(demo_model(chunks=5, rate=200),), pairs=2, ways=("invoke", "stream", "astream"))
    told: list[CallProgress | str] = []
    with closing(measure(plan, Settings(_env_file=None), demo.base_url, tell=told.append)) as calls:
        for seen in calls:
            told.append(seen.way)
            if seen.way != "invoke":
                first = told[-2]
                assert isinstance(first, CallProgress)
                assert first.first == pytest.approx(seen.ttft, abs=1e-5)
    expected: list[object] = []
    for number, call in enumerate(order(plan)):
        expected += [(number, False), *([(number, True)] if call.way != "invoke" else []), call.way]
    assert [each if isinstance(each, str) else (each.call, each.first is not None) for each in told] == expected


def test_progress_is_told_apart_from_observations() -> None:
    """They come among each other, a line each."""
    for progress in (CallProgress(0), CallProgress(3, 0.25)):
        assert decode_progress(encode_progress(progress)) == progress
    assert decode_progress(encode_observation(streamed(1))) is None
    with pytest.raises(json.JSONDecodeError):
        decode_progress(b'{"call": 1, "fi')


def test_the_call_that_is_made_is_known_while_it_is_made(demo: DemoModel) -> None:
    """With its first text before its end; none is left when the measurement has ended."""
    plan = short_plan(models=(demo_model(chunks=40, rate=40, first=0.3),), pairs=1, ways=("stream",), warm_ups=0)
    found: list[CurrentCall] = []

    def made() -> Measuring:
        now = measurements.find(measurement_id)
        assert now
        if now.current and now.current not in found:
            found.append(now.current)
        return now

    with closing(Measurements(demo.base_url)) as measurements:
        measurement_id = measurements.start(plan)
        until(lambda: made().ended is not None)
        assert made().current is None
    assert [(call.number, call.first is not None) for call in found] == [(0, False), (0, True)]
    assert len({call.began for call in found}) == 1
