"""Measurements in processes of their own: how they go on, how each ends, and that none is left."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from streamlab.demo_model.process import DemoModel
from streamlab.latency.measurements import (
    AT_ONCE,
    KEPT,
    Measurements,
    Measuring,
    TooManyMeasurements,
)
from streamlab.latency.plan import DIRECT, Plan
from tests.conftest import demo_model, raw_endpoint, sse
from tests.conftest import http as http_answer
from tests.present import present

LIMIT = 60.0  # seconds; a child that starts loads its libraries first
END_LIMIT = 20.0  # seconds in which a child that is to end does
KEY = "sk-secret-0123456789"


@pytest.fixture
def measurements(demo: DemoModel) -> Iterator[Measurements]:
    with closing(Measurements(demo.base_url)) as measurements:
        yield measurements


def short_plan(**fields: object) -> Plan:
    values = {"models": (demo_model(chunks=12, rate=200),), "prompt": "What is streaming?", "pairs": 3}
    return Plan.model_validate(values | fields)


def long_plan() -> Plan:
    """Some minutes, which no test waits for."""
    return short_plan(models=(demo_model(chunks=20, rate=100),), pairs=100)


def until(condition: Callable[[], bool], limit: float = LIMIT) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def ended(measurements: Measurements, measurement_id: str, limit: float = END_LIMIT) -> Measuring:
    """The measurement, once its process is gone."""
    until(lambda: present(measurements.find(measurement_id)).ended is not None, limit)
    return present(measurements.find(measurement_id))


def processes() -> set[psutil.Process]:
    """The measuring ones that this process has started."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "streamlab.latency" in child.cmdline():
                found.add(child)
    return found


def test_observations_come_one_by_one(measurements: Measurements) -> None:
    """While others are still to be made the first are there; at the end there is one for each call of the plan."""
    plan = short_plan(models=(demo_model(chunks=12, rate=100),))
    measurement_id = measurements.start(plan)
    begun = present(measurements.find(measurement_id))
    assert (begun.state, begun.plan, begun.observations) == ("measuring", plan, ())
    assert begun.expected == (plan.warm_ups + plan.pairs) * len(DIRECT)
    until(lambda: bool(present(measurements.find(measurement_id)).observations))
    partly = present(measurements.find(measurement_id))
    assert partly.state == "measuring"
    assert 0 < len(partly.observations) < partly.expected
    assert partly.measurement.complete is False
    whole = ended(measurements, measurement_id, LIMIT)
    assert whole.state == "completed"
    assert whole.observations[: len(partly.observations)] == partly.observations
    assert [(seen.pair, seen.error) for seen in whole.observations] == [
        (pair, None) for pair in range(plan.pairs + 1) for _ in DIRECT
    ]
    assert whole.measurement.complete is True
    assert whole.measurement.summary.failures == 0
    assert not processes()


