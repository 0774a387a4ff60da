"""What a run tries again, and after which failures it ends."""

from typing import Any

import pytest

from benchmarks.harness import free_port
from streamlab.demo_model.process import DemoModel
from streamlab.events.event import Retry, Thinking
from streamlab.models.failures import Failure
from tests.attempts import TEXT, Script, codes, delta, ended_by, types
from tests.conftest import Asked, Lab, MakeLab, demo_model, provider, shown
from tests.events import answer, end, of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seconds", [0.4, 1])
async def test_a_rate_limit_is_waited_out_as_the_provider_wishes(lab: Lab, asked: Asked, seconds: float) -> None:
    """Not less than Retry-After says; people are told how long."""
    model = demo_model(text="whole", fault="rate_limit", retry_after=seconds, times=1)
    events = await lab.run(model)
    assert codes(events) == ["rate_limited"]
    assert of(events, Retry)[0].wait == seconds
    assert answer(events) == "whole"
    refused, answered = await asked(model)
    assert answered["received"] - refused["received"] >= seconds


async def test_a_rate_limit_beyond_the_run_s_time_fails_at_once(lab: Lab, asked: Asked) -> None:
    """Nobody is made to wait for what cannot come."""
    model = demo_model(fault="rate_limit", retry_after=3600)
    events = await lab.run(model)
    assert types(events) == ["thinking", "error", "done"]
    assert codes(events) == ["rate_limited"]
    assert len(await asked(model)) == 1


@pytest.mark.parametrize(
    ("fault", "code", "requests"),
    [
        ("error", "provider_unavailable", 3),
        ("cut", "connection_lost", 3),
        ("garbage", "connection_lost", 3),
        ("key", "auth", 1),
        ("context", "context_too_long", 1),
        ("filter", "content_filtered", 1),
    ],
)
async def test_what_may_pass_is_tried_again_and_what_cannot_is_not(
    lab: Lab, asked: Asked, fault: str, code: str, requests: int
) -> None:
    """Three attempts for what may be better a moment later; one for what will be the same."""
    model = demo_model(fault=fault, after=2)
    events = await lab.run(model)
    assert codes(events) == [code] * requests
    assert end(events).code == code
    assert ended_by(await asked(model)) == [f"fault:{fault}"] * requests


async def test_after_text_was_shown_a_new_attempt_begins_anew(lab: Lab) -> None:
    """The text that was cut is void, not continued: nothing is doubled."""
    events = await lab.run(demo_model(text=TEXT, size=4, fault="cut", after=4, times=2))
    assert shown(events[: types(events).index("retry")]) == TEXT[:16]
    assert codes(events) == ["connection_lost", "connection_lost"]
    assert answer(events) == TEXT


async def test_an_answer_without_text_is_an_answer(lab: Lab) -> None:
    """Some models say nothing; that is no failure."""
    events = await lab.run(demo_model(fault="empty"))
    assert types(events) == ["thinking", "final_answer", "done"]
    assert answer(events) == ""


async def test_an_unknown_model_is_not_tried_again(demo: DemoModel, make_lab: MakeLab) -> None:
    """It says so."""
    with provider(demo.base_url) as models:
        assert codes(await make_lab(models).run("gpt-nobody")) == ["model_not_found"]


async def test_an_endpoint_that_is_not_there_is_tried_again(make_lab: MakeLab) -> None:
    """It may be starting."""
    address = f"http://127.0.0.1:{free_port()}/v1"
    with provider(address) as models:
        assert codes(await make_lab(models).run("any")) == ["provider_unavailable"] * 3


@pytest.mark.parametrize(
    ("retries", "options", "attempts"),
    [
        ("never", {"fault": "error"}, 1),
        ("never", {"fault": "cut", "after": 4}, 1),
        ("before_text", {"fault": "error"}, 3),
        ("before_text", {"fault": "cut", "after": 0}, 3),
        ("before_text", {"fault": "cut", "after": 4}, 1),
        ("always", {"fault": "cut", "after": 4}, 3),
    ],
)
async def test_a_policy_says_when_an_attempt_is_tried_again(
    make_lab: MakeLab, asked: Asked, retries: str, options: dict[str, Any], attempts: int
) -> None:
    """Never, only where nobody has read anything of it, or always. What was read stays where nothing follows."""
    model = demo_model(text=TEXT, size=4, **options)
    lab = make_lab(retries=retries)
    events = await lab.run(model)
    assert len(codes(events)) == len(await asked(model)) == attempts
    assert end(events).status == "failed"
    assert shown(events) == (TEXT[:16] if options.get("after") else "")


async def test_thinking_is_no_text(make_lab: MakeLab) -> None:
    """Thoughts may be withdrawn: the answer has not begun."""
    thought = Thinking("hm", at=0)
    left = iter([Script([thought, Failure("connection_lost")]), Script([delta("whole")])])
    lab = make_lab(retries="before_text")
    events = await lab.read(lab.runs.start(lambda: next(left)))
    assert answer(events) == "whole"
