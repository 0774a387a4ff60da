"""What a run came to: the sum of its events, whatever their order, and however they were merged on the way."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Retry,
    Status,
    StepText,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    merge_deltas,
)
from streamlab.events.outcome import UNKNOWN, Account, ToolUse, outcome_of
from streamlab.events.timings import Timings, timings
from streamlab.gateway.state import state_of
from streamlab.hub import MemoryHub
from tests.recordings import runs

CALL = ToolCall("add", "c1", {"a": 1}, at=1.0)
RESULT = ToolResult("add", "c1", 3, at=1.5)


@given(runs())
def test_merging_changes_no_outcome_but_the_times_of_what_was_merged(events: list[StreamEvent]) -> None:
    """A follower that lagged knows the same text, reasoning, tools and end."""
    whole, merged = outcome_of(events), outcome_of(merge_deltas(events))
    assert replace(merged, timings=whole.timings) == whole
    assert merged.timings.total == whole.timings.total
    assert merged.timings.last == whole.timings.last


@given(runs(), st.data())
def test_an_account_may_be_read_at_any_time(events: list[StreamEvent], data: st.DataObject) -> None:
    """What it says in the middle is what it would say of so much, and reading it changes nothing."""
    cut = data.draw(st.integers(0, len(events)))
    account = Account()
    for event in events[:cut]:
        account.observe(event)
    assert account.outcome == outcome_of(events[:cut])
    for event in events[cut:]:
        account.observe(event)
    assert account.outcome == outcome_of(events)


@given(runs())
def test_the_text_of_an_outcome_is_that_of_its_last_step(events: list[StreamEvent]) -> None:
    """The one rule that every reader goes by."""
    text = StepText()
    for event in events:
        text.observe(event)
    assert outcome_of(events).text == str(text)


@given(runs())
def test_a_run_without_its_end_was_lost(events: list[StreamEvent]) -> None:
    """What it had written stays; its tokens are not known."""
    cut = [event for event in events if not isinstance(event, Done)]
    outcome = outcome_of(cut)
    assert (outcome.status, outcome.code, outcome.usage) == ("lost", "internal", UNKNOWN)
    assert (outcome.text, outcome.thinking) == (outcome_of(events).text, outcome_of(events).thinking)


# By hand


def test_a_result_belongs_to_its_call() -> None:
    """With the call's input and the time between them."""
    assert outcome_of([CALL, RESULT]).tools == (ToolUse("add", {"a": 1}, 3, "completed", 0.5),)


@pytest.mark.parametrize(
    "events",
    [
        [RESULT],
        [CALL],
        [CALL, ToolResult("add", "other", 3, at=1.5)],
        [CALL, RESULT, Retry("timeout", 0.1, at=2.0)],
    ],
    ids=["no call", "no result", "another's result", "void"],
)
def test_a_call_without_its_result_is_no_use_of_a_tool(events: list[StreamEvent]) -> None:
    """Nor a result without its call, nor what a retry made void."""
    assert outcome_of(events).tools == ()


def test_a_second_result_of_a_call_is_passed_over() -> None:
    """The first one counts, as it does for the model."""
    again = replace(RESULT, result=4, at=2.0)
    assert [use.result for use in outcome_of([CALL, RESULT, again]).tools] == [3]


def test_calls_under_way_at_the_same_time_have_their_own_results() -> None:
    """In the order in which the results came."""
    second = ToolCall("add", "c2", {"a": 2}, at=1.1)
    outcome = outcome_of([CALL, second, ToolResult("add", "c2", 5, "failed", at=1.2), RESULT])
    assert [(use.input["a"], use.result, use.status) for use in outcome.tools] == [
        (2, 5, "failed"),
        (1, 3, "completed"),
    ]
    assert [use.seconds for use in outcome.tools] == pytest.approx([0.1, 0.5])


def test_a_retry_voids_what_was_shown_and_is_counted() -> None:
    """Text, reasoning and first times are those of the next attempt."""
    first: list[StreamEvent] = [
        Thinking("a", at=0.1),
        TextDelta("b", at=0.2),
        CALL,
        RESULT,
        Retry("timeout", 0.5, at=2.0),
    ]
    outcome = outcome_of([*first, Thinking("c", at=3.0), TextDelta("d", at=4.0)])
    assert (outcome.thinking, outcome.text, outcome.tools, outcome.retries) == ("c", "d", (), 1)
    assert outcome.timings == Timings(4.0, 4.0, 3.0, 4.0)