def test_a_long_question_and_the_key_reach_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last of 32,000 Japanese characters, more than a pipe holds; the environment is that of this process."""
    question = "回答が届くまで待つのはなぜ長く感じるのですか。" * 1_333
    plan = short_plan(models=("elsewhere",), prompt=question, pairs=1, ways=("stream",))
    with raw_endpoint(http_answer(sse("Hello", " there"))) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        with closing(Measurements("http://127.0.0.1:9/v1")) as measurements:
            found = ended(measurements, measurements.start(plan), LIMIT)
    assert found.state == "completed"
    assert [seen.error for seen in found.observations] == [None, None]
    assert [request["messages"][-1]["content"] for request in provider.requests] == [question, question]
    assert all(f"bearer {KEY}" in head.lower() for head in provider.headers)


def test_a_wrong_key_ends_it_after_the_warm_ups(measurements: Measurements) -> None:
    """A first round that fails whole is the last: not all calls were made, so the measurement has failed."""
    found = ended(measurements, measurements.start(short_plan(models=("demo?fault=key",))), LIMIT)
    assert found.state == "failed"
    assert [(seen.pair, seen.error) for seen in found.observations] == [(0, "auth")] * len(DIRECT)
    assert found.measurement.complete is False


def test_two_measure_at_once_and_each_keeps_what_it_has(measurements: Measurements) -> None:
    """There is no third. One that is stopped leaves the other alone, and one whose process dies has failed."""
    stopped = measurements.start(long_plan())
    until(lambda: bool(processes()))
    before = processes()
    killed = measurements.start(long_plan())
    until(lambda: bool(processes() - before))
    (child,) = processes() - before
    with pytest.raises(TooManyMeasurements):
        measurements.start(short_plan())
    until(lambda: all(len(present(measurements.find(each)).observations) > 3 for each in (stopped, killed)))

    kept = present(measurements.find(stopped)).observations
    measurements.stop(stopped)
    assert present(measurements.find(stopped)).state == "stopped"
    found = ended(measurements, stopped)
    assert found.state == "stopped"
    assert found.observations[: len(kept)] == kept
    assert len(found.observations) <= len(kept) + 2, "nothing was measured after the stop"
    assert present(measurements.find(killed)).state == "measuring"

    kept = present(measurements.find(killed)).observations
    child.kill()
    found = ended(measurements, killed)
    assert found.state == "failed"
    assert found.observations[: len(kept)] == kept
    assert not processes()


def test_a_place_is_free_again_when_one_has_ended(measurements: Measurements) -> None:
    """Also of one that was stopped before it had measured anything."""
    for _ in range(2):
        running = [measurements.start(long_plan()) for _ in range(AT_ONCE)]
        with pytest.raises(TooManyMeasurements):
            measurements.start(long_plan())
        for measurement_id in running:
            measurements.stop(measurement_id)
            assert ended(measurements, measurement_id).state == "stopped"


def test_a_child_that_dies_within_a_line_has_failed(
    measurements: Measurements, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Half an observation is none, and the place of the dead is free again."""
    program = 'import os\nos.write(1, b\'{"pair": 1, "way"\')\nos._exit(1)\n'
    (tmp_path / "sitecustomize.py").write_text(program, encoding="utf-8")
    with monkeypatch.context() as environment:
        environment.syspath_prepend(str(tmp_path))
        broken = [measurements.start(long_plan()) for _ in range(AT_ONCE)]
    for measurement_id in broken:
        found = ended(measurements, measurement_id)
        assert (found.state, found.observations) == ("failed", ())
    assert measurements.start(long_plan())


def test_the_oldest_leaves(measurements: Measurements) -> None:
    """The newest are kept, as many as fit; what is gone is unknown, and so is what never was."""
    made = []
    for _ in range(KEPT + 2):
        made.append(measurements.start(long_plan()))
        measurements.stop(made[-1])
        ended(measurements, made[-1])
    for gone in (*made[:2], "nowhere"):
        assert measurements.find(gone) is None
    assert [present(measurements.find(kept)).id for kept in made[2:]] == made[2:]


def test_one_that_runs_does_not_leave(measurements: Measurements) -> None:
    """However many come after it."""
    running = measurements.start(long_plan())
    for _ in range(KEPT + 1):
        other = measurements.start(long_plan())
        measurements.stop(other)
        ended(measurements, other)
    assert present(measurements.find(running)).id == running


def test_closing_leaves_no_process(demo: DemoModel) -> None:
    """What was running counts as stopped, and may be stopped and closed again."""
    measurements = Measurements(demo.base_url)
    running = [measurements.start(long_plan()) for _ in range(AT_ONCE)]
    until(lambda: len(processes()) >= AT_ONCE)
    measurements.close()
    until(lambda: not processes(), END_LIMIT)
    assert [ended(measurements, measurement_id).state for measurement_id in running] == ["stopped"] * AT_ONCE
    measurements.stop(running[0])
    measurements.close()


def test_one_that_has_ended_is_not_changed_by_a_stop(measurements: Measurements) -> None:
    """It stays what it was."""
    measurement_id = measurements.start(long_plan())
    for child in processes():
        child.kill()
    found = ended(measurements, measurement_id)
    measurements.stop(measurement_id)
    assert present(measurements.find(measurement_id)) == found
    assert found.state == "failed"
