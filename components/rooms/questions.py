"""The questions for a guess: six that come with the lesson, and the teacher's own; as a page says them."""

from dataclasses import dataclass

from components.page.texts import t
from streamlab.rooms.event import GuessAsked
from streamlab.rooms.guesses import number_text


@dataclass(frozen=True, slots=True)
class LessonQuestion:
    """One that comes with the lesson: the page on which the truth is measured, and its choices; none for a number."""

    page: str
    choices: tuple[str, ...] = ()


LESSON = {
    "sooner": LessonQuestion("home"),
    "reload": LessonQuestion("chat", ("again", "stops", "continues")),
    "chunks": LessonQuestion("chunks"),
    "cut": LessonQuestion("faults", ("unnoticed", "half", "nothing", "replaced")),
    "tools": LessonQuestion("timeline"),
    "faster": LessonQuestion("latency", ("faster", "same", "slower")),
}


def text_of(asked: GuessAsked) -> str:
    """Return what is asked, as text."""
    return _said(asked.lesson) if asked.lesson else asked.text


def unit_of(asked: GuessAsked) -> str:
    """Return the unit of the guesses; "" for none."""
    return t(f"guess.{asked.lesson}_unit") if asked.lesson in LESSON and not asked.choices else asked.unit


def choices_of(asked: GuessAsked) -> list[str]:
    """Return the choices as they are read; none where a number is asked for."""
    if asked.lesson in LESSON:
        return [t(f"guess.{asked.lesson}_{choice}") for choice in LESSON[asked.lesson].choices]
    return list(asked.choices)


def value_text(asked: GuessAsked, value: float) -> str:
    """Return a guess, or the truth, as it is read."""
    if choices := choices_of(asked):
        return choices[int(value)] if value in range(len(choices)) else "–"
    return f"{number_text(value)}\u00a0{unit_of(asked)}".rstrip()


def _said(lesson: str) -> str:
    """Return a question of the lesson; of one that only a later version knows its name."""
    return t(f"guess.{lesson}") if lesson in LESSON else lesson


def title(lesson: str) -> str:
    """Return a question of the lesson with its page, to be chosen by."""
    return f"{t(f'{LESSON[lesson].page}.title')}: {_said(lesson)}"
