"""The laws of trials: what was to go wrong does, where it was to, and what is done about it is what was chosen."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.demo_model.process import DemoModel
from streamlab.events.event import Done, Retry, StreamEvent, TextDelta, encode
from streamlab.events.outcome import outcome_of
from streamlab.events.recording import read_lines, write_recording
from streamlab.faults.trials import (
    SHORT_TIME,
    Phase,
    Policy,
    Trial,
    Trials,
    offered,
    phases,
    read_trial,
)
from streamlab.models.options import InvalidQuestion, Options
from streamlab.models.provider import Fault
from streamlab.models.providers.demo import FAULTS as DEMO_FAULTS
from streamlab.models.providers.demo import faulty
from streamlab.models.providers.openai import OpenAI
from streamlab.runs.run import Retries, TooManyRuns
from tests.conftest import Lab, MakeLab, demo_model, http, provider, raw_endpoint, sse, until
from tests.events import end
from tests.present import present
from tests.shared import soon

pytestmark = pytest.mark.anyio

WRONG_KEY = OpenAI.wrong_key

DEMO = Options("demo?first=0&rate=2000", temperature=0.0)
QUESTION = "When should an app retry after an error?"
KEY = "sk-this-is-a-secret-of-the-owner"
QUICK = Policy(first_token=0.5, silence=0.5)

CODES: dict[Fault, str] = {
    "key": "auth",
    "rate_limit": "rate_limited",
    "error": "provider_unavailable",
    "slow": "timeout",
    "stall": "timeout",
    "cut": "connection_lost",
    "garbage": "connection_lost",
}
BEFORE_TEXT: set[Fault] = {"key", "rate_limit", "error", "slow"}


def trials(lab: Lab) -> Trials:
    return Trials(lab.runs, lab.models, lab.hub)


async def tried(
    lab: Lab, fault: Fault, times: int | None = 1, policy: Policy = QUICK, options: Options = DEMO
) -> list[StreamEvent]:
    """The whole log of a trial."""
    return await lab.read(await trials(lab).start(Trial(QUESTION, options, fault, times, policy)))


def codes(events: list[StreamEvent]) -> list[str | None]:
    return [event.code for event in events if event.type in ("retry", "error")]


# What goes wrong, and what is done about it


@pytest.mark.parametrize("retries", get_args(Retries))
@pytest.mark.parametrize("fault", CODES)
async def test_each_fault_ends_as_its_policy_says(lab: Lab, fault: Fault, retries: Retries) -> None:
    """In the first attempt only: it is mended by another one where the policy allows that, and else it is the end."""
    again = fault != "key" and (retries == "always" or (retries == "before_text" and fault in BEFORE_TEXT))
    events = await tried(lab, fault, 1, Policy(retries, first_token=1.5, silence=1.5))
    outcome = outcome_of(events)
    assert codes(events) == [CODES[fault]]
    assert (outcome.status, outcome.retries) == (("completed", 1) if again else ("failed", 0))
    shown = any(event.type == "text_delta" for event in events[: len(events) if not again else _retry(events)])
    assert shown == (fault not in BEFORE_TEXT)


def _retry(events: list[StreamEvent]) -> int:
    return next(index for index, event in enumerate(events) if event.type == "retry")


@pytest.mark.parametrize(("times", "status"), [(1, "completed"), (2, "completed"), (None, "failed")])
async def test_as_many_attempts_as_were_chosen_meet_the_fault(lab: Lab, times: int | None, status: str) -> None:
    """The next one is answered as it should be; with all of them the attempts run out."""
    events = await tried(lab, "error", times)
    assert len(codes(events)) == (times or 3)
    assert end(events).status == status


async def test_without_a_fault_the_answer_is_that_of_the_model(lab: Lab) -> None:
    """Word for word: a fault takes nothing else of the model's name away."""
    options = Options("demo?first=0&rate=2000&text=whole", temperature=0.0)
    assert outcome_of(await tried(lab, "none", None, options=options)).text == "whole"
    mended = outcome_of(await tried(lab, "cut", 1, options=options))
    assert (mended.text, mended.retries) == ("whole", 1)


