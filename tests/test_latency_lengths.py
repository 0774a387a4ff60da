"""Prompts of several lengths, new and the same again: in fair order, each its own, measured and kept."""

import json
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamlab.demo_model.process import DemoModel
from streamlab.latency.arguments import ArgumentsError, parser, read_arguments
from streamlab.latency.calls import measure
from streamlab.latency.context import cut_short, fitted, left_out
from streamlab.latency.forecast import STARTING, forecast
from streamlab.latency.long_prompt import LongPrompts, Prompt, long_prompt
from streamlab.latency.measurement import read_measurement, write_measurement
from streamlab.latency.observation import Observation, decode_observation, encode_observation
from streamlab.latency.plan import Plan, PlannedCall, order
from streamlab.latency.summary import summarize
from streamlab.local_model import LOCAL
from streamlab.settings import Settings
from streamlab.text.tokens import estimate_tokens
from tests.conftest import demo_model
from tests.latency_page import streamed
from tests.observations import plan_of

LENGTHS = (100, 1_000, 8_000)
SETTINGS = Settings(_env_file=None)


def long_plan(**fields: Any) -> Plan:
    return plan_of(**{"ways": ("stream",), "prompt_lengths": LENGTHS, "pairs": 2, "max_tokens": 16} | fields)


@given(
    st.integers(0, 2**31 - 1),
    st.integers(1, 4),
    st.lists(st.integers(100, 100_000), min_size=1, max_size=4, unique=True),
    st.integers(1, 4),
    st.integers(0, 2),
)
def test_the_same_prompt_follows_at_once(seed: int, models: int, lengths: list[int], pairs: int, warm_ups: int) -> None:
    """In each pair every model is asked every length, anew and once more; a warm-up is one short prompt for each."""
    names = tuple(f"m{number}" for number in range(models))
    plan = long_plan(models=names, prompt_lengths=tuple(lengths), pairs=pairs, warm_ups=warm_ups, seed=seed)
    calls = order(plan)
    warm, counted = calls[: warm_ups * models], calls[warm_ups * models :]
    assert Counter(warm) == {PlannedCall(0, name, "stream", min(lengths)): warm_ups for name in names if warm_ups}
    assert [call.pair for call in counted] == sorted(call.pair for call in counted)
    for new, again in zip(counted[::2], counted[1::2], strict=True):
        assert again == new._replace(repeated=True)
    wanted = [PlannedCall(pair, name, "stream", length) for pair in range(1, pairs + 1) for name in names
              for length in lengths]  # fmt: skip
    assert sorted(counted[::2]) == sorted(wanted)


def test_no_model_and_no_length_has_a_place_of_its_own() -> None:
    """Within a pair each comes first now and then."""
    plan = long_plan(models=("a", "b"), pairs=60, warm_ups=0)
    firsts = Counter((call.model, call.prompt_length) for call in order(plan)[::12])
    assert set(firsts) == {(model, length) for model in "ab" for length in LENGTHS}


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt_lengths": (100, 100)},
        {"prompt_lengths": (99,)},
        {"prompt_lengths": (100_001,)},
        {"prompt_lengths": (100, 200, 300, 400, 500)},
        {"prompt_lengths": (100,), "prompt": "x" * 400},
        {"prompt_lengths": (100,), "system": "x" * 400},
        {"prompt_lengths": (100,), "ways": ("stream", "gateway"), "max_tokens": None},
        {"models": ("a", "b", "c", "d"), "ways": ("invoke", "stream", "astream"), "pairs": 100},
    ],
    ids=str,
)
def test_lengths_that_cannot_be_measured_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        long_plan(**fields)


