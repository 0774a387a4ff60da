"""What the latency page says first: in plain words, and right whatever was measured."""

from collections.abc import Callable, Sequence

import pytest

from components.page.texts import texts
from streamlab.engine import Engine
from streamlab.latency.observation import Observation
from tests import latency_page
from tests.latency_page import invoked, opened_file, pairs, streamed
from tests.pages import languages
from tests.test_latency_results import failed

engine = latency_page.engine  # fixtures are found by their names

Make = Callable[[int], Sequence[Observation]]


def times(make: Make, number: int = 6) -> list[Observation]:
    return [call for pair in range(1, number + 1) for call in make(pair)]


def whole_at(end: float) -> Make:
    """Of a stream that begins after half a second, and an answer that is whole at `end`."""
    return lambda pair: (invoked(pair, end), streamed(pair))


def by_chance(pair: int) -> Sequence[Observation]:
    """Now the one is sooner by a second, now the other."""
    return invoked(pair, 2.0), streamed(pair, first=1.0 if pair % 2 else 3.0, gap=0.05)


SAID: dict[str, tuple[list[Observation], list[str]]] = {
    "sooner": (pairs(), ["{first_earlier 1.5} {whole_same}"]),
    "few pairs": (pairs()[:2], ["{first_earlier 1.5} {whole_same}"]),
    "sooner whole": (times(whole_at(3.0)), ["{first_earlier 2.5} {whole_earlier 1.0}"]),
    "longer whole": (times(whole_at(1.2)), ["{first_earlier 0.70} {whole_later 0.80}"]),
    "slower": (times(whole_at(0.3)), ["{first_later 0.20} {whole_later 1.7}"]),
    "too little to notice": (times(lambda pair: (invoked(pair), streamed(pair, first=1.95, gap=0.0025))),
                             ["{first_same} {whole_same}"]),
    "chance": (times(by_chance), ["{first_unclear} {whole_unclear}"]),
    "one way": (times(lambda pair: (streamed(pair),)), ["{streamed 0.50 2.0}"]),
    "whole alone": (times(lambda pair: (invoked(pair),)), ["{whole 2.0}"]),
    "the stream failed": (times(lambda pair: (invoked(pair), failed(pair, "timeout"))), ["{whole 2.0}"]),
    "all failed": (times(lambda pair: (failed(pair, "auth"), failed(pair, "auth", "invoke"))), ["{failed}"]),
    "some failed": ([*pairs(), invoked(7), failed(7, "timeout")], ["{first_earlier 1.5} {whole_same}"]),
    "two ways": ([*pairs(), *times(lambda pair: (streamed(pair, way="astream"),))],
                 ["way_stream: {first_earlier 1.5} {whole_same}", "way_astream: {first_earlier 1.5} {whole_same}"]),
}  # fmt: skip


def written(words: dict[str, str], said: str) -> str:
    """Fill in the texts that are named in braces, with their seconds, and the names of ways."""
    for part in (part.partition("}")[0] for part in said.split("{")[1:]):
        name, *values = part.split()
        seconds = [words["latency.seconds"].format(value=value) for value in values] or [""]
        text = words[f"latency.plain_{name}"].format(seconds=seconds[0], first=seconds[0], end=seconds[-1])
        said = said.replace(f"{{{part}}}", text)
    way, between, rest = said.partition(": ")
    return f"{words[f'latency.{way}']}: {rest}" if between and way.startswith("way_") else said


@languages
@pytest.mark.parametrize("name", SAID)
def test_the_first_thing_to_read_is_plain_and_right(engine: Engine, language: str, name: str) -> None:
    """Sooner, later, the same, chance, one way, failures, several ways; nothing is claimed beyond it."""
    seen, said = SAID[name]
    app = opened_file(language, seen)
    if language == "ja":  # where nothing stands between sentences
        said = [each.replace("} {", "}{") for each in said]
    assert [text.value for text in app.main.subheader] == [written(texts(language), each) for each in said]
