"""The notes that the demo model answers from: `notes/<language>/*.md` and the small talk in `phrases.toml`."""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

from streamlab.demo_model.subjects import find_subjects, without_instructions

Language = Literal["en", "ja"]

FOLDER = files("streamlab.demo_model") / "notes"
MORE = "<!-- more -->"
SHORT = 5  # letters


@dataclass(frozen=True, slots=True)
class Note:
    """Markdown on one topic. `more` is what a follow-up question gets."""

    title: str
    main: str
    more: str


@dataclass(frozen=True, slots=True)
class Topic:
    """The same note in every language. Its keywords, of all languages together, find it."""

    keywords: re.Pattern[str]
    notes: dict[Language, Note]

    def score(self, question: str) -> int:
        """Count the different keywords in a question."""
        return len(set(self.keywords.findall(unicodedata.normalize("NFKC", question).lower())))


@dataclass(frozen=True, slots=True)
class Phrases:
    """`help` and `unknown` have a place for the list of `{topics}`, the latter also for the `{subject}` that is none of
    them; `reasoning` has one for the `{question}`. `attached` has one for the `{files}`, a line each.
    """

    greeting: str
    thanks: str
    help: str
    unknown: str
    reasoning: str
    attached: str
    attached_text: str
    attached_image: str
    openings: list[str]
    closings: list[str]


def note_files() -> list[str]:
    """List the names of the notes' files, which are the same in every language, in the order of a course."""
    return sorted(path.name for path in (FOLDER / "en").iterdir() if path.name.endswith(".md"))


@cache
def topics() -> list[Topic]:
    """Read all notes, in the order of `note_files`. Later ones are more special."""
    return [_topic(name) for name in note_files()]


@cache
def phrases(language: Language) -> Phrases:
    return Phrases(**tomllib.loads((FOLDER / language / "phrases.toml").read_text("utf-8")))


@lru_cache(maxsize=256)
def find_topic(question: str) -> int | None:
    """Find the place in `topics()` of what a question is about. Among equals the more special topic wins.

    What a prompt names as its subject comes before the other words, and how it wants to be answered counts for nothing.
    """
    subjects = find_subjects(question)
    for text in (*subjects, without_instructions(question, imperative=bool(subjects))):
        score, place = max((topic.score(text), place) for place, topic in enumerate(topics()))
        if score:
            return place
    return None


def _topic(name: str) -> Topic:
    languages: tuple[Language, ...] = ("en", "ja")
    files = {language: (FOLDER / language / name).read_text("utf-8") for language in languages}
    words = ",".join(text.partition("\n")[0].removeprefix("keywords:") for text in files.values())
    return Topic(_pattern(words), {language: _note(text) for language, text in files.items()})


def _note(text: str) -> Note:
    _, _, body = text.partition("\n")
    title, _, _ = body.strip().partition("\n")
    main, _, more = body.partition(MORE)
    return Note(title.lstrip("# "), main.strip(), more.strip())


def _pattern(words: str) -> re.Pattern[str]:
    """Match English keywords from the start of a word, and Japanese ones, which has no spaces, anywhere.

    Short ones are whole words but for a usual ending: `tab` is not in `table`.
    """
    keywords = sorted({word.strip().lower() for word in words.split(",")}, key=len, reverse=True)
    return re.compile("|".join(map(_keyword, keywords)))


def _keyword(word: str) -> str:
    if not word.isascii():
        return re.escape(word)
    end = r"(?=(?:[dsp]|e[ds]|ure|[gp]?(?:ed|ing))?(?![a-z]))" if len(word) <= SHORT else ""
    return rf"(?<![a-z0-9]){re.escape(word)}{end}"
