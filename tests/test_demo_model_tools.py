"""The demo model calls the project's tools and answers from their results, over real HTTP."""

import json
from typing import Any

import httpx2
import pytest
from markdown_it import MarkdownIt

from tests import model_client
from tests.tool_agent import FUNCTIONS, THREE_STEPS, THREE_STEPS_JA, Agent, ask, calls, offer

client = model_client.client  # fixtures are found by their names


def say(client: httpx2.Client, **fields: Any) -> str:
    content = ask(client, "", **fields).raise_for_status().json()["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


# Questions


SUM, SALES, BOTH = [["calculate"]], [["query_sales"]], [["query_sales", "calculate"]]
COMPARISON = [["query_sales", "query_sales"]]


ANSWERED = [
    ("What is 17.5 % of 2,480?", SUM, ["**434**"]),
    ("How much is 1,234 × 5,678?", SUM, ["**7,006,652**"]),
    ("Calculate 3 * (4 + 5)", SUM, ["**27**"]),
    ("100 divided by 8", SUM, ["**12.5**"]),
    ("2^10 = ?", SUM, ["**1,024**"]),
    ("Calculate (2 * (3 + 4)) / 7 (roughly)", SUM, ["**2**"]),
    ("1234*5678 は？", SUM, ["**7,006,652**"]),
    ("2,480の17.5%はいくつ？", SUM, ["**434**"]),
    ("(820-350)/23 を計算して", SUM, ["**20.4348**"]),
    ("２＋３は？", SUM, ["**5**"]),
    ("Sales by region in 2025", SALES, ["in 2025: **Tokyo** comes first with **¥36,000**", "| Osaka | 31,200 |"]),
    ("monthly sales", SALES, ["| 2025-01 | 4,100 |", "| 2025-12 | 6,100 |"]),
    ("Show me quarterly revenue", SALES, ["| Q1 | 12,300 |", "| Q4 | 18,300 |"]),
    ("top 5 products", SALES, ["| Bag | 66,000 |", "| Pen | 1,200 |"]),
    ("Which are our top three months?", SALES, ["comes first with **¥6,100**"]),
    ("Which product sold worst in Q4?", SALES, ["**Pen** comes last with **¥300**"]),
    ("How many units did we sell by category?", SALES, ["| Leather | 66 |", "| Category | Units sold |"]),
    ("How many orders were there in March?", SALES, ["Orders in March 2025: **3**."]),
    ("What were the sales from January to March 2025?", SALES, ["January 2025 to March 2025: **¥12,300**."]),
    ("What were the total sales in 2024?", SALES, ["There are no sales figures in 2024."]),
    ("地域別の売上", SALES, ["**Tokyo** が **36,000円** で1位です。", "| Osaka | 31,200 |"]),
    ("月別の売上を教えて", SALES, ["| 2025-01 | 4,100 |", "| 月 | 売上（円） |"]),
    ("最も売れた月は？", SALES, ["| 2025-12 | 6,100 |"]),
    ("売れ筋商品トップ5は？", SALES, ["| かばん | 66,000 |", "| ペン | 1,200 |"]),
    ("カテゴリ別の販売数", SALES, ["| Leather | 66 |"]),
    ("2025年の総売上は？", SALES, ["2025年の売上は **67,200円** です。"]),
    ("1〜3月の売上は？", SALES, ["2025年1月から2025年3月までの売上は **12,300円** です。"]),
    ("上半期の注文数は？", SALES, ["2025年上半期の注文件数は **18** です。"]),
    ("Compare our sales in Q1 and Q2 2025", COMPARISON, ["**¥6,000** (48.8 %) above Q1", "| Q2 2025 | 18,300 |"]),
    (
        "2025年の第1四半期と第2四半期の売上を比べて",
        COMPARISON,
        ["**6,000円** （48.8%）多く", "| 2025年第2四半期 | 18,300 |"],
    ),
    ("What is 17 * 23, and which products sold best?", BOTH, ["**391**", "| Bag | 66,000 |"]),
    ("17 * 23 はいくつですか。また、最も売れた商品は何ですか。", BOTH, ["**391**", "| かばん | 66,000 |"]),
    ("What is 17 * 23? Use the calculator.", SUM, ["**391**"]),
    ("17 * 23 は？電卓を使ってください。", SUM, ["**391**"]),
    ("How do the sales of North and South compare, and what is 839320 / 12?", BOTH, ["¥67,200", "**69,943.3333**"]),
]


@pytest.mark.parametrize(("question", "names", "expected"), ANSWERED)
def test_questions_are_answered_from_results(
    client: httpx2.Client, question: str, names: list[list[str]], expected: list[str]
) -> None:
    """Also those of the examples and the benchmarks. Calls that need no other result come at once."""
    agent = Agent(client, question)
    answer = agent.run()
    assert agent.names == names
    for part in expected:
        assert part in answer


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("Search the notes for resume tokens", "resume tokens"),
        ("What do the notes say about backpressure?", "backpressure"),
        ("Please look up SSE in the notes.", "SSE"),
        ("Look up the meaning of TTFT", "TTFT"),
        ("バックプレッシャーについてノートを調べて", "バックプレッシャー"),
        ("ノートで再開トークンを検索して", "再開トークン"),
        ("再試行について、ノートには何と書いてありますか？", "再試行"),
        ("TTFTって何？ノートで調べて", "TTFT"),
    ],
)
def test_notes_are_searched_and_quoted(client: httpx2.Client, question: str, topic: str) -> None:
    """The best hit in the language of the question is quoted."""
    agent = Agent(client, question)
    answer = agent.run()
    assert agent.steps == [[("search_notes", {"query": topic})]]
    assert topic in answer.splitlines()[0]
    if question.isascii():
        quote = "> Send the address.\n> All see it live.\n>\n> — **Sharing** (share.md)\n\nSee also: Following."
    else:
        quote = "> 住所を送れば、全員が同時に見られます。\n>\n> — **共有** (ja/share.md)"
    assert answer.endswith(f"\n\n{quote}")