@pytest.mark.parametrize("system", ["", "Be polite."])
@pytest.mark.parametrize("question", ["What is streaming?", "ストリーミングを説明してください"])
def test_a_prompt_is_as_long_as_was_said_and_ends_with_the_question(system: str, question: str) -> None:
    """Its very first words are its own; asked again it is the same, and all models read the same notes."""
    plan = long_plan(models=("a", "b"), system=system, prompt=question)
    prompts, again = LongPrompts(plan), LongPrompts(plan)
    asked = {call: prompts.of(call) for call in order(plan)}
    for call, prompt in asked.items():
        whole = prompt.system + prompt.question
        assert estimate_tokens(prompt.system) + estimate_tokens(prompt.question) == pytest.approx(
            call.prompt_length or 0, abs=2
        )
        assert prompt.question.endswith(f"\n\n{question}")
        assert bool(prompt.system) == bool(system)
        assert prompts.of(call._replace(repeated=True)) == prompts.of(call._replace(repeated=False))
        assert (again.of(call).system + again.of(call).question)[:12] != whole[:12]
    new = [call for call in asked if not call.repeated]
    assert len({(asked[call].system + asked[call].question)[:12] for call in new}) == len(new)
    notes = {asked[call].question.partition("Old notes:")[2] for call in new if call.prompt_length == 1_000}
    assert len(notes) == 1


def test_without_a_length_it_is_asked_as_it_is() -> None:
    plan = plan_of(system="Be brief.")
    assert LongPrompts(plan).of(order(plan)[0]) == long_prompt(plan, None) == Prompt("Be brief.", "What is streaming?")


def test_a_long_prompt_delays_the_first_words_unless_it_was_read_before(demo: DemoModel) -> None:
    """The scripted model waits for each token that is new; what the server counted stands beside the estimate."""
    slow, quick = (
        demo_model(first=0.02, rate=500, jitter=0, prefill=prefill, text="a b c") for prefill in (20_000, 1e6)
    )
    plan = long_plan(models=(slow, quick), pairs=2, prompt_lengths=(100, 8_000))
    with closing(measure(plan, SETTINGS, demo.base_url)) as calls:
        seen = list(calls)
    assert [seen.error for seen in seen] == [None] * len(order(plan))
    firsts = {
        (figures.model, figures.prompt_length, figures.repeated): figures.ttft.median
        for figures in summarize(seen, 1.0).figures
        if figures.ttft
    }
    assert firsts[slow, 8_000, False] >= 0.02 + 0.4
    assert firsts[slow, 8_000, False] - firsts[slow, 8_000, True] > 0.2
    assert firsts[slow, 8_000, False] - firsts[slow, 100, False] > 0.2
    assert {one.prompt_tokens for one in seen if one.prompt_length == 8_000} == {8_000}
    cached = {one.repeated: one.cached_tokens for one in seen if one.prompt_length == 8_000 and one.model == slow}
    assert (cached[True] or 0) > 7_900
    assert (cached[False] or 0) < 100
    told = forecast(plan)
    assert (told.calls, told.assumed) == (len(seen), False)
    assert told.seconds - STARTING == pytest.approx(sum(one.e2e or 0.0 for one in seen), rel=0.5)
    written = write_measurement(seen, plan, datetime.now(UTC), complete=True)
    assert read_measurement(written).observations == tuple(seen)
    pace = [each for each in json.loads(written)["summary"]["comparisons"] if each["metric"] == "writing"]
    assert {each["side"]["model"] for each in pace} == {quick}


def test_what_was_saved_before_still_opens() -> None:
    """Neither its plan nor its calls know of lengths."""
    document = json.loads(write_measurement([streamed(1)], plan_of(), datetime.now(UTC), complete=True))
    for name in ("prompt_lengths", "beyond_context"):
        del document["plan"][name]
    for name in ("prompt_length", "repeated", "prompt_tokens", "cached_tokens"):
        del document["observations"][0][name]
    found = read_measurement(json.dumps(document).encode())
    assert found.plan == plan_of()
    assert found.observations == (streamed(1),)
    assert decode_observation(json.dumps(document["observations"][0]).encode()) == streamed(1)


def lengthened(length: int, **fields: Any) -> Observation:
    return streamed(1, prompt_length=length, **fields)


