"""The timeline of a run that is live."""

from collections.abc import Iterator

import pytest
from streamlit.delta_generator import DeltaGenerator

from components.timeline import lanes
from components.timeline.lanes import ShownRun
from streamlab.engine import Engine
from streamlab.events.event import Done, FinalAnswer, TextDelta
from streamlab.runs.run import new_run_id
from tests.pages import serving, visit


@pytest.fixture
def engine() -> Iterator[Engine]:
    with serving() as engine:
        yield engine


def test_who_comes_late_sees_when_each_thing_began(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who follows a run late is given its pieces merged, and a merged piece is as late as its last."""
    told: list[ShownRun] = []
    run_id = new_run_id()

    def begin() -> None:
        log = engine.hub.create(run_id)
        for number in range(100):
            log.append(TextDelta("word ", at=number / 100))

    def end() -> None:
        for event in (FinalAnswer("word " * 100, at=2.0), Done("completed", at=2.0)):
            engine.hub.log(run_id).append(event)

    real = lanes.tell_lanes

    def tell(feed: DeltaGenerator, run: ShownRun, now: float) -> None:
        real(feed, run, now)
        if not told:
            engine.portal.call(end)
        told.append(run)

    engine.portal.call(begin)
    monkeypatch.setattr(lanes, "tell_lanes", tell)
    monkeypatch.setattr(engine.completions, "title", lambda _: "What is streaming?")
    app = visit("timeline", "en")
    app.query_params["run"] = run_id
    app.run(timeout=30)
    assert [error.message for error in app.exception] == []
    assert {span.start for run in told for span in run.spans if span.kind == "writing"} == {0.0}