@pytest.mark.parametrize(
    "question",
    ["Look up what TTFT means and compute (820-350)/23", "TTFTの意味を調べて、(820-350)/23 を計算して"],
)
def test_independent_tools_are_called_at_once(client: httpx2.Client, question: str) -> None:
    agent = Agent(client, question)
    answer = agent.run()
    assert agent.steps == [[("search_notes", {"query": "TTFT"}), ("calculate", {"expression": "(820-350)/23"})]]
    assert "**20.4348**" in answer
    assert ("> — **Sharing**" if question.isascii() else "> — **共有**") in answer


# Three steps


@pytest.mark.parametrize(
    ("question", "lead", "expected"),
    [
        (THREE_STEPS, "Let me look at the sales first.", "Tokyo has **53.6 %** of the total of ¥67,200."),
        (THREE_STEPS_JA, "まず売上を確認します。", "Tokyoは全体（67,200円）の **53.6%** にあたります。"),
    ],
)
def test_a_step_works_with_the_results_of_the_one_before(
    client: httpx2.Client, question: str, lead: str, expected: str
) -> None:
    """What is said before a call is no part of the answer."""
    agent = Agent(client, question)
    answer = agent.run()
    assert agent.names == [["query_sales", "query_sales"], ["calculate"], ["search_notes"]]
    assert agent.steps[1] == [("calculate", {"expression": "36000 / 67200 * 100"})]
    assert [text is not None for text in agent.texts] == [True, False, True]
    assert agent.texts[0] == lead
    assert expected in answer
    assert ("> — **Sharing**" if question.isascii() else "> — **共有**") in answer
    assert not any(text in answer for text in agent.texts if text)


@pytest.mark.parametrize("question", [THREE_STEPS, THREE_STEPS_JA, "Compare sales in Q1, Q2 and Q3", "地域別の売上"])
def test_answers_are_sound_markdown(client: httpx2.Client, question: str) -> None:
    for token in MarkdownIt().enable("table").parse(Agent(client, question).run()):
        plain = "".join(child.content for child in token.children or [] if child.type == "text")
        assert "*" not in plain
        assert "|" not in plain


# What is offered


@pytest.mark.parametrize(
    "question", ["What is backpressure?", "Hello!", "Thanks", "ストリーミングとは？", "Is 24/7 enough for an order?"]
)
def test_other_questions_are_answered_without_tools(client: httpx2.Client, question: str) -> None:
    """Word for word as if no tools had been offered."""
    assert Agent(client, question).run() == Agent(client, question, tools=[]).run()


@pytest.mark.parametrize("choice", [{"tools": []}, {"tools": offer("get_weather")}, {"tool_choice": "none"}])
def test_tools_that_are_not_offered_are_not_called(client: httpx2.Client, choice: dict[str, Any]) -> None:
    assert calls(ask(client, THREE_STEPS, **choice)) == []


def test_a_part_that_has_no_tool_stays_open(client: httpx2.Client) -> None:
    agent = Agent(client, THREE_STEPS, tools=offer("query_sales"))
    answer = agent.run()
    assert agent.names == [["query_sales", "query_sales"]]
    assert "**Tokyo** comes first" in answer
    assert "the tool `calculate` was not available" in answer
    assert "the tool `search_notes` was not available" in answer


def test_results_are_used_although_no_more_calls_are_allowed(client: httpx2.Client) -> None:
    agent = Agent(client, THREE_STEPS)
    agent.run()
    assert "**Tokyo** comes first" in say(client, messages=agent.messages[:4], tool_choice="none")
    assert say(client, messages=agent.messages[:-1], tool_choice="none") == agent.messages[-1]["content"]


def test_one_call_at_a_time(client: httpx2.Client) -> None:
    agent = Agent(client, THREE_STEPS, parallel_tool_calls=False)
    assert "**53.6 %**" in agent.run()
    assert agent.names == [["query_sales"], ["query_sales"], ["calculate"], ["search_notes"]]


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_named_tool_is_called_whatever_the_question(client: httpx2.Client, name: str) -> None:
    choice = {"type": "function", "function": {"name": name}}
    ((called, arguments),) = calls(ask(client, "What is backpressure?", tool_choice=choice))
    assert called == name
    assert "error" not in json.loads(FUNCTIONS[name](**json.loads(arguments)))
    assert {called for called, _ in calls(ask(client, THREE_STEPS, tool_choice=choice))} == {name}


def test_required_calls_a_tool(client: httpx2.Client) -> None:
    assert [name for name, _ in calls(ask(client, "2^10 = ?", tool_choice="required"))] == ["calculate"]
    assert [name for name, _ in calls(ask(client, "Hello", tool_choice="required"))] == ["search_notes"]


def test_later_questions_start_afresh(client: httpx2.Client) -> None:
    agent = Agent(client, THREE_STEPS)
    agent.run()
    agent.messages.append({"role": "user", "content": "1234*5678 は？"})
    assert "計算結果は **7,006,652** です。" in agent.run()
    agent.messages.append({"role": "user", "content": "What is SSE?"})
    assert "## SSE, WebSocket or gRPC?" in agent.run()


def test_a_json_format_holds_the_results(client: httpx2.Client) -> None:
    agent = Agent(client, "地域別の売上", response_format={"type": "json_object"})
    assert "36,000円" in json.loads(agent.run())["answer"]
