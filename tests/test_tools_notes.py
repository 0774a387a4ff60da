"""search_notes: what it finds, and that any query is only text."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from streamlab.agent.tools import search_notes
from streamlab.agent.tools.notes import _passages
from streamlab.demo_model.answers import JAPANESE

PROMPT = timedelta(seconds=5)  # for a call that takes milliseconds


def hits(query: str, limit: int = 5) -> list[dict[str, str]]:
    found = search_notes.invoke({"query": query, "limit": limit})
    assert found["query"] == query
    return list(found["hits"])


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("backpressure", "notes/en/05_backpressure.md"),
        ("How does backpressure work?", "notes/en/05_backpressure.md"),
        ("BACKPRESSURE", "notes/en/05_backpressure.md"),
        ("reconnect", "notes/en/06_resume.md"),
        ("WebSocket gRPC browser", "notes/en/04_transports.md"),
        ("バックプレッシャー", "notes/ja/05_backpressure.md"),
        ("ﾊﾞｯｸﾌﾟﾚｯｼｬｰ", "notes/ja/05_backpressure.md"),
        ("バックプレッシャーとは何ですか", "notes/ja/05_backpressure.md"),
        ("再接続", "notes/ja/06_resume.md"),
        ("再接続の仕組み", "notes/ja/06_resume.md"),
        ("遅延を測る方法", "notes/ja/11_latency.md"),
        ("SSEとWebSocketの違い", "notes/ja/04_transports.md"),
        ("Last-Event-ID 再開", "notes/ja/04_transports.md"),
    ],
)
def test_a_question_finds_its_note(query: str, source: str) -> None:
    """In the language of the question, whatever its width and case."""
    assert hits(query)[0]["source"] == source


@pytest.mark.parametrize("query", ["再開", "待", "8", "切断"])
def test_a_word_shorter_than_a_trigram_is_found(query: str) -> None:
    """Two kanji are a word."""
    found = hits(query)
    assert found
    assert any(query in hit["passage"] or query in hit["title"] for hit in found)


def test_short_words_are_found_whole() -> None:
    """AI is not in "wait"."""
    assert hits("ai") == []


@pytest.mark.parametrize(("query", "first"), [("WebSocket gRPC", "en"), ("WebSocketとgRPC", "ja")])
def test_both_languages_are_searched_and_the_querys_comes_first(query: str, first: str) -> None:
    languages = [hit["language"] for hit in hits(query, 20)]
    assert set(languages) == {"en", "ja"}
    assert languages == sorted(languages, reverse=first == "ja")


def test_all_words_come_before_some() -> None:
    """Only when no passage holds all words are those found that hold one."""
    both = hits("vocabulary probability")
    assert both
    assert all("vocabulary" in hit["passage"] and "probability" in hit["passage"] for hit in both)
    assert hits("backpressure zebra")[0]["source"] == "notes/en/05_backpressure.md"


@pytest.mark.parametrize("query", ["quantum chromodynamics", "量子色力学", "what is a zebra", "つながらない猫"])
def test_no_hit_is_a_result(query: str) -> None:
    assert hits(query) == []


@pytest.mark.parametrize("query", ["", "  ", "!?", "→", "。", "x" * 501])
def test_a_query_without_a_word_or_an_end_is_refused(query: str) -> None:
    with pytest.raises(ToolException, match=r"Give a few keywords\.$"):
        search_notes.invoke({"query": query})


@pytest.mark.parametrize(
    "query",
    [
        'token" OR title:*',
        "token AND",
        "NOT token",
        "NEAR(token chunk, 2)",
        "^token",
        "title : token",
        "-token",
        "tok*",
        "{title text} : token",
        "token'; DROP TABLE passages; --",
        "%",
        "__",
        "token\0",
    ],
)
def test_search_syntax_is_only_text(query: str) -> None:
    """What FTS5, LIKE or SQL would read as an operator is a word like any other, or none."""
    with suppress(ToolException):
        search_notes.invoke({"query": query})
    assert hits("token")


def test_limit_is_kept() -> None:
    assert [len(hits("token", limit)) for limit in (1, 3, 20)] == [1, 3, 20]


def test_passages_hold_all_of_the_notes() -> None:
    """About 600 characters each, in one language, none with half a code block."""
    passages = list(_passages())
    assert {passage.language for passage in passages} == {"en", "ja"}
    assert all(0 < len(passage.text) < 1_000 for passage in passages)
    assert all(passage.text.count("```") % 2 == 0 for passage in passages)
    assert all(bool(JAPANESE.search(passage.title + passage.text)) for passage in passages if passage.language == "ja")


@settings(max_examples=150, deadline=PROMPT)
@given(st.text(max_size=600), st.integers(1, 20))
def test_any_query_has_an_answer(query: str, limit: int) -> None:
    """A result that UTF-8 can carry, or a sentence."""
    try:
        found = search_notes.invoke({"query": query, "limit": limit})
    except ToolException:
        return
    assert len(found["hits"]) <= limit
    json.dumps(found, ensure_ascii=False).encode()
