"""What is guessed: numbers as people write them, and how often each was guessed."""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from streamlab.rooms.event import GuessAsked
from streamlab.rooms.names import display_name

TEXT_CHARACTERS = 300  # of a question
CHOICE_CHARACTERS = 100
UNIT_CHARACTERS = 20
FEWEST_CHOICES, MOST_CHOICES = 2, 6
MOST = 1e9  # how far from 0 a guess may be
BARS = 10  # of a histogram, about
FEW = 5  # numbers, of which none is far off
FENCE = 5  # times the middle half's width, beyond which a number is far off
EDGE = 1e-9  # of a bar: a number on its edge belongs to the upper one, however it is rounded

_NUMBER = regex.compile(r"[+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})")
_THOUSANDS = regex.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?")
_AS_WRITTEN = str.maketrans({"−": "-", "ー": "-", "–": "-", "‐": "-", "٫": ".", "٬": ",", "、": ",", "。": "."})


def read_number(typed: str, unit: str = "") -> float | None:
    """Return the number that was typed, in any width and with a comma or its unit; None for none that can count."""
    text = unicodedata.normalize("NFKC", typed[:100]).translate(_AS_WRITTEN).strip()
    text = "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in text)
    end = unicodedata.normalize("NFKC", unit).strip()
    if end and text.casefold().endswith(end.casefold()):
        text = text[: -len(end)]
    text = "".join(text.split())
    text = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        return None
    return value if abs(value := float(text)) <= MOST else None


def number_text(value: float) -> str:
    """Write a number as short as it can be read."""
    rounded = round(value, 2) if abs(value) >= 1 else float(f"{value:.2g}")
    return f"{rounded:,.12g}" if rounded else "0"


def fits(asked: GuessAsked, value: float) -> bool:
    """Tell whether a value answers the question."""
    if asked.choices:
        return value in range(len(asked.choices))
    return math.isfinite(value) and abs(value) <= MOST


def read_choices(typed: str) -> tuple[str, ...] | None:
    """Return the choices, one from each line, each once; none for an empty text, None where they are no choice."""
    lines = (display_name(line, CHOICE_CHARACTERS) for line in typed[:10_000].splitlines())
    choices = tuple(dict.fromkeys(filter(None, lines)))
    return choices if not choices or FEWEST_CHOICES <= len(choices) <= MOST_CHOICES else None


@dataclass(frozen=True, slots=True)
class Bar:
    """How often a number from `low` to below `high` was guessed."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Numbers in bars of one width, and how many lie so far off that they would make the others one bar."""

    bars: tuple[Bar, ...] = ()
    beyond: int = 0


def histogram(values: Sequence[float], truth: float | None = None) -> Histogram:
    """Count numbers where most of them and the truth are."""
    numbers = sorted(filter(math.isfinite, values))
    if not numbers:
        return Histogram()
    near = _near(numbers)
    ends = [near[0], near[-1], *([] if truth is None else [truth])]
    low, high = min(ends), max(ends)
    step = _step((high - low) / BARS)
    first, last = _place(low, step), _place(high, step)
    counts = Counter(_place(number, step) for number in numbers)
    bars = tuple(Bar(place * step, (place + 1) * step, counts[place]) for place in range(first, last + 1))
    return Histogram(bars, len(numbers) - sum(bar.count for bar in bars))


def _near(numbers: Sequence[float]) -> list[float]:
    """Return those that are not far from the middle half; all where there are few."""
    end = len(numbers) - 1
    lower, upper = numbers[end // 4], numbers[3 * end // 4]
    fence = FENCE * (upper - lower) or max(abs(upper), 1.0)
    return [each for each in numbers if len(numbers) < FEW or lower - fence <= each <= upper + fence]


def _place(number: float, step: float) -> int:
    return math.floor(number / step + EDGE)


def _step(width: float) -> float:
    """Return the least of 1, 2, 5, 10 … that is not below the width."""
    if width <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(width))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= width * (1 - EDGE))
