"""Reasoning that stands within an answer, told from it however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.models.thoughts import MARKS
from tests.wire import STOP, chunk, events, read

texts = st.text(st.sampled_from("ab <>/think\n`\U0001f642あ"), max_size=30)


TAGS = {f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reasoning", "seed:think", "mm:think")}
PAIRS = MARKS | TAGS | {"<think >": "</think>", '<think time="3">': "</think>", "\ufeff<think>": "</think>"}


@given(st.sampled_from(sorted(PAIRS)), texts, texts | st.just(" <"), st.sampled_from(["", " ", "\n\n"]), st.data())
def test_thoughts_are_parted_however_they_are_cut(
    start: str, thought: str, answer: str, space: str, data: st.DataObject
) -> None:
    """Into chunks of any length, in any case of letters; white space around a thought belongs to nobody."""
    end = PAIRS[start]
    if end in thought or any(answer.lstrip().startswith(mark) for mark in PAIRS):
        return
    text = f"{space}{data.draw(st.sampled_from([start, start.upper()]))}{thought}{end}{space}{answer}"
    places = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    found = read(events(*(chunk({"content": piece}) for piece in pieces), STOP))
    assert found.failure is None
    assert found.thoughts == thought.strip()
    assert found.text == answer.lstrip()


@pytest.mark.parametrize(
    "text",
    [
        "```html\n<think>x</think>\n```",
        "Use <think> and </think>.",
        "`<think>`",
        "<thin> air",
        "<",
        "  indented",
        "a</think>b",
        "<thinker>no</thinker>",
        " \n",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_only_looks_like_a_thought_is_text(text: str, size: int) -> None:
    """In a fence, in the midst of an answer, or cut short: nothing of it is lost."""
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    found = read(events(*(chunk({"content": piece}) for piece in pieces), STOP))
    assert (found.text, found.thoughts) == (text, "")


def test_a_thought_that_never_ends_is_one() -> None:
    """The answer was cut before it began."""
    found = read(events(chunk({"content": "<think>hm </thi"}), chunk(finish="length")))
    assert (found.text, found.thoughts, found.finish) == ("", "hm </thi", "length")


def test_two_thoughts_in_a_row() -> None:
    """Both come before the answer."""
    found = read(events(chunk({"content": "<think>a</think>\n<think>b</think>\nc"}), STOP))
    assert (found.text, found.thoughts) == ("c", "ab")
