"""What is guessed in a room: numbers as people write them, choices, and how often each was guessed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.rooms.event import GuessAsked
from streamlab.rooms.guesses import MOST, fits, histogram, number_text, read_choices, read_number

guesses = st.lists(st.floats(-MOST, MOST, allow_nan=False) | st.floats(0, 20).map(lambda each: round(each, 1)))


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("7.5", 7.5),
        (" 7,5 ", 7.5),
        ("１２", 12.0),
        ("１．５秒", 1.5),
        ("1.5 S", 1.5),
        ("1,000", 1000.0),
        ("0,500", 0.5),
        ("12 000", 12000.0),
        ("-3", -3.0),
        ("−3", -3.0),
        ("ー3", -3.0),
        ("٣٫٥", 3.5),
        ("+2", 2.0),
        (".5", 0.5),
        ("5.", 5.0),
        *(
            (wrong, None)
            for wrong in ("", "  ", "nan", "inf", "1e308", "1e3", "1_0", "--1", "seven", "<b>7</b>", "²²²x")
        ),
        ("99999999999", None),
        ("9" * 400, None),
        ("1.2.3", None),
        ("\ud800", None),
    ],
)
def test_a_number_is_read_as_people_write_it(typed: str, value: float | None) -> None:
    assert read_number(typed, "秒" if "秒" in typed else "s") == value


@given(st.text(max_size=30), st.text(max_size=3))
def test_whatever_is_typed_is_a_number_that_counts_or_none(typed: str, unit: str) -> None:
    value = read_number(typed, unit)
    assert value is None or fits(GuessAsked(text="?"), value)


@given(st.integers(-10_000, 10_000).map(lambda tenths: tenths / 10))
def test_a_number_is_read_as_it_was_written(value: float) -> None:
    assert read_number(number_text(value)) == value


@pytest.mark.parametrize(
    ("typed", "choices"),
    [
        ("", ()),
        ("yes\nno", ("yes", "no")),
        (" はい \n\n\u200b\nいいえ\nはい", ("はい", "いいえ")),
        ("<b>a</b>\n\u202eb", ("<b>a</b>", "b")),
        ("only one", None),
        ("a\nb\nc\nd\ne\nf\ng", None),
    ],
)
def test_two_to_six_choices_are_choices(typed: str, choices: tuple[str, ...] | None) -> None:
    assert read_choices(typed) == choices


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e10])
def test_what_is_no_number_to_count_fits_nothing(value: float) -> None:
    assert not fits(GuessAsked(text="?"), value)
    assert not fits(GuessAsked(text="?", choices=("a", "b")), value)


@pytest.mark.parametrize(("value", "is_one"), [(0.0, True), (1.0, True), (2.0, False), (-1.0, False), (0.5, False)])
def test_a_choice_is_one_of_those_that_there_are(value: float, is_one: bool) -> None:
    assert fits(GuessAsked(text="?", choices=("a", "b")), value) is is_one


@given(guesses, st.none() | st.floats(-1000, 1000))
def test_a_histogram_counts_each_guess_once(values: list[float], truth: float | None) -> None:
    found = histogram(values, truth)
    assert sum(bar.count for bar in found.bars) + found.beyond == len(values)
    assert len(found.bars) <= 13
    assert all(bar.low < bar.high for bar in found.bars)
    if values and truth is not None:
        assert found.bars[0].low <= truth + 1e-6 * abs(truth)
        assert truth <= found.bars[-1].high


def test_one_who_is_far_off_leaves_the_others_their_picture() -> None:
    found = histogram([3.0, 4.0, 5.0, 6.0, 7.0, 1e9], 7.7)
    assert (found.beyond, found.bars[0].low, found.bars[-1].high) == (1, 3.0, 8.0)