async def test_the_server_says_how_long_to_wait(lab: Lab) -> None:
    """Retry-After is kept, not the backoff."""
    events = await tried(lab, "rate_limit")
    assert [event.wait for event in events if event.type == "retry"] == [DEMO_FAULTS["rate_limit"]["retry_after"]]


async def test_the_policy_s_limits_are_the_run_s(lab: Lab) -> None:
    """Attempts and the time of the whole; the runs of others keep theirs."""
    assert len(codes(await tried(lab, "error", None, Policy(attempts=2)))) == 2
    events = await tried(lab, "slow", None, Policy(attempts=9, first_token=0.3, total=0.8))
    assert codes(events)[-1] == "timeout"
    assert events[-1].at < 5
    assert lab.runs.limits.attempts == 3


@pytest.mark.parametrize("fields", [{"attempts": 0}, {"attempts": 11}, {"first_token": 0}, {"total": 121}])
def test_a_limit_out_of_range_is_no_policy(fields: dict[str, Any]) -> None:
    """Nobody can ask for a run without end."""
    with pytest.raises(ValueError, match="out of range"):
        Policy(**fields)


def test_the_limits_of_a_lesson_are_beaten_by_its_faults() -> None:
    """With the usual policy a slow first token is too slow, and all attempts fit into the whole."""
    usual = Policy()
    assert float(str(DEMO_FAULTS["slow"]["first"])) > usual.first_token
    assert usual.attempts * max(usual.first_token, usual.silence) < usual.total


async def test_a_trial_is_stopped_as_any_run_is(lab: Lab) -> None:
    """The text so far stays."""
    run_id = await trials(lab).start(Trial(QUESTION, DEMO, "stall", None, Policy(silence=120)))
    await lab.until(run_id, "text_delta")
    lab.runs.stop(run_id)
    outcome = outcome_of(await lab.read(run_id))
    assert outcome.status == "stopped"
    assert outcome.text


# What may be asked, and what is kept


@pytest.mark.parametrize("question", ["", " \n", "x" * 32_001])
async def test_a_question_that_may_not_be_asked_starts_nothing(lab: Lab, question: str) -> None:
    """It says why, and no run is live."""
    with pytest.raises(InvalidQuestion):
        await trials(lab).start(Trial(question, DEMO, "none"))
    assert lab.runs.live == 0


async def test_there_is_no_trial_where_there_is_no_room(make_lab: MakeLab) -> None:
    """As many runs as may be are live; nothing of the refused one is kept."""
    lab = make_lab(live=1)
    some = trials(lab)
    first = await some.start(Trial(QUESTION, DEMO, "stall", None, Policy(silence=120)), "me")
    with pytest.raises(TooManyRuns):
        await some.start(Trial(QUESTION, DEMO, "none"), "me")
    assert [entry.key for entry in await some.items.entries("me", "", 10)] == [first]


@pytest.mark.parametrize("question", [QUESTION, "東京", "a\n\x00\ud800 lone"])
async def test_a_trial_is_kept_as_it_was_asked(lab: Lab, question: str) -> None:
    """From the beginning without events, and with all of them when its log is gone."""
    some, trial = trials(lab), Trial(question, DEMO, "key", None, QUICK)
    run_id = await some.start(trial)
    live = present(await some.items.find(run_id))
    assert (live.live, read_trial(live.body)) == (True, (trial, []))
    events = await lab.read(run_id)
    await until(lambda: lab.runs.live == 0)
    await soon(lambda: whole(some, run_id))
    lab.hub.log(run_id).began -= 301  # it is kept for five minutes
    lab.hub.sweep()
    assert read_trial(present(await some.items.find(run_id)).body) == (trial, read_lines(write_recording(events)))
    assert await some.items.find("nobody") is None


