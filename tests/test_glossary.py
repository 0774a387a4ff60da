"""The words of both languages: one for each thing, as locales/glossary.md has them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from components.page.texts import LANGUAGES, texts

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "locales" / "glossary.md"
NOTES = ROOT / "streamlab" / "demo_model" / "notes" / "ja"
DOCUMENTS = [
    *(path for path in ROOT.rglob("*.ja.md") if "node_modules" not in path.parts),
    *NOTES.glob("*.md"),
    *NOTES.glob("*.toml"),
    ROOT / "examples" / "browser.html",
    ROOT / "examples" / "react" / "src" / "texts.ts",
]
# What is no prose: code, what is filled in, addresses, and the words by which a note is found.
NO_PROSE = re.compile(r"```.*?```|`[^`\n]*`|\{+[^{}\n]*\}+|\]\([^)\n]*\)|^keywords:.*$", re.DOTALL | re.MULTILINE)
FILLED = "0"  # stands for what is filled in: mostly a number
KATAKANA, JAPANESE = "ァ-ヺー", "ぁ-ゖァ-ヺー一-鿿"
# Questions to the demo model, which people type, what it answers, and keys.
TYPED = re.compile(r"timeline\.suggestion_|chunks\.sample_|prompts\.first_|keys\.single")
DATES = r"[\d{}a-z]+年([\d{}a-z]+月([\d{}a-z]+日)?)?|第\d四半期"

languages = pytest.mark.parametrize("language", LANGUAGES)


@dataclass(frozen=True)
class Entry:
    term: dict[str, str]  # by language
    sections: list[str]
    forbidden: dict[str, list[str]]


@cache
def entries() -> list[Entry]:
    rows = [line.strip("|").split("|") for line in GLOSSARY.read_text("utf-8").splitlines() if line.startswith("|")]
    return [
        Entry(
            {"en": english.strip(), "ja": japanese.strip()}, words(sections), {"en": words(not_en), "ja": words(not_ja)}
        )
        for english, japanese, _, sections, not_en, not_ja in rows[2:]
    ]


def words(cell: str) -> list[str]:
    return re.findall("`(.+?)`", cell)


def prose(text: str) -> str:
    return NO_PROSE.sub(FILLED, text)


def stands(word: str, text: str) -> bool:
    """Whether the word stands in the text as one: between blanks in English, not within other katakana in Japanese."""
    if word.isascii():
        return re.search(rf"\b{re.escape(word)}(s|es|ed|ing)?\b", text, re.IGNORECASE) is not None
    before = f"(?<![{KATAKANA}])" if re.match(f"[{KATAKANA}]", word) else ""
    after = f"(?![{KATAKANA}])" if re.search(f"[{KATAKANA}]$", word) else ""
    return re.search(before + re.escape(word) + after, text) is not None


def places(language: str) -> Iterator[tuple[str, str]]:
    """Everything that is held to the glossary, by where it stands."""
    yield from ((key, prose(text)) for key, text in texts(language).items())
    if language == "ja":
        yield from ((str(path.relative_to(ROOT)), prose(path.read_text("utf-8"))) for path in DOCUMENTS)


def test_the_glossary_is_whole() -> None:
    """Each term once, each section one that there is, and nothing is both a term and forbidden."""
    sections = {key.partition(".")[0] for key in texts("en")}
    for entry in entries():
        assert set(entry.sections) <= sections, entry
        assert entry.sections, entry
    for language in LANGUAGES:
        terms = [entry.term[language] for entry in entries()]
        assert len(set(terms)) == len(terms)
        assert not any(
            stands(word, term) for term in terms for entry in entries() for word in entry.forbidden[language]
        )
    assert len(entries()) > 30


@languages
def test_no_text_has_a_word_that_the_glossary_forbids(language: str) -> None:
    found = [
        f"{place}: {word} (is {entry.term[language]})"
        for place, text in places(language)
        for entry in entries()
        for word in entry.forbidden[language]
        if stands(word, text)
    ]
    assert found == []


@languages
def test_each_word_of_the_glossary_is_used_where_it_says(language: str) -> None:
    missing = [
        f"{section}: {entry.term[language]}"
        for entry in entries()
        for section in entry.sections
        if not any(
            stands(entry.term[language], prose(text))
            for key, text in texts(language).items()
            if key.startswith(f"{section}.")
        )
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("word", "text", "expected"),
    [
        ("ラン", "このランは", True),
        ("ラン", "プランとランダムとブラン", False),
        ("ブラウザ", "ブラウザで", True),
        ("ブラウザ", "ブラウザーで", False),
        ("フォロー", "フォロー用トークン", True),
        ("フォロー", "フォロートークン", False),
        ("0 対", prose("{pairs} 対の差"), True),
        ("逐次", "`逐次`は{逐次}", True),
        ("job", "Both jobs", True),
        ("job", "jobless", False),
        ("first text", "The First Text", True),
    ],
)
def test_a_word_is_found_where_it_stands_alone(word: str, text: str, expected: bool) -> None:
    assert stands(word, text) is expected


def test_code_is_no_prose() -> None:
    assert not stands("逐次", prose("`逐次`は{逐次}と [x](逐次.md)\n```\n逐次\n```\nkeywords: 逐次"))


def test_japanese_stands_apart_from_latin_and_has_its_own_marks() -> None:
    """Blanks beside letters and digits, full-width marks, no blank between Japanese; but for what is typed."""
    odd = re.compile(
        f"[{JAPANESE}][A-Za-z0-9]|[A-Za-z0-9][{JAPANESE}]|[{JAPANESE}] ?[,;!?(]|[)] ?[{JAPANESE}]|[：]|\\d %"
        f"|[{JAPANESE}、。] [{JAPANESE}]"
    )
    no_words = re.compile(rf"`[^`]*`|\{{+[^{{}}]*\}}+|:material/[a-z_]+:|{DATES}")
    shown = {key: no_words.sub("○", text.replace("*", "")) for key, text in texts("ja").items() if not TYPED.match(key)}
    assert {key: match[0] for key, text in shown.items() if (match := odd.search(text))} == {}


def test_no_japanese_button_or_label_ends_in_suru() -> None:
    """`開始`, not `開始する`; a sentence ends in a full stop."""
    assert [key for key, text in texts("ja").items() if re.search("[一-鿿]する$", text)] == []