def test_what_is_known_not_to_fit_is_not_asked() -> None:
    """Of the local model, with room for the answer; whatever a plan from elsewhere says of it."""
    plan = fitted(long_plan(models=(LOCAL, "demo"), max_tokens=None), SETTINGS)
    assert plan.beyond_context == ((LOCAL, 8_000),)
    assert (LOCAL, 8_000) not in {(call.model, call.prompt_length) for call in order(plan)}
    assert ("demo", 8_000) in {(call.model, call.prompt_length) for call in order(plan)}
    wide = SETTINGS.model_copy(update={"lab_local_context": 16_384})
    assert fitted(plan, wide).beyond_context == ()
    assert left_out(plan, [lengthened(100)]) == [(LOCAL, 8_000)]


def test_what_a_server_refuses_as_too_long_is_left_out(demo: DemoModel) -> None:
    """It is no failed call; where a length was asked for, and only there."""
    model = demo_model(fault="context")
    with closing(measure(long_plan(models=(model, demo_model(chunks=3, rate=500))), SETTINGS, demo.base_url)) as calls:
        seen = list(calls)
    assert left_out(None, seen) == [
        (model, length) for length in LENGTHS if any(s.prompt_length == length for s in seen)
    ]
    assert summarize(seen, 1.0).failures == 0
    assert not streamed(1, error="context_too_long", e2e=None).too_long


def test_a_server_that_reads_only_a_part_is_told_of() -> None:
    """Some cut a prompt silently; tokenizers alone do not differ by half."""
    seen = [lengthened(8_000, prompt_tokens=4_096), lengthened(8_001, prompt_tokens=3_900), lengthened(1_000)]
    assert cut_short(seen) == [("acme-1", 8_001, 3_900)]


def test_a_model_goes_by_its_former_calls_of_the_same_length() -> None:
    """Without any, reading is added to those that it has."""
    plan = long_plan(models=("acme-1",), pairs=1, warm_ups=0, prompt_lengths=(8_000,), max_tokens=None)
    known = [lengthened(8_000, first=4.0), lengthened(8_000, repeated=True), streamed(2, first=1.0)]
    assert forecast(plan, known).seconds == pytest.approx(STARTING + 5.5 + 2.0)
    assert forecast(plan, known[2:]).seconds == pytest.approx(STARTING + 2 * 2.5 + 8_000 / 2_000)
    assert forecast(plan).assumed


@pytest.mark.parametrize("given", ["100,", "ten", "100,100", "99", "100;200", "1e3"])
def test_wrong_lengths_are_refused_in_a_sentence(given: str) -> None:
    with pytest.raises(ArgumentsError, match=r"\.$"):
        read_arguments(parser().parse_args(["--prompt-lengths", given]), "demo", SETTINGS)


def test_lengths_are_streamed_by_the_command_unless_ways_are_given() -> None:
    """And those that fit nowhere are no measurement."""
    asked = ["--prompt-lengths", "100, 8000"]
    assert read_arguments(parser().parse_args(asked), "demo", SETTINGS).plan.ways == ("stream",)
    assert read_arguments(parser().parse_args([*asked, "--ways", "astream"]), "demo", SETTINGS).plan.ways == (
        "astream",
    )
    with pytest.raises(ArgumentsError, match="context"):
        read_arguments(parser().parse_args(["--prompt-lengths", "8000", "--model", LOCAL]), "demo", SETTINGS)


@given(
    st.none() | st.integers(100, 100_000),
    st.booleans(),
    st.none() | st.integers(0, 10**6),
    st.none() | st.integers(0, 10**6),
)
def test_an_observation_is_written_and_read_with_its_prompt(
    length: int | None, repeated: bool, read: int | None, cached: int | None
) -> None:
    one = streamed(1, prompt_length=length, repeated=repeated, prompt_tokens=read, cached_tokens=cached)
    assert decode_observation(encode_observation(one)) == one
