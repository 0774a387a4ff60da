"""The board of a room is the sum of its events."""

from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.rooms.board import STILL, Board
from streamlab.rooms.event import (
    AnyRoomEvent,
    Ended,
    GuessAsked,
    Guessed,
    Hand,
    Joined,
    Left,
    LimitSet,
    Moved,
    Presented,
    PutAway,
    Revealed,
    TaskDone,
    decode,
    encode,
)

WHO = ("ann", "ben", "chie")
people = st.sampled_from(WHO)
pages = st.sampled_from(["chat", "latency", "prompts"])
words = st.text(max_size=5)
moments = st.integers(0, 20).map(float)  # so few that many are at the same one
ids = st.integers(0, 10_000).map(str)
questions = st.sampled_from(["first", "second"])
values = st.integers(0, 9).map(float)
envelope = {"id": ids, "at": moments}

STRATEGIES: dict[type[AnyRoomEvent], st.SearchStrategy[AnyRoomEvent]] = {
    Joined: st.builds(Joined, **envelope, who=people, name=words, browser=words, by=st.sampled_from(["name", "pin"])),
    Left: st.builds(Left, **envelope, who=people),
    Moved: st.builds(Moved, **envelope, who=people, page=pages),
    TaskDone: st.builds(TaskDone, **envelope, who=people, page=pages),
    Hand: st.builds(Hand, **envelope, who=st.sampled_from(["", *WHO]), of=people, up=st.booleans(), word=words),
    Presented: st.builds(Presented, **envelope, address=words, at_once=st.booleans()),
    GuessAsked: st.builds(GuessAsked, id=questions, at=st.just(1.0), text=st.just("How many?")),
    Guessed: st.builds(Guessed, **envelope, who=people, question=questions, value=values),
    Revealed: st.builds(Revealed, **envelope, question=questions, value=values),
    PutAway: st.builds(PutAway, **envelope, question=questions),
    LimitSet: st.builds(LimitSet, **envelope, limit=st.integers(1, 99)),
    Ended: st.builds(Ended, **envelope),
}
# An id is one event's.
ledgers = st.lists(st.one_of(*STRATEGIES.values()), max_size=30, unique_by=lambda event: (event.id, event.type))


def test_every_kind_of_event_is_tried() -> None:
    assert set(STRATEGIES) == set(get_args(AnyRoomEvent))


@given(ledgers, st.data())
def test_the_order_and_repetition_of_events_do_not_count(events: list[AnyRoomEvent], data: st.DataObject) -> None:
    """A process that was away and reads the rest later, or an entry that was written twice, leads to the same board."""
    board = Board().added(events)
    shuffled = data.draw(st.permutations([*events, *events[::2]]))
    cut = data.draw(st.integers(0, len(shuffled)))
    assert Board().added(shuffled[:cut]).added(shuffled[cut:]).added(events) == board
    assert Board().added(shuffled) == board


@given(ledgers)
def test_an_event_is_read_as_it_was_written(events: Sequence[AnyRoomEvent]) -> None:
    assert [decode(encode(event)) for event in events] == list(events)


@pytest.mark.parametrize("written", [b"", b"\xff", b"[]", b'{"type":"of_tomorrow"}', b'{"type":"moved"}'])
def test_what_this_version_does_not_know_is_passed_over(written: bytes) -> None:
    assert decode(written) is None


def test_any_text_is_kept() -> None:
    event = Hand(id="1", who="a", of="a", up=True, word="\ud800\0助けて<b>🙋🏽")
    assert decode(encode(event)) == event


@given(ledgers)
def test_the_board_says_of_each_what_was_said_last(events: list[AnyRoomEvent]) -> None:
    board = Board().added(events)
    for person in board.participants:
        mine = [event for event in events if event.who == person.id]
        moved = sorted((event.at, event.id, event.page) for event in mine if isinstance(event, Moved))
        assert person.page == (moved[-1][2] if moved else "")
        assert person.done == {event.page for event in mine if isinstance(event, TaskDone)}
        assert person.is_still(person.seen + STILL) == person.here
    assert board.present == [person for person in board.participants if person.here]


def test_a_name_is_its_first_comers() -> None:
    """Of two who came at once the one with the smaller id is first, whichever is read first."""
    one = Joined(id="1", at=1.0, who="ann", name="Ann", browser="b", by="name")
    other = Joined(id="2", at=1.0, who="ann", name="ANN", browser="c", by="name")
    pin = Joined(id="3", at=2.0, who="ann", name="ann", browser="d", by="pin")
    person = Board().added([pin, other, one]).people["ann"]
    assert (person.name, [person.is_of(browser) for browser in "bcd"]) == ("Ann", [True, False, True])


def test_only_what_the_teacher_says_tells_the_class() -> None:
    board = Board().added([Joined(id="1", at=1.0, who="ann", name="Ann", browser="b", by="name")])
    quiet: list[AnyRoomEvent] = [
        Moved(id="2", at=2.0, who="ann", page="chat"),
        TaskDone(id="3", at=2.0, who="ann", page="chat"),
        Hand(id="4", at=2.0, who="ann", of="ann", up=True),
        Guessed(id="5", at=2.0, who="ann", question="q", value=1.0),
        LimitSet(id="6", at=2.0, limit=3),
    ]
    assert board.added(quiet).told("ann") == board.told("ann")
    said: list[AnyRoomEvent] = [
        Presented(id="7", at=3.0, address="chat"),
        GuessAsked(id="q", at=3.0, text="?"),
        Ended(id="8", at=4.0),
    ]
    boards = [board, *(board.added([event]) for event in [*said, Revealed(id="9", at=5.0, question="q")])]
    boards.append(board.added([said[1], PutAway(id="b", at=6.0, question="q")]))
    assert len({each.told("ann") for each in boards}) == len(boards)
    lowered = board.added([Hand(id="a", at=6.0, of="ann", up=False)])
    assert lowered.told("ann") != board.told("ann")
    assert lowered.told("ben") == board.told("ben")
