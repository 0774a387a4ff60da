"""A prompt is answered about what it was filled with, whatever its template says; what can be asked is all told."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.page.texts import texts
from streamlab.demo_model.notes import Language, find_topic, topics
from streamlab.demo_model.subjects import LOOKED_AT, find_subjects
from streamlab.prompts.template import fill
from tests import model_client
from tests.model_client import say

client = model_client.client  # fixtures are found by their names

VALUES: dict[Language, list[str]] = {  # one for each note, in their order
    "en": [
        "streaming",
        "tokens and chunks",
        "time to first token",
        "SSE or WebSocket",
        "backpressure",
        "resuming after a lost connection",
        "reloading a Streamlit page",
        "retries",
        "LangChain",
        "stopping an answer",
        "latency",
        "Unicode and emoji",
        "reading speed",
        "sharing a result",
    ],
    "ja": [
        "ストリーミング",
        "チャンク",
        "最初のトークン",
        "SSEとWebSocket",
        "バックプレッシャー",
        "切断後の再開",
        "Streamlitの再読み込み",
        "再試行",
        "LangChain",
        "回答の停止",
        "レイテンシ",
        "文字化け",
        "読む速さ",
        "結果の共有",
    ],
}
TEMPLATES: dict[Language, list[str]] = {
    "en": [
        texts("en")["prompts.first_template"].format(),
        "{topic}",
        "Explain in one sentence: {topic}",
        "Translate to Japanese: {topic}",
        "Translate {topic} into Japanese",
        "Write a product description for {topic}",
        "In simple language, explain {topic}",
        "Write a short piece about {topic} in at most 100 characters",
        "Summarize {topic} as a table",
        "Stop and think step by step: what is {topic}?",
        'Explain the term "{topic}" without errors',
        "Reading level: grade 5. What is {topic}?",
        "Use chain of thought. Describe {topic} to my children.",
        "Share a fun fact about {topic}",
        "Answer in Japanese. What does {topic} mean?",
        "Write a haiku on {topic} for a language class",
        "You are an expert on error messages.\n\nQuestion: {topic}?",
        "Rewrite the following text in formal language:\n\n{topic}",
        "Create a tweet (max 280 characters) announcing {topic}",
        "Why does {topic} matter? Keep your answer under 50 tokens.",
        "Give a one-sentence definition of {topic} and do not stop early.",
        "<text>{topic}</text>\nSummarize it.",
    ],
    "ja": [
        texts("ja")["prompts.first_template"].format().replace("題材", "topic"),
        "{topic}",
        "{topic}について一文で説明してください。",
        "次の語を日本語で説明してください：{topic}",
        "「{topic}」を英語に訳してください",
        "{topic}の商品説明を書いてください。",
        "{topic}とは何ですか？100文字以内で。",
        "小学生に{topic}を教えてください。",
        "題材: {topic}\n口調: やさしい",
        "次の文を英語に翻訳してください。\n{topic}",
        "{topic}って何？小学生にもわかるように。",
        "以下の文章を要約してください。\n\n{topic}",
        "質問：{topic}とは？\n回答：",
        "{topic}について、エラーなく三つの例を挙げてください。",
        "200文字以内で{topic}を解説",
        "なぜ{topic}は大切なのですか？",
    ],
}


@pytest.mark.parametrize(
    ("language", "template"), [(language, template) for language in TEMPLATES for template in TEMPLATES[language]]
)
def test_a_prompt_is_about_its_variable(language: Language, template: str) -> None:
    """In every template, each of the notes is found by its own words."""
    prompts = [fill(template, {"topic": value}) for value in VALUES[language]]
    assert [find_topic(prompt) for prompt in prompts] == list(range(len(topics())))


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        ("Explain in one sentence: bananas", "bananas"),
        ("Stream a story about bananas", "bananas"),
        ("Write a short piece about bananas", "bananas"),
        ("Write a product description for a coffee mug", "a coffee mug"),
        ("りんごについて説明してください", "りんご"),
        ("「りんご」を英語に訳してください", "りんご"),
    ],
)
def test_what_no_note_is_about_is_named(client: httpx2.Client, prompt: str, subject: str) -> None:
    """So that two cases have two answers, and no word of the template is mistaken for the case."""
    answer = say(client, prompt)
    assert subject in answer
    assert all(topic.notes["ja" if "り" in prompt else "en"].title in answer for topic in topics())


@pytest.mark.parametrize("system", [None, "Be brief.", "簡潔に答えること。", "Answer in one sentence."])
@pytest.mark.parametrize(
    "question",
    ["Who won the cup?", "Be brief: who won?", "What can you do?", "help", "何ができますか", "短く、明日の天気は？"],
)
def test_what_can_be_asked_is_told_as_a_whole(client: httpx2.Client, system: str | None, question: str) -> None:
    """Whatever the words of the question or of the instructions are."""
    answer = say(client, question, system=system) if system else say(client, question)
    titles = {language: [topic.notes[language].title for topic in topics()] for language in ("en", "ja")}
    assert any(all(f"- {title}" in answer for title in titles[language]) for language in titles)
    assert answer.rstrip().endswith((".", "。"))


@given(st.text(max_size=200))
def test_any_text_has_subjects_that_it_holds(prompt: str) -> None:
    """Nothing is made up, and nothing is empty."""
    assert all(subject and len(subject) <= len(prompt) + 1 for subject in find_subjects(prompt))


@pytest.mark.parametrize("piece", ["about a ", "の説", ": ", '"', "<a>"])
def test_the_cues_are_looked_for_at_the_ends_of_a_long_prompt(piece: str) -> None:
    """There are its instructions; in all of it, they would take the time of a square."""
    assert all(len(subject) <= 2 * LOOKED_AT + 1 for subject in find_subjects(piece * 20_000))
