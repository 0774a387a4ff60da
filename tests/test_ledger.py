"""The counters of the soak count: whatever a stream lacks, repeats or changes is found, and nothing else is."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    encode,
    first_seq,
    merge_deltas,
    numbered,
)
from tests.classroom import Asked
from tests.gateway import Sent
from tests.ledger import Audit, Entry, Notes, audit_log, entry_of
from tests.readers import Readers
from tests.redis_server import RedisServer
from tests.school import School, Soak
from tests.soak_report import KNOWN, problems, table, tracebacks
from tests.vitals import Sample, growth, lives

Message: TypeAlias = tuple[str, str, Any]

EVENTS: Sequence[StreamEvent] = (
    Thinking("", state="begun"),
    Thinking("Let "),
    Thinking("me see."),
    ToolCall("add", "c1", {"a": 1.0}),
    ToolResult("add", "c1", {"sum": 3}),
    *(TextDelta(text, step=2) for text in ("void ", "text")),
    Retry("connection_lost", 0.5, step=2),
    *(TextDelta(text, step=2) for text in ("It ", "is ", "日本語 ", "three.")),
    FinalAnswer("It is 日本語 three.", step=2),
    Done("completed", usage=Usage(3, 4), step=2),
)
LOG = [numbered(event, seq) for seq, event in enumerate(EVENTS, 1)]


def message(event: StreamEvent, **changed: Any) -> Message:
    return event.type, f"e-{event.seq}", Sent(event.type, encode(event).decode(), "").json | changed


def entries(log: Sequence[StreamEvent]) -> list[Entry]:
    return [entry_of(name, data) for name, _, data in map(message, log)]


WHOLE = [message(event) for event in LOG]
MERGED = [message(event) for event in merge_deltas(LOG)]
GAP: Message = ("gap", "", {"after": 22, "seq": 0})
FOREIGN: dict[str, Any] = {"token": "other-22", "foreign": True}
SNAPSHOT: Message = ("snapshot", "", {"seq": 0, "step": 1, "text": "", "tools": []})
SNAPSHOT_AT_10: Message = ("snapshot", "", {"seq": 10, "step": 2, "text": "It is ", "tools": []})


def found(messages: Sequence[Message], **about: Any) -> dict[str, int]:
    notes = Notes("a client", **about)
    for each in messages:
        notes.take(*each)
    return dict(Audit(entries(LOG)).of(notes).counts)


@pytest.mark.parametrize(
    ("messages", "about"),
    [
        (WHOLE, {}),
        (MERGED, {}),
        ([*WHOLE[:8], *MERGED[-3:]], {}),
        ([("open", "", {}), *WHOLE[:3], ("drain", "", {}), ("open", "", {}), *WHOLE[3:]], {}),
        (WHOLE[9:], {"token": "e-9"}),
        ([GAP, SNAPSHOT, *WHOLE], {"token": "other-22", "foreign": True}),
        (
            [GAP, SNAPSHOT, GAP, SNAPSHOT, *WHOLE],
            {"token": "other-22", "foreign": True},
        ),  # cut before it had a token of this run
    ],
)
def test_what_is_whole_has_no_fault(messages: Sequence[Message], about: dict[str, Any]) -> None:
    """One by one, merged, over several connections, after a token, and after the gap that a foreign token gets."""
    assert {kind: count for kind, count in found(messages, **about).items() if kind != "gaps"} == {}


def merged(first: int, last: int, **changed: Any) -> Message:
    (whole,) = merge_deltas(LOG[first - 1 : last])
    return message(whole, **changed)


@pytest.mark.parametrize(
    ("messages", "faults"),
    [
        ([*WHOLE[:5], *WHOLE[6:]], {"lost": 1}),
        (WHOLE[2:], {"lost": 2}),
        (WHOLE[:-1], {"lost": 1}),
        ([], {"lost": len(LOG)}),
        ([*WHOLE[:8], merged(10, 12), *WHOLE[12:]], {"lost": 1}),
        ([*WHOLE[:6], WHOLE[5], *WHOLE[6:]], {"doubled": 1}),
        ([*WHOLE[:11], merged(9, 12), *WHOLE[12:]], {"doubled": 3}),
        ([*WHOLE, WHOLE[-1]], {"doubled": 1}),
        ([*WHOLE[:5], message(LOG[5], content="other "), *WHOLE[6:]], {"different": 1}),
        ([*WHOLE[:5], message(LOG[5], step=1), *WHOLE[6:]], {"different": 1}),
        ([*WHOLE[:3], message(LOG[3], input={"a": 2}), *WHOLE[4:]], {"different": 1}),
        ([*WHOLE[:-1], message(LOG[-1], status="stopped")], {"different": 1}),
        ([*WHOLE[:-1], message(LOG[-1], usage={"input_tokens": 3, "output_tokens": 5})], {"different": 1}),
        ([*WHOLE[:8], merged(9, 12, content="It is"), *WHOLE[12:]], {"different": 1}),
        ([*WHOLE[:5], message(LOG[5], seq=7, seq_from=6), *WHOLE[7:]], {"different": 1}),
        ([*WHOLE, message(LOG[-1], seq=len(LOG) + 1)], {"different": 1}),
        ([*WHOLE[:5], GAP, SNAPSHOT_AT_10, *WHOLE[10:]], {"gaps": 1, "undocumented gaps": 1}),
        ([*WHOLE[:5], SNAPSHOT_AT_10, *WHOLE[10:]], {"undocumented gaps": 1}),
        ([*WHOLE[:5], GAP, *WHOLE[10:]], {"gaps": 1, "undocumented gaps": 1, "lost": 5}),
    ],
)
def test_each_fault_is_counted(messages: Sequence[Message], faults: dict[str, int]) -> None:
    """What is lost, doubled, different or told as a gap that the protocol does not have, is counted as just that."""
    assert found(messages) == faults


def test_a_foreign_token_explains_no_gap_later() -> None:
    """A client that has a token of this run is told no gap, and no snapshot with another text."""
    wrong = ("snapshot", "", SNAPSHOT_AT_10[2] | {"text": "It was "})
    messages = [GAP, SNAPSHOT, *WHOLE[:5], GAP, wrong, *WHOLE[10:]]
    assert found(messages, **FOREIGN) == {"gaps": 2, "undocumented gaps": 1, "different": 1}


def test_who_has_left_lacks_nothing_that_came_later() -> None:
    """What a client did not stay for is not lost; what it missed before it left is."""
    notes = Notes()
    for each in [*WHOLE[:3], *WHOLE[4:6]]:
        notes.take(*each)
    notes.stays = False
    assert dict(Audit(entries(LOG)).of(notes).counts) == {"lost": 1}


@given(st.lists(st.integers(0, len(LOG)), max_size=6), st.data())
def test_any_cuts_and_merges_are_whole_and_any_hole_is_found(cuts: list[int], data: st.DataObject) -> None:
    """However a log is cut into connections, and merged in them: whole it has no fault, and what is dropped is lost."""
    places = [0, *sorted(cuts), len(LOG)]
    pieces = [LOG[begin:end] for begin, end in pairwise(places)]
    sent = [event for piece in pieces for event in (merge_deltas(piece) if data.draw(st.booleans()) else piece)]
    assert found([message(event) for event in sent]) == {}
    dropped = data.draw(st.sampled_from(sent))
    rest = [message(event) for event in sent if event is not dropped]
    assert found(rest) == {"lost": dropped.seq - first_seq(dropped) + 1}


@pytest.mark.parametrize(
    ("log", "faults"),
    [
        (LOG, {}),
        (LOG[:-1], {"not one end": 1}),
        ([*LOG, numbered(LOG[-1], len(LOG) + 1)], {"not one end": 1}),
        ([*LOG[:4], *LOG[5:]], {"holed log": 1, "not one end": 1}),
        (merge_deltas(LOG), {"holed log": 1, "not one end": 1}),
        ([*LOG[:-2], numbered(FinalAnswer("It is.", step=2), len(LOG) - 1), LOG[-1]], {"another answer": 1}),
    ],
)
def test_the_log_itself_is_checked(log: Sequence[StreamEvent], faults: dict[str, int]) -> None:
    """It is numbered without a hole, has exactly one end, and its final answer is its text."""
    assert dict(audit_log(entries(log)).counts) == faults


# The verdict


@pytest.fixture
def soak(tmp_path: Path) -> Soak:
    """What a soak is before it begins: nothing runs."""
    school = School(tmp_path, tmp_path, RedisServer(tmp_path))
    for name in school.processes:
        (tmp_path / f"{name}.log").touch()
    return Soak(school, Readers(school.stack.nginx), 60.0)


def take(soak: Soak, messages: Sequence[Message], log: Sequence[StreamEvent] = LOG) -> None:
    """Have one client have followed one run."""
    notes = Notes("a client")
    for each in messages:
        notes.take(*each)
    soak.room.add(Asked("r", 0.0, 1.0, [notes]), entries(log))


def test_a_class_without_a_fault_is_well(soak: Soak) -> None:
    """Nothing is wrong, and the table says so."""
    take(soak, WHOLE)
    assert list(problems(soak)) == []
    assert "lost 0" in table(soak)
    assert "completed 1" in table(soak)


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lambda soak: take(soak, WHOLE[1:]), "lost: 1"),
        (lambda soak: take(soak, [*WHOLE, WHOLE[-1]]), "doubled: 1"),
        (lambda soak: take(soak, [*WHOLE[:5], message(LOG[5], content="no"), *WHOLE[6:]]), "different: 1"),
        (lambda soak: take(soak, [*WHOLE[:5], GAP, SNAPSHOT_AT_10, *WHOLE[10:]]), "undocumented gaps: 1"),
        (lambda soak: take(soak, WHOLE[:-1], LOG[:-1]), "not one end: 1"),
        (lambda soak: soak.accidents.wrong.append("left something"), "left something"),
        (lambda soak: log_of(soak, "app").write_text("so:\nTraceback (most recent call last):\n"), "app logged: so:"),
        (lambda soak: soak.room.tally.pages.update({"answers unseen": 1}), "pages: answers unseen: 1"),
    ],
)
def test_each_fault_is_said(soak: Soak, spoil: Callable[[Soak], None], wrong: str) -> None:
    """One fault of a kind is enough for the verdict to say it."""
    spoil(soak)
    assert [each[: len(wrong)] for each in problems(soak)][:1] == [wrong]


def log_of(soak: Soak, name: str) -> Path:
    return soak.school.folder / f"{name}.log"


LOST = [*LOG[:7], numbered(Error("producer_lost"), 8), numbered(Done("lost", "producer_lost"), 9)]
SHUT = [*LOG[:7], numbered(Done("stopped", "shutdown"), 8)]
ODD = [*LOG[:7], numbered(Error("internal"), 8), numbered(Done("failed", "internal"), 9)]


@pytest.mark.parametrize(
    ("log", "kills", "leavings", "explained"),
    [
        (LOST, [], [], False),
        (LOST, [0.5], [], True),
        (LOST, [2.0], [], False),
        (SHUT, [0.5], [], False),
        (SHUT, [], [0.5], True),
        (ODD, [0.5], [0.5], False),
    ],
)
def test_a_run_ends_so_for_a_reason(
    soak: Soak, log: Sequence[StreamEvent], kills: list[float], leavings: list[float], explained: bool
) -> None:
    """A run is lost when a gateway was killed while it lived, shut down when one left, and fails for nothing."""
    soak.accidents.kills, soak.accidents.leavings = kills, leavings
    take(soak, [message(event) for event in log], log)
    assert (list(problems(soak)) == []) is explained


# What processes hold


def watched(values: Sequence[float], *, calm: bool = True, pid: int = 7, begin: float = 0.0) -> list[Sample]:
    """Make samples of a process, one each five seconds."""
    return [
        Sample("app", pid, begin + 5.0 * place, 5.0 * place, calm, round(1e6 * value), 50, 5, round(value))
        for place, value in enumerate(values)
    ]


def test_a_leak_is_seen_through_noise_and_outliers() -> None:
    """Ten more a minute are found, a few wild samples or what fills up at first notwithstanding."""
    values = [min(place, 60) * 5 + place * 10 / 12 + (500 if place % 7 == 0 else place % 3) for place in range(240)]
    grown = growth(watched(values), "tasks", warm=60)
    assert grown
    assert 9 < grown.per_minute < 11
    assert grown.minutes > 4


def test_what_goes_up_and_down_does_not_grow() -> None:
    """A sawtooth has no growth; samples of a disturbed class do not count; a process anew is another."""
    grown = growth(watched([100 + place % 20 for place in range(240)]), "tasks", warm=60)
    assert grown
    assert abs(grown.per_minute) < 1
    assert growth(watched(range(240), calm=False), "tasks", warm=60) is None
    assert growth(watched(range(5)), "tasks", warm=0) is None
    parts = lives([*watched([1, 2]), *watched([3], pid=8)])
    assert [len(part) for part in parts.values()] == [2, 1]


@pytest.mark.parametrize("leak", [0, 20])
def test_what_followers_take_is_no_growth(leak: int) -> None:
    """More and more clients come to this gateway, and each takes two tasks and a half: only the rest is growth."""
    flat = watched([0] * 240)
    followers = [100 + place // 4 + place * 7 % 13 for place in range(240)]
    samples = [
        replace(sample, followers=number, tasks=round(14 + 2.5 * number + leak * sample.at / 60))
        for sample, number in zip(flat, followers, strict=True)
    ]
    grown = growth(samples, "tasks", warm=60)
    assert grown
    assert (grown.per_minute > 8) is bool(leak)


def test_a_process_that_grows_or_keeps_something_is_said(soak: Soak) -> None:
    """Growth above its bound, for long enough, and what is held at rest that was not held before."""
    soak.vitals.samples += watched([10 + place for place in range(240)])
    soak.before = {"app": watched([10])[0]}
    soak.after = {"app": watched([60])[0]}
    wrong = list(problems(soak))
    assert ["memory grew" in wrong[0], "tasks grew" in wrong[1]] == [True, True]
    assert wrong[2:] == ["app: tasks at rest 10 before, 60 after"]


def test_an_unknown_traceback_is_found() -> None:
    """Python's, also as rich prints it, with what led to it."""
    log = "one\ntwo\n── Traceback (most recent call last) ──\n  boom\nKeyError\nthree"
    assert tracebacks(log) == ["one\ntwo\n── Traceback (most recent call last) ──\n  boom\nKeyError\nthree"]
    assert not KNOWN.search(log)
    assert tracebacks("nothing") == []