async def whole(some: Trials, run_id: str) -> bool:
    return not present(await some.items.find(run_id)).live


def test_the_demo_model_offers_what_others_cannot() -> None:
    """Whatever else its name asks for."""
    assert offered("demo") == offered("demo?rate=9") == tuple(DEMO_FAULTS)
    assert offered("gpt-4.1") == offered("demonstration") == OpenAI.faults
    assert {*DEMO_FAULTS, *OpenAI.faults} == set(get_args(Fault))


@pytest.mark.parametrize(("model", "fault"), [("gpt-4.1", "cut"), ("demo", "time_limit")])
async def test_a_fault_that_is_not_offered_is_refused(lab: Lab, model: str, fault: Fault) -> None:
    """Before anything is asked."""
    with pytest.raises(ValueError, match="cannot be made"):
        await trials(lab).start(Trial(QUESTION, Options(model), fault))
    assert lab.runs.live == 0


def test_a_fault_is_added_to_what_the_name_asks_for() -> None:
    """Whatever else it asks for, also for no text at all."""
    assert faulty("demo", "error") == "demo?fault=error"
    assert faulty("demo?rate=9&fault=cut", "error") == "demo?rate=9&fault=error"
    assert faulty("demo?text=", "key") == "demo?text=&fault=key"


# A model that is not the demo model

REFUSED = json.dumps({"error": {"message": f"Incorrect API key provided: {WRONG_KEY}.", "code": "invalid_api_key"}})


async def test_a_wrong_key_is_sent_in_place_of_the_right_one(make_lab: MakeLab) -> None:
    """The right one does not leave the house, and is nowhere in the log."""
    with raw_endpoint(http(REFUSED.encode(), "401 Unauthorized", "application/json")) as endpoint:
        with provider(endpoint.base_url, KEY) as models:
            events = await tried(make_lab(models), "key", None, options=Options("acme-1"))
        assert codes(events) == ["auth"]
        (head,) = endpoint.headers
        assert f"authorization: bearer {WRONG_KEY}" in head.lower()
        assert KEY not in head
        assert KEY.encode() not in b"".join(map(encode, events))


async def test_the_next_trial_sends_the_right_key_again(make_lab: MakeLab) -> None:
    """The client that others use is left as it was."""
    with raw_endpoint(http(sse("whole"))) as endpoint, provider(endpoint.base_url, KEY) as models:
        lab = make_lab(models)
        for fault in ("key", "none"):
            assert outcome_of(await tried(lab, fault, None, options=Options("acme-1"))).text == "whole"
        wrong, right = endpoint.headers
        assert (KEY in wrong, KEY in right) == (False, True)


async def test_a_short_time_limit_fails_a_model_that_is_well(demo: DemoModel, make_lab: MakeLab) -> None:
    """Over a real endpoint that answers in its own time, and is asked as often as the policy says."""
    with provider(demo.base_url) as models:
        lab = make_lab(models)
        options = Options(f"demo-other?{demo_model(first=5).partition('?')[2]}")
        some = trials(lab)
        run_id = await some.start(Trial(QUESTION, options, "time_limit", None, Policy(attempts=2)))
        trial, _ = read_trial(present(await some.items.find(run_id)).body)
        assert trial.policy == Policy(attempts=2, first_token=SHORT_TIME)
        assert codes(await lab.read(run_id)) == ["timeout", "timeout"]


async def test_an_endpoint_that_repeats_a_key_gives_nothing_away(make_lab: MakeLab) -> None:
    """Not the right one, which it does not have, nor anything that looks like one."""
    said = json.dumps({"error": {"message": "Bearer sk-abcdefgh was refused", "code": "x"}})
    with raw_endpoint(http(said.encode(), "400 Bad Request", "application/json")) as endpoint:
        with provider(endpoint.base_url, KEY) as models:
            events = await tried(make_lab(models), "key", None, options=Options("acme-1"))
        written = b"".join(map(encode, events))
        assert codes(events) == ["bad_request"]
        assert KEY.encode() not in written
        assert b"sk-abcdefgh" not in written


