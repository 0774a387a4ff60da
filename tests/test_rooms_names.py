"""Names as they are shown, and codes as they are read aloud."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.rooms.code import LENGTH, LETTERS, new_code, read_code, spaced
from streamlab.rooms.names import CHARACTERS, display_name, same_name

FAMILY = "👨‍👩‍👧‍👦"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Ken", "Ken"),
        ("  Ken \n Yamada\t", "Ken Yamada"),
        ("山田　太郎", "山田 太郎"),
        ("محمد", "محمد"),
        (FAMILY, FAMILY),
        ("<b>Ken</b>", "<b>Ken</b>"),  # text, for who draws it escapes it
        ("\u202egnK\u202c", "gnK"),  # turns what stands beside it
        ("K\u200bn\0\x07\ud800", "Kn"),
        ("e\u0301", "é"),
        ("x" * 200, "x" * (CHARACTERS - 1) + "…"),
        (FAMILY * 200, FAMILY * (CHARACTERS - 1) + "…"),
        ("Z" + "\u0336" * 60, "Z" + "\u0336" * 4),
        *[(nothing, "") for nothing in ("", "   ", "\n", "\u200d\u200d", "\u3164", "\u2800", "\0", "\u202e", "\ud800")],
    ],
)
def test_a_name_is_one_short_line_of_what_can_be_seen(typed: str, shown: str) -> None:
    assert display_name(typed) == shown


@given(st.text(max_size=300))
def test_a_shown_name_stays_as_it_is(typed: str) -> None:
    name = display_name(typed)
    assert display_name(name) == name
    assert not {unicodedata.category(each) for each in name} & {"Cc", "Cs", "Zl", "Zp"}
    assert len(name) <= 20 * CHARACTERS
    assert name.encode().decode() == name


@pytest.mark.parametrize("other", ["ＫＥＮ Yamada", "ken  yamada", "K\u200den Yamada", "KenYamada", "Ken Yamada\ufe0f"])
def test_who_writes_a_name_otherwise_is_the_same(other: str) -> None:
    assert same_name(display_name(other)) == same_name("Ken Yamada")


@pytest.mark.parametrize(("one", "other"), [("Ken", "Kenn"), ("はな", "ハナ"), ("Jose", "José"), (FAMILY, "👨")])
def test_other_names_are_others(one: str, other: str) -> None:
    assert same_name(one) != same_name(other)


def test_codes_have_letters_that_are_told_apart() -> None:
    """None of two that sound alike in English or in Japanese, and none that looks like a digit or makes a word."""
    alike = ["AJK", "BCDEGPTVZ", "MN", "FSX", "UW", "IY", "QO0D", "IL1", "S5", "B8", "Z2"]
    assert all(len(set(group) & set(LETTERS)) <= 1 for group in alike)
    assert not set(LETTERS) & set("AEIOU")
    assert len(LETTERS) ** LENGTH == 1_000_000


@pytest.mark.parametrize("form", ["{}", " {} ", "{}\n", "｢{}｣"])
def test_a_code_is_read_as_it_was_typed(form: str) -> None:
    """In any case, in full width as a Japanese keyboard writes it, and in parts."""
    code = new_code()
    full_width = "".join(chr(ord(letter) + 0xFEE0) for letter in code)
    for typed in (code, code.lower(), spaced(code), "-".join(code), full_width, full_width.lower(), "・".join(code)):
        assert read_code(form.format(typed)) == code


@pytest.mark.parametrize("typed", ["", "HKL", "HKLMQRT", "ABCDEF", "123456", "ほけるむくる", "HKLMQ\0", "x" * 10_000])
def test_anything_else_is_no_code(typed: str) -> None:
    assert read_code(typed) is None