def test_the_error_s_words_are_kept_for_the_log_s_reader() -> None:
    """With the status and the code of the end; before there was a `detail` they were the message."""
    for error in (Error("auth", detail="no such key", at=1.0), Error("auth", "no such key", at=1.0)):
        outcome = outcome_of([error, Done("failed", "auth", at=1.0)])
        assert (outcome.status, outcome.code, outcome.detail) == ("failed", "auth", "no such key")


def test_a_sentence_that_we_made_is_not_the_server_s_words() -> None:
    """Where the server said nothing there is nothing to show."""
    assert outcome_of([Error("auth", at=1.0), Done("failed", "auth", at=1.0)]).detail is None


def test_a_final_answer_alone_is_no_text() -> None:
    """The text is what was shown; a final answer repeats it and brings nothing."""
    assert outcome_of([FinalAnswer("whole", at=1.0), Done("completed", at=1.0)]).text == ""


# The text that counts


def test_a_step_s_text_begins_anew_with_the_step() -> None:
    """Reasoning and calls begin it as well as text does."""
    for begin in (Thinking("", at=0.0, step=2), ToolCall("t", "1", at=0.0, step=2), TextDelta("", at=0.0, step=2)):
        text = StepText()
        for event in (TextDelta("one", at=0.0), begin):
            text.observe(event)
        assert (str(text), text.step) == ("", 2)


def test_a_late_result_of_an_earlier_step_voids_nothing() -> None:
    """It has the step of its call, which may be over."""
    text = StepText()
    for event in (TextDelta("two", at=0.0, step=2), ToolResult("t", "1", at=0.0, step=1)):
        text.observe(event)
    assert (str(text), text.step) == ("two", 2)


def test_a_text_may_go_on_from_a_snapshot() -> None:
    """Which has its step and what was written in it."""
    text = StepText(3, "so ")
    text.observe(TextDelta("far", at=0.0, step=3))
    assert str(text) == "so far"
    text.observe(Retry("timeout", at=0.0, step=3))
    assert str(text) == ""


# The state that JSON tells


@given(runs())
def test_the_state_of_a_run_agrees_with_its_outcome(events: list[StreamEvent]) -> None:
    """Of a log that has all of its events."""
    log = MemoryHub().create("run")
    for event in events:
        log.append(replace(event, seq_from=None) if isinstance(event, TextDelta | Thinking) else event)
    state, outcome = state_of(log), outcome_of(events)
    assert (state.id, state.status, state.code, state.retries) == ("run", outcome.status, outcome.code, outcome.retries)
    assert state.text == outcome.text.encode("utf-8", "replace").decode()
    assert state.tools == sum(isinstance(event, ToolResult) for event in events)
    assert (state.time_to_first_token, state.seconds) == (timings(events).ttft, timings(events).total)


@pytest.mark.parametrize(("status", "code"), [("stopped", "unwatched"), ("lost", "producer_lost"), ("completed", None)])
def test_a_state_tells_the_end_and_its_tokens(status: Status, code: str | None) -> None:
    """All that is known of the tokens; what is not is null."""
    log = MemoryHub().create("run")
    log.append(TextDelta("half", at=0.5))
    assert (state_of(log).status, state_of(log).usage) == ("live", None)
    log.append(Done(status, code, Usage(1, 5, reasoning_tokens=3, cached_tokens=1), at=1.0))
    state = state_of(log)
    assert (state.status, state.code, state.text, state.seq, state.seconds) == (status, code, "half", 2, 1.0)
    assert state.usage
    assert state.usage.model_dump() == {
        "input_tokens": 1,
        "output_tokens": 5,
        "estimated": False,
        "reasoning_tokens": 3,
        "cached_tokens": 1,
        "cache_write_tokens": None,
    }


def test_a_lone_half_of_a_character_does_not_break_a_state() -> None:
    """JSON in UTF-8 has no form for it."""
    log = MemoryHub().create("run")
    log.append(TextDelta("a\ud800b", at=0.5))
    assert state_of(log).model_dump_json()
    assert state_of(log).text == "a?b"