# Phases


def delta(at: float) -> StreamEvent:
    return TextDelta("a", at=at)


def retry(at: float, wait: float) -> StreamEvent:
    return Retry("timeout", wait, at=at)


def done(at: float, status: Any = "completed", code: str | None = None) -> StreamEvent:
    return Done(status, code, at=at)


FAILED = [delta(1), delta(2), retry(3, 2)]  # waits 1 s, writes 2 s, pauses 2 s


@pytest.mark.parametrize(
    ("events", "now", "made"),
    [
        ([], 0.0, []),
        ([], 2.0, [Phase(1, "waiting", 0, 2)]),
        ([delta(1)], 4.0, [Phase(1, "waiting", 0, 1), Phase(1, "writing", 1, 4)]),
        ([delta(1), done(5)], 9.0, [Phase(1, "waiting", 0, 1), Phase(1, "writing", 1, 5)]),
        ([done(5, "failed", "auth")], 0.0, [Phase(1, "waiting", 0, 5, "auth")]),
        ([done(5, "stopped")], 0.0, [Phase(1, "waiting", 0, 5, stopped=True)]),
        ([done(5, "stopped", "unwatched")], 0.0, [Phase(1, "waiting", 0, 5, stopped=True)]),
        ([done(5, "completed", "length")], 0.0, [Phase(1, "waiting", 0, 5)]),
    ],
)
def test_a_phase_lasts_until_the_next_or_the_end(events: list[StreamEvent], now: float, made: list[Phase]) -> None:
    """Or until now, while nothing has ended it."""
    assert phases(events, now) == made


@pytest.mark.parametrize(
    ("events", "now", "made"),
    [
        (FAILED, 4.0, [Phase(1, "pause", 3, 4)]),
        (FAILED, 6.0, [Phase(1, "pause", 3, 5), Phase(2, "waiting", 5, 6)]),
        ([*FAILED, done(4, "stopped")], 0.0, [Phase(1, "pause", 3, 4, stopped=True)]),
        ([*FAILED, retry(6, 1)], 6.5, [Phase(1, "pause", 3, 5), Phase(2, "waiting", 5, 6, "timeout"),
                                      Phase(2, "pause", 6, 6.5)]),
        ([*FAILED, delta(7), done(8, "failed", "timeout")], 0.0,
         [Phase(1, "pause", 3, 5), Phase(2, "waiting", 5, 7), Phase(2, "writing", 7, 8, "timeout")]),
    ],
)  # fmt: skip
def test_between_two_attempts_is_a_pause(events: list[StreamEvent], now: float, made: list[Phase]) -> None:
    """As long as the retry says, unless the run is not so far yet, or ends in it."""
    before = [Phase(1, "waiting", 0, 1), Phase(1, "writing", 1, 3, "timeout")]
    assert phases(events, now) == before + made


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 3), st.floats(0, 3), st.floats(0, 2)), max_size=4),
    st.floats(0, 3),
    st.sampled_from(["completed", "failed", "stopped"]),
)
def test_phases_follow_each_other_without_gap_or_overlap(
    failing: list[tuple[float, int, float, float]], last: float, status: str
) -> None:
    """From 0 to the end, each failed attempt with its code, however the run went."""
    at, events = 0.0, list[StreamEvent]()
    for first, pieces, rest, wait in failing:
        at += first
        events += [delta(at)] * pieces
        at += rest
        events.append(retry(at, wait))
        at += wait
    events.append(done(at + last, status, "timeout" if status == "failed" else None))
    made = phases(events)
    ends = [0.0, *(phase.end for phase in made)]
    assert [phase.start for phase in made] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(at + last)
    assert all(phase.start <= phase.end for phase in made)
    assert len(failing) <= sum(phase.code is not None for phase in made) <= len(failing) + (status == "failed")
