"""What the demo model answers: notes in two languages, follow-ups, and JSON of any schema."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from langchain_openai import ChatOpenAI
from markdown_it import MarkdownIt
from pydantic import BaseModel

from streamlab.demo_model.notes import Language, topics
from streamlab.text.tokens import estimate_tokens
from tests import model_client
from tests.model_client import say

chat, client = model_client.chat, model_client.client  # fixtures are found by their names


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("What is streaming?", "What streaming an answer means"),
        ("What is the time to first token?", "Time to first token"),
        ("SSE or WebSocket?", "SSE, WebSocket or gRPC?"),
        ("How do I stop streaming?", "Stopping an answer"),
        ("ストリーミングとは？", "ストリーミングとは"),
        ("ＳＳＥとは", "SSE、WebSocket、gRPCの使い分け"),
        ("日本語のトークンについて", "日本語とストリーミング"),
        ("Streamlitで再読み込みすると？", "Streamlitで再読み込みすると何が起きるか"),
    ],
)
def test_questions_find_their_note_in_their_language(client: httpx2.Client, question: str, heading: str) -> None:
    assert f"## {heading}\n" in say(client, question)


def test_unknown_topics_and_small_talk(client: httpx2.Client) -> None:
    unknown = say(client, "Who won the cup?")
    assert "scripted demo model" in unknown
    assert all(topic.notes["en"].title in unknown for topic in topics())
    assert "台本" in say(client, "明日の天気は？")
    assert say(client, "Hi!").startswith("Hello!")
    assert say(client, "ありがとう").startswith("どういたしまして")


def test_follow_ups_use_the_history(client: httpx2.Client) -> None:
    def conversation(*questions: str) -> str:
        return say(client, "", messages=[{"role": "user", "content": question} for question in questions])

    assert topics()[2].notes["en"].more in conversation("What is TTFT?", "Thanks!", "more")
    assert topics()[3].notes["en"].main in conversation("What is TTFT?", "more", "go on")
    assert topics()[2].notes["ja"].more in conversation("TTFTとは", "例は？")
    assert "scripted demo model" in conversation("more")
    detailed = conversation("Explain streaming in detail")
    assert len(detailed.split()) > 650
    assert topics()[0].notes["en"].main in detailed


def test_system_prompt_is_honoured(client: httpx2.Client) -> None:
    short = say(client, "What is streaming?", system="Keep it brief.")
    assert "\n" not in short
    assert short.startswith("A language model")
    assert "## ストリーミングとは" in say(client, "What is streaming?", system="Always answer in Japanese.")
    assert "## What streaming" in say(client, "ストリーミングとは？", system="必ず英語で答えてください。")
    assert "\n" not in say(client, "ストリーミングとは？", system="簡潔に答えること。")


def test_temperature_varies_by_seed(client: httpx2.Client) -> None:
    assert len({say(client, "What is SSE?", temperature=0, seed=seed) for seed in range(5)}) == 1
    assert len({say(client, "What is SSE?", temperature=1, seed=seed) for seed in range(8)}) > 1
    assert len({say(client, "What is SSE?", temperature=1, seed=7) for _ in range(3)}) == 1
    assert len({say(client, "What is SSE?", temperature=1) for _ in range(12)}) > 1


class Step(BaseModel):
    title: str
    minutes: int


class Lesson(BaseModel):
    title: str
    summary: str
    steps: list[Step]
    level: int | None
    next: "Lesson | None"


def test_json_answers(client: httpx2.Client, chat: Callable[..., ChatOpenAI]) -> None:
    answer = json.loads(say(client, "SSEとは？", response_format={"type": "json_object"}))
    assert answer["language"] == "ja"
    lesson = chat().with_structured_output(Lesson, method="json_schema").invoke("What is backpressure?")
    assert isinstance(lesson, Lesson)
    assert lesson.title.startswith("Backpressure")
    assert "faster than it is read" in lesson.summary
    assert len(lesson.steps) == 3
    assert lesson.next is not None
    assert lesson.next.next is None


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": ["string", "null"], "maxLength": 5},
        {"type": "array", "items": {"$ref": "#"}},
        {"$ref": "#/nowhere"},
        {"anyOf": [{"type": "null"}, {"enum": ["a", "b"]}]},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}},
        {"type": "number", "minimum": 1, "maximum": 2},
    ],
)
def test_any_schema_gets_valid_json(client: httpx2.Client, schema: dict[str, Any]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    json.loads(say(client, "What is SSE?", response_format=wanted))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_notes_are_sound_markdown(language: Language) -> None:
    """Nothing is left of the markup: emphasis next to Japanese punctuation often is not recognised."""
    markdown = MarkdownIt().enable("table")
    for topic in topics():
        note = topic.notes[language]
        assert note.title
        assert note.more
        for token in markdown.parse(f"{note.main}\n\n{note.more}"):
            plain = "".join(child.content for child in token.children or [] if child.type == "text")
            assert "*" not in plain, note.title
            assert "`" not in plain, note.title


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("日本語", 3), ("日本 go", 3)]
)
def test_estimate_tokens(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
