"""The laws of the word diff: it is made of both texts, and it ends."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.prompts import diff
from streamlab.prompts.diff import Segment, word_diff

GENEROUS = 60.0  # seconds for what takes a few on an idle machine

words = st.sampled_from(
    ["the", "model", "streams", " ", " ", ". ", "\n", "東京", "は", "、", "😀", "don't", "\r\n", "\u3000"]
)
texts = st.lists(words, max_size=30).map("".join) | st.text(st.characters(codec="utf-8"), max_size=30)


def check_laws(segments: list[Segment], a: str, b: str) -> None:
    assert "".join(segment.text for segment in segments if segment.kind != "added") == a
    assert "".join(segment.text for segment in segments if segment.kind != "removed") == b
    assert all(segment.text for segment in segments)
    assert all(one.kind != other.kind for one, other in pairwise(segments))
    assert not any(one.kind == "added" and other.kind == "removed" for one, other in pairwise(segments))


def shown(a: str, b: str) -> str:
    marks = {"same": "{}", "removed": "[-{}]", "added": "[+{}]"}
    return "".join(marks[segment.kind].format(segment.text) for segment in word_diff(a, b))


@given(texts, texts)
def test_the_pieces_make_both_texts(a: str, b: str) -> None:
    """Exactly, to the last space; and what is removed stands before what is added."""
    check_laws(word_diff(a, b), a, b)


@given(texts, texts, st.integers(0, 50), st.integers(0, 50))
def test_the_pieces_make_both_texts_also_when_they_are_long(a: str, b: str, pairs: int, product: int) -> None:
    """Where the texts are divided first, at whatever size that begins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diff, "MAX_PAIRS", pairs)
        patch.setattr(diff, "MAX_PRODUCT", product)
        check_laws(word_diff(a * 3, b * 2), a * 3, b * 2)


@given(texts)
def test_a_text_is_the_same_as_itself(text: str) -> None:
    """One segment, or none."""
    assert word_diff(text, text) == ([Segment("same", text)] if text else [])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("the old model", "the new model", "the [-old][+new] model"),
        ("one two", "one", "one[- two]"),
        ("", "new text", "[+new text]"),
        ("東京は雨です", "東京は晴れです", "東京は[-雨][+晴れ]です"),
        ("a quick red fox", "a slow blue fox", "a [-quick red][+slow blue] fox"),
        ("Paris.", "Paris!", "Paris[-.][+!]"),
        ("don't", "do not", "[-don't][+do not]"),
        ("a\nb", "a\r\nb", "a[-\n][+\r\n]b"),
        ("unchanged", "changed", "[-unchanged][+changed]"),
    ],
)
def test_words_are_compared_whole(a: str, b: str, expected: str) -> None:
    """Japanese by the character, spaces as they are, and a space between two changes with them."""
    assert shown(a, b) == expected


def test_a_changed_sentence_of_a_long_text_is_found() -> None:
    """All else stays the same, and only the word differs."""
    sentences = [f"Sentence number {n} of the text, as long as most. " for n in range(2_000)]
    a = "".join(sentences)
    b = a.replace("number 1000 of", "number one thousand of")
    assert [segment for segment in word_diff(a, b) if segment.kind != "same"] == [
        Segment("removed", "1000"),
        Segment("added", "one thousand"),
    ]


def chosen(alphabet: str, seed: int) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=100_000))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (chosen("ab ", 1), chosen("ab ", 2)),
        (chosen("あいうえお。日本", 1), chosen("あいうえお。日本", 2)),
        (chosen("a\n", 1), chosen("a\n", 2)),
        ("a " * 50_000, "a " * 49_000 + "b " * 1_000),
        ("".join(f"x{n}\n" for n in range(16_000)), "".join(f"x{n}\n" for n in reversed(range(16_000)))),
        ("".join(f"x{n}\n" for n in range(16_000)), "".join(f"x{n * 7919 % 16_000}\n" for n in range(16_000))),
    ],
    ids=["two words", "Japanese", "lines", "one word", "reversed", "shuffled"],
)
def test_texts_of_100_000_characters_are_compared_in_bounded_time(a: str, b: str) -> None:
    """Also those made to be slow."""
    start = time.monotonic()
    check_laws(word_diff(a, b), a, b)
    assert time.monotonic() - start < GENEROUS
